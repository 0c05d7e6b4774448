package desk_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/berthregistry/berth/shared/access"
	"github.com/berthregistry/berth/shared/access/desk"
)

func scopes(s ...string) url.Values { return url.Values{"scope": s, "service": {"berth"}} }

// What is granted is what was asked for and is allowed, in both forms.
func TestGrantedIsAskedAndAllowed(t *testing.T) {
	o := newOffice(t, nil)
	id, secret := o.robot("builder", time.Time{})
	asked := []string{"repository:team/app:pull,push,delete", "repository:public/base:pull,push repository:private/x:pull", "registry:admin:*"}
	form := scopes(strings.Join(asked, " "))
	form.Set("grant_type", "password")
	form.Set("username", id)
	form.Set("password", secret)
	for name, a := range map[string]answer{"GET": o.get(id, secret, scopes(asked...)), "POST": o.post(form)} {
		g, token := o.granted(a)
		if want := "repository:team/app:pull,push repository:public/base:pull"; g.Scope != want {
			t.Errorf("%s: scope: got %q, want %q", name, g.Scope, want)
		}
		if g.Token != g.AccessToken || g.TokenType != "Bearer" || g.ExpiresIn != 300 || g.RefreshToken != "" {
			t.Errorf("%s: got %+v", name, g)
		}
		if got, want := g.IssuedAt, o.clock.now().UTC().Format(time.RFC3339); got != want {
			t.Errorf("%s: issued at %s, want %s", name, got, want)
		}
		if token.Robot != id || token.Principal.Name != "builder" || token.Service != "berth" || token.Policy != "" || len(token.Scopes) != 2 {
			t.Errorf("%s: the token says %+v", name, token)
		}
		if got := a.header.Get("Cache-Control"); got != "no-store" {
			t.Errorf("%s: Cache-Control: %q", name, got)
		}
	}
}

// Who presents nothing gets a token for what anybody may do.
func TestNobodyGetsWhatAnybodyMay(t *testing.T) {
	o := newOffice(t, nil)
	g, token := o.granted(o.get("", "", scopes("repository:public/base:pull", "repository:team/app:pull")))
	if g.Scope != "repository:public/base:pull" || token.Principal.Kind != access.Anonymous {
		t.Errorf("got %+v for %v", g, token.Principal)
	}
	query := scopes()
	query.Set("offline_token", "true")
	if g, _ := o.granted(o.get("", "", query)); g.RefreshToken != "" || g.Scope != "" {
		t.Errorf("nobody got a token to keep: %+v", g)
	}
}

// What would not fit the header of a request is refused at once, not later by a
// gateway.
func TestTokensThatWouldBeTooLarge(t *testing.T) {
	o := newOffice(t, nil)
	var many []string
	for i := range 95 {
		many = append(many, fmt.Sprintf("repository:team/%s%02d:pull,push", strings.Repeat("x", 50), i))
	}
	want(t, o.get("alice", "secret", scopes(many...)), http.StatusBadRequest, `"error":"invalid_scope"`)

	o.people.claims["much"] = strings.Repeat("x", 8<<10)
	query := scopes("repository:team/app:push")
	query.Set("offline_token", "true")
	if g, _ := o.granted(o.get("oidc", "a.good.jwt", query)); g.RefreshToken != "" || g.Scope == "" {
		t.Errorf("with claims that are too many: got %+v", g)
	}
}

// docker login asks for no scope. Its token lets nothing pass, and is not
// without narrowing.
func TestATokenWithoutScopesIsNarrow(t *testing.T) {
	o := newOffice(t, nil)
	_, token := o.granted(o.get("alice", "secret", url.Values{"service": {"berth"}}))
	s := access.Session{Principal: token.Principal, Scopes: token.Scopes}
	if token.Scopes == nil || s.May("team/app", access.Pull).Allowed() {
		t.Errorf("got scopes %#v", token.Scopes)
	}
}

