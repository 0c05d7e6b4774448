package desk_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/berthregistry/berth/shared/access"
)

func refresh(token string, scope ...string) url.Values {
	return url.Values{"grant_type": {"refresh_token"}, "refresh_token": {token}, "service": {"berth"}, "scope": scope}
}

// keep logs in as docker login does, and returns the token to keep.
func (o *office) keep(user, secret string) string {
	o.Helper()
	g, _ := o.granted(o.get(user, secret, url.Values{"offline_token": {"true"}, "service": {"berth"}}))
	if g.RefreshToken == "" {
		o.Fatal("there is no token to keep")
	}
	return g.RefreshToken
}

func TestRefresh(t *testing.T) {
	o := newOffice(t, nil)
	id, secret := o.robot("builder", time.Time{})
	for user, secret := range map[string]string{id: secret, "alice": "secret", "oidc": "a.good.jwt"} {
		kept := o.keep(user, secret)
		form := refresh(kept, "repository:team/app:pull")
		form.Set("access_type", "offline")
		g, token := o.granted(o.post(form))
		if g.Scope != "repository:team/app:pull" || token.Principal.Kind == access.Anonymous {
			t.Errorf("%s: got %+v for %v", user, g, token.Principal)
		}
		if g.RefreshToken != "" {
			t.Errorf("%s: a token to keep was drawn out by itself", user)
		}
		if _, err := o.verifier.Verify(t.Context(), kept); err == nil {
			t.Errorf("%s: the token to keep opens the registry itself", user)
		}
		want(t, o.post(refresh(g.AccessToken)), http.StatusUnauthorized, "invalid_grant")
	}
}

func TestPasswordFormGetsATokenToKeep(t *testing.T) {
	o := newOffice(t, nil)
	form := url.Values{"grant_type": {"password"}, "username": {"alice"}, "password": {"secret"}, "access_type": {"offline"}}
	g, _ := o.granted(o.post(form))
	o.granted(o.post(refresh(g.RefreshToken)))
}

// It ends with what it was made with.
func TestRefreshEndsWithTheCredential(t *testing.T) {
	o := newOffice(t, nil)
	id, secret := o.robot("builder", time.Time{})
	robots, alices := o.keep(id, secret), o.keep("alice", "secret")
	if _, err := o.ledger.Revoke(t.Context(), id); err != nil {
		t.Fatal(err)
	}
	o.people.change("alice", "another")
	want(t, o.post(refresh(robots)), http.StatusUnauthorized, "invalid_grant")
	want(t, o.post(refresh(alices)), http.StatusUnauthorized, "invalid_grant")
}

// For those whom others vouch for it is what the policy says now that counts,
// and for an hour.
func TestRefreshIsJudgedByThePolicyInForce(t *testing.T) {
	for name, c := range map[string]struct {
		policy string
		status int
	}{
		"the same":               {testPolicy, 200},
		"nothing for them":       {strings.ReplaceAll(testPolicy, `"issuer:ci", `, ""), 200}, // a token, with nothing in it
		"the issuer is gone":     {"rules: []\n", 401},
		"another audience":       {strings.ReplaceAll(testPolicy, "registry.test", "other.test"), 401},
		"an audience of its own": {strings.ReplaceAll(testPolicy, `issuer.test"}`, `issuer.test", audience: [other.test]}`), 401},
		"another url":            {strings.ReplaceAll(testPolicy, "https://issuer.test", "https://other.test"), 401},
		"more is required":       {strings.ReplaceAll(testPolicy, `issuer.test"}`, `issuer.test", require: claims.owner == "other"}`), 401},
		"what is required, is":   {strings.ReplaceAll(testPolicy, `issuer.test"}`, `issuer.test", require: claims.owner == "acme"}`), 200},
	} {
		o := newOffice(t, nil)
		kept := o.keep("oidc", "a.good.jwt")
		o.setPolicy(c.policy)
		a := o.post(refresh(kept, "repository:team/app:push"))
		if a.status != c.status {
			t.Errorf("%s: got %d: %s, want %d", name, a.status, a.body, c.status)
		}
		if allowed := strings.Contains(a.body, "repository:team/app:push"); allowed != (c.status == 200 && name != "nothing for them") {
			t.Errorf("%s: got %s", name, a.body)
		}
	}
}

func TestRefreshTokensEnd(t *testing.T) {
	for user, life := range map[string]time.Duration{"alice": 30 * 24 * time.Hour, "oidc": time.Hour} {
		o := newOffice(t, nil)
		kept := o.keep(user, o.people.password(user))
		o.clock.forward(life - time.Minute)
		o.granted(o.post(refresh(kept)))
		o.clock.forward(90 * time.Second) // clocks may be a minute apart, and a token cannot end before it begins
		if a := o.post(refresh(kept)); user == "oidc" {
			want(t, a, http.StatusUnauthorized, "invalid_grant")
		}
		o.clock.forward(90 * time.Second)
		want(t, o.post(refresh(kept)), http.StatusUnauthorized, "invalid_grant")
	}
}
