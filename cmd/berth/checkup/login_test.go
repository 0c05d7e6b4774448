package checkup_test

import (
	"fmt"
	"io"
	"net/http"
	"testing"

	"github.com/berthregistry/berth/cmd/berth/checkup"
)

// A gatekeeper asks who is unknown for a token, and has what makes them.
type gatekeeper struct {
	challenge string // with %s for the host
	token     http.HandlerFunc
}

func (g gatekeeper) wrap(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.URL.Path == "/token":
			g.token(w, r)
		case r.URL.Path == "/v2/" && r.Header.Get("Authorization") == "":
			if g.challenge != "" {
				w.Header().Set("Www-Authenticate", fmt.Sprintf(g.challenge, r.Host))
			}
			w.WriteHeader(http.StatusUnauthorized)
		default:
			next.ServeHTTP(w, r)
		}
	})
}

// answers is a token endpoint that always says the same.
func answers(status int, body string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(status)
		io.WriteString(w, body)
	}
}

// What a client sees that has not logged in yet.
func TestLogin(t *testing.T) {
	const challenge = `Bearer realm="http://%s/token",service="berth"`
	const refusal = `{"error":"invalid_grant","errors":[{"code":"UNAUTHORIZED"}]}`
	for name, test := range map[string]struct {
		gatekeeper
		want line
	}{
		"tokens for all":    {gatekeeper{challenge, answers(200, `{"token":"x"}`)}, line{checkup.OK, "/token answers", ""}},
		"refused in words":  {gatekeeper{challenge, answers(401, refusal)}, line{checkup.OK, "/token answers", ""}},
		"no such route":     {gatekeeper{challenge, answers(404, `{"message":"Not Found"}`)}, line{checkup.Broken, "GET /token: 404", "those of Token"}},
		"the gateway fails": {gatekeeper{challenge, answers(500, `{"message":"Internal Server Error"}`)}, line{checkup.Broken, "GET /token: 500", ""}},
		"POST is lost": {gatekeeper{challenge, func(w http.ResponseWriter, r *http.Request) {
			if r.Method == http.MethodPost {
				answers(405, `{}`)(w, r)
				return
			}
			answers(401, refusal)(w, r)
		}}, line{checkup.Broken, "POST /token: 405", ""}},
		"a token of nothing": {gatekeeper{challenge, answers(200, `{}`)}, line{checkup.Broken, "GET /token: 200", ""}},
		"no challenge":       {gatekeeper{"%.0s", answers(200, "")}, line{checkup.Broken, "no challenge says where", "WWW-Authenticate"}},
		"no realm":           {gatekeeper{`Basic realm="x"%.0s`, answers(200, "")}, line{checkup.Broken, "no challenge says where", ""}},
		"elsewhere":          {gatekeeper{`bearer service="x", realm="https://auth.example.com/token"%.0s`, nil}, line{checkup.Differs, "auth.example.com", "tokens may be made elsewhere"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := asServed()
			s.wrap = test.wrap
			d := deploy(t, s)
			c := config(t, d.url)
			c.Client = known{c.Client}
			r, err := checkup.Examine(t.Context(), c)
			if err != nil {
				t.Fatal(err)
			}
			holds(t, r, map[string]line{"login": test.want})
		})
	}
}