func TestFederatedTokensCarryThePolicy(t *testing.T) {
	o := newOffice(t, nil)
	form := scopes("repository:team/app:push")
	form.Set("grant_type", "urn:ietf:params:oauth:grant-type:token-exchange")
	form.Set("subject_token", "a.good.jwt")
	form.Set("subject_token_type", "urn:ietf:params:oauth:token-type:jwt")
	g, token := o.granted(o.post(form))
	state, err := o.ledger.State(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if token.Policy != state.Policy.Version() || token.Policy == "" {
		t.Errorf("policy: got %q, want %q", token.Policy, state.Policy.Version())
	}
	if g.IssuedTokenType != "urn:ietf:params:oauth:token-type:access_token" || g.Scope != "repository:team/app:push" {
		t.Errorf("got %+v", g)
	}
	byPassword, _ := o.granted(o.get("oidc", "a.good.jwt", scopes("repository:team/app:push")))
	if byPassword.Scope != g.Scope || byPassword.IssuedTokenType != "" {
		t.Errorf("as a password it gets %+v", byPassword)
	}
}

// A token ends with the key it was made with.
func TestTokensDoNotOutliveTheirRobot(t *testing.T) {
	o := newOffice(t, nil)
	id, secret := o.robot("builder", o.clock.now().Add(2*time.Minute))
	query := scopes()
	query.Set("offline_token", "true")
	g, token := o.granted(o.get(id, secret, query))
	if g.ExpiresIn != 120 || !token.Expires.Equal(o.clock.now().Add(2*time.Minute)) {
		t.Errorf("it ends in %d s, at %v", g.ExpiresIn, token.Expires)
	}
	o.clock.forward(3 * time.Minute)
	want(t, o.post(refresh(g.RefreshToken)), http.StatusUnauthorized, "invalid_grant")
}

func TestUseIsRemembered(t *testing.T) {
	o := newOffice(t, nil)
	id, secret := o.robot("builder", time.Time{})
	o.granted(o.get(id, secret, scopes()))
	if r, err := o.ledger.Robot(t.Context(), id); err != nil || r.Used.IsZero() {
		t.Errorf("last use: %v, %v", r.Used, err)
	}
}

func TestRefusals(t *testing.T) {
	o := newOffice(t, nil)
	form := func(pairs ...string) url.Values {
		v := url.Values{}
		for i := 0; i < len(pairs); i += 2 {
			v.Add(pairs[i], pairs[i+1])
		}
		return v
	}
	const exchange = "urn:ietf:params:oauth:grant-type:token-exchange"
	const jwt = "urn:ietf:params:oauth:token-type:jwt"
	for name, c := range map[string]struct {
		form   url.Values
		status int
		says   string
	}{
		"no grant":            {form(), 400, `"error":"unsupported_grant_type"`},
		"another grant":       {form("grant_type", "client_credentials"), 400, `"error":"unsupported_grant_type"`},
		"two grants":          {form("grant_type", "password", "grant_type", "refresh_token"), 400, `"error":"invalid_request"`},
		"two passwords":       {form("grant_type", "password", "username", "alice", "password", "secret", "password", "x"), 400, `"error":"invalid_request"`},
		"no user":             {form("grant_type", "password", "password", "secret"), 400, `"error":"invalid_request"`},
		"wrong password":      {form("grant_type", "password", "username", "alice", "password", "x"), 401, `"error":"invalid_grant"`},
		"unknown user":        {form("grant_type", "password", "username", "mallory", "password", "x"), 401, `"error":"invalid_grant"`},
		"no refresh token":    {form("grant_type", "refresh_token"), 400, `"error":"invalid_request"`},
		"a made up one":       {form("grant_type", "refresh_token", "refresh_token", "a.b.c"), 401, `"error":"invalid_grant"`},
		"another service":     {form("grant_type", "password", "username", "alice", "password", "secret", "service", "docker.io"), 400, `"error":"invalid_request"`},
		"too many scopes":     {form("grant_type", "password", "username", "alice", "password", "secret", "scope", strings.Repeat("repository:a:pull ", 600)), 400, `"error":"invalid_scope"`},
		"no subject":          {form("grant_type", exchange, "subject_token_type", jwt), 400, `"error":"invalid_request"`},
		"another kind":        {form("grant_type", exchange, "subject_token", "x", "subject_token_type", "urn:ietf:params:oauth:token-type:saml2"), 400, `"error":"invalid_request"`},
		"a wanted refresh":    {form("grant_type", exchange, "subject_token", "x", "subject_token_type", jwt, "requested_token_type", "urn:ietf:params:oauth:token-type:refresh_token"), 400, `"error":"invalid_request"`},
		"somebody for others": {form("grant_type", exchange, "subject_token", "x", "subject_token_type", jwt, "actor_token", "y"), 400, `"error":"invalid_request"`},
		"a wrong subject":     {form("grant_type", exchange, "subject_token", "x", "subject_token_type", jwt), 401, `"error":"invalid_grant"`},
		"too large":           {form("grant_type", "password", "username", "alice", "password", strings.Repeat("x", 40<<10)), 413, `"error":"invalid_request"`},
		"not our doing":       {form("grant_type", "password", "username", "outage", "password", "x"), 503, `"error":"temporarily_unavailable"`},
	} {
		a := o.post(c.form)
		want(t, a, c.status, c.says, `"errors":[{"code":"`, `"error_description":"`)
		if t.Failed() {
			t.Fatal(name)
		}
		if a.header.Get("Cache-Control") != "no-store" || a.header.Get("Content-Type") != "application/json" {
			t.Errorf("%s: headers %v", name, a.header)
		}
	}
	for _, secret := range []string{"secret", "a.good.jwt", "mallory's"} {
		if strings.Contains(o.log.String(), `"`+secret) {
			t.Errorf("%q is in the log:\n%s", secret, o.log)
		}
	}
}

// One text for all causes: nobody learns which users there are.
func TestRefusalsAreAlike(t *testing.T) {
	o := newOffice(t, nil)
	wrong, unknown := o.get("alice", "wrong", scopes()), o.get("nobody", "wrong", scopes())
	if wrong.body != unknown.body || wrong.status != unknown.status {
		t.Errorf("got %q and %q", wrong.body, unknown.body)
	}
	want(t, wrong, http.StatusUnauthorized, `"code":"UNAUTHORIZED"`)
	if got := wrong.header.Get("Www-Authenticate"); !strings.HasPrefix(got, "Basic ") {
		t.Errorf("WWW-Authenticate: %q", got)
	}
}

func TestTooManyFailuresAreToldWhenToComeAgain(t *testing.T) {
	o := newOffice(t, nil)
	id, _ := o.robot("builder", time.Time{})
	var a answer
	for range 30 {
		if a = o.get(id, "wrong", scopes()); a.status != http.StatusUnauthorized {
			break
		}
	}
	want(t, a, http.StatusTooManyRequests, `"code":"TOOMANYREQUESTS"`, `"error":"slow_down"`)
	if after, err := strconv.Atoi(a.header.Get("Retry-After")); err != nil || after < 1 {
		t.Errorf("Retry-After: %q", a.header.Get("Retry-After"))
	}
}

func TestOddRequests(t *testing.T) {
	o := newOffice(t, nil)
	make := func(method, target, body string, headers ...string) *http.Request {
		r := httptest.NewRequest(method, target, strings.NewReader(body))
		for i := 0; i < len(headers); i += 2 {
			r.Header.Add(headers[i], headers[i+1])
		}
		return r
	}
	const basic = "Basic YWxpY2U6c2VjcmV0"
	for name, c := range map[string]struct {
		r      *http.Request
		status int
	}{
		"basic":               {make("GET", "/token", "", "Authorization", basic), 200},
		"basic in lower case": {make("GET", "/token", "", "Authorization", "b"+basic[1:]), 200},
		"two headers":         {make("GET", "/token", "", "Authorization", basic, "Authorization", basic), 400},
		"a bearer token":      {make("GET", "/token", "", "Authorization", "Bearer x"), 401},
		"half a header":       {make("GET", "/token", "", "Authorization", "Basic YWx"), 401},
		"nobody's password":   {make("GET", "/token", "", "Authorization", "Basic OnNlY3JldA=="), 401},
		"a damaged query":     {make("GET", "/token?scope=%zz", ""), 400},
		"two services":        {make("GET", "/token?service=berth&service=x", ""), 400},
		"a password in it":    {make("GET", "/token?grant_type=password&username=alice&password=secret&scope=repository:team/app:pull", ""), 200}, // and it is nobody
		"JSON":                {make("POST", "/token", `{"grant_type":"password"}`, "Content-Type", "application/json"), 400},
		"no type":             {make("POST", "/token", "grant_type=password"), 400},
		"a query beside it":   {make("POST", "/token?grant_type=password&username=alice&password=secret", "", "Content-Type", "application/x-www-form-urlencoded"), 400},
		"another method":      {make("PUT", "/token", ""), 405},
		"another path":        {make("GET", "/token/x", ""), 404},
	} {
		a := o.send(c.r)
		if a.status != c.status {
			t.Errorf("%s: got %d: %s, want %d", name, a.status, a.body, c.status)
		}
		if name == "a password in it" {
			if g, token := o.granted(a); g.Scope != "" || token.Principal.Kind != access.Anonymous {
				t.Errorf("a password in the query was taken: %+v", token)
			}
		}
	}
}

func TestADeskWithoutLoginHasNoTokens(t *testing.T) {
	o := newOffice(t, func(o *desk.Options) { o.Login = nil })
	want(t, o.get("", "", nil), http.StatusNotFound)
}
