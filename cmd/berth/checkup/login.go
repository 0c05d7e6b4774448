package checkup

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"regexp"
)

// realmOf is where a challenge sends clients for a token.
var realmOf = regexp.MustCompile(`(?i)^Bearer\s.*\brealm="([^"]+)"`)

// login looks at what a client sees that has no credentials yet: it is told
// where to get a token, and somebody is there. Whether credentials are good is
// seen by all that is pushed.
func (v *visit) login(ctx context.Context) Finding {
	a, err := v.send(ctx, v.Anonymous, http.MethodGet, "/v2/", nil)
	switch {
	case err != nil:
		return failed(err)
	case a.status == http.StatusOK:
		return ok("nobody is asked: the registry is open")
	case a.status != http.StatusUnauthorized:
		return broken(a.String(), "see that the URL is that of a registry")
	}
	found := realmOf.FindStringSubmatch(a.get("Www-Authenticate"))
	if found == nil {
		return broken("401, and no challenge says where to log in", "see the line above: clients log in only when WWW-Authenticate asks for it")
	}
	realm, err := url.Parse(found[1])
	if err != nil || realm.Host == "" {
		return broken("clients are sent to "+found[1], "nothing can be set: it is no URL")
	}
	if realm.Host != v.URL.Host {
		// Nobody there has asked to be examined.
		return harmless("clients are sent to "+realm.Host, "tokens may be made elsewhere")
	}
	return v.tokenEndpoint(ctx, realm)
}

// tokenEndpoint sees that requests for tokens arrive, in both forms. What is
// not allowed to anybody unknown may be refused, but in the registry's words.
func (v *visit) tokenEndpoint(ctx context.Context, realm *url.URL) Finding {
	const advice = "see that the routes of template.yaml are all there, among them those of Token"
	for _, form := range []struct {
		method string
		body   string
		header []string
	}{
		{http.MethodGet, "", nil},
		{http.MethodPost, "grant_type=password&username=berth-doctor&password=none", []string{"Content-Type", "application/x-www-form-urlencoded"}},
	} {
		a, err := v.send(ctx, v.Anonymous, form.method, realm.String(), []byte(form.body), form.header...)
		if err != nil {
			return failed(err)
		}
		if !answersTokens(a) {
			return broken(form.method+" "+realm.Path+": "+a.String(), advice)
		}
	}
	return ok("%s answers", realm.Path)
}

// answersTokens says whether an answer is that of a token endpoint: a token, or
// a refusal with a reason.
func answersTokens(a answer) bool {
	var said struct {
		Token  string
		Error  string
		Errors []json.RawMessage
	}
	if json.Unmarshal(a.body, &said) != nil {
		return false
	}
	switch a.status {
	case http.StatusOK:
		return said.Token != ""
	case http.StatusBadRequest, http.StatusUnauthorized, http.StatusForbidden, http.StatusTooManyRequests:
		return said.Error != "" || len(said.Errors) > 0
	}
	return false
}
