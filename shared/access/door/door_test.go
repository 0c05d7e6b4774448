package door_test

import (
	"context"
	"errors"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/berthregistry/berth/shared/access"
	"github.com/berthregistry/berth/shared/access/door"
	"github.com/berthregistry/berth/shared/access/ledger"
	"github.com/berthregistry/berth/shared/access/login"
	"github.com/berthregistry/berth/shared/access/token"
	"github.com/berthregistry/berth/shared/oci"
	"github.com/berthregistry/berth/shared/table/local"
)

func TestWhoPresentsNothingIsAnonymous(t *testing.T) {
	e := build(t)
	s := e.admit(t)
	if s.Kind != access.Anonymous || s.Scopes != nil || s.Policy.Version() != e.policy.Version() {
		t.Errorf("got %+v", s)
	}
}

func TestBearerIsWhomTheTokenNames(t *testing.T) {
	e := build(t)
	scopes := []access.Scope{{Type: "repository", Name: "team/app", Actions: []string{"pull"}}}
	who := access.Principal{Kind: access.Robot, Name: "ci", Groups: []string{"builders"}}
	raw := e.token(t, token.Token{Principal: who, Scopes: scopes})
	for _, scheme := range []string{"Bearer ", "bearer ", "BEARER   "} {
		s := e.admit(t, scheme+raw)
		if !reflect.DeepEqual(s.Principal, who) || !reflect.DeepEqual(s.Scopes, scopes) {
			t.Errorf("%q: got %+v", scheme, s)
		}
		if !s.May("team/app", access.Pull).Allowed() || s.May("team/other", access.Pull).Allowed() {
			t.Errorf("%q: the session is not narrowed to the scopes of the token", scheme)
		}
	}
}

// A token for nothing is not one for everything.
func TestTokenWithoutScopesLetsNothingPass(t *testing.T) {
	e := build(t)
	s := e.admit(t, "Bearer "+e.token(t, token.Token{Principal: access.Principal{Kind: access.User, Name: "alice"}}))
	if s.Scopes == nil || s.May("team/app", access.Pull).Allowed() || s.Catalog() || s.Admin() {
		t.Errorf("got %+v", s)
	}
}

func TestTokensThatAreNoGood(t *testing.T) {
	e, other := build(t), build(t)
	who := token.Token{Principal: access.Principal{Kind: access.User, Name: "alice"}}
	good := e.token(t, who)
	old, foreign := who, who
	old.Issued, old.Expires = e.now.Add(-time.Hour), e.now.Add(-55*time.Minute)
	foreign.Service = "elsewhere"
	refresh, err := e.ring.SignRefresh(token.Refresh{Principal: who.Principal, Service: service, Issued: e.now, Expires: e.now.Add(time.Hour)}, e.now)
	if err != nil {
		t.Fatal(err)
	}
	for name, authorization := range map[string]string{
		"nothing":             "Bearer",
		"nothing but a space": "Bearer ",
		"no token":            "Bearer nonsense",
		"two, joined":         "Bearer " + good + ",Bearer " + good,
		"damaged":             "Bearer " + good[:len(good)-6] + "AAAAAA",
		"of another registry": "Bearer " + other.token(t, who),
		"for another service": "Bearer " + e.token(t, foreign),
		"expired":             "Bearer " + e.token(t, old),
		"a refresh token":     "Bearer " + refresh,
		"long":                "Bearer " + strings.Repeat("a", 9<<10),
	} {
		challenge := e.refuse(t, oci.ErrUnauthorized, authorization)
		if !strings.HasSuffix(challenge, `,error="invalid_token"`) {
			t.Errorf("%s: challenge %s", name, challenge)
		}
	}
	if strings.Contains(e.log.String(), good[:40]) {
		t.Error("a token is in the log")
	}
}

func TestTokensEndWithTheAccessKey(t *testing.T) {
	e := build(t)
	id, _ := e.robot(t, "ci")
	raw := e.token(t, token.Token{Principal: access.Principal{Kind: access.Robot, Name: "ci"}, Robot: id})
	e.admit(t, "Bearer "+raw)
	if _, err := e.Revoke(t.Context(), id); err != nil {
		t.Fatal(err)
	}
	if challenge := e.refuse(t, oci.ErrUnauthorized, "Bearer "+raw); !strings.Contains(challenge, "invalid_token") {
		t.Errorf("challenge %s", challenge)
	}
}

// What the expressions of a policy say of claims is in the token. With another
// policy that means nothing any more.
func TestTokensOfWhoHasClaimsEndWithThePolicy(t *testing.T) {
	e := build(t)
	version := e.policy.Version()
	issuer := access.Principal{Kind: access.Issuer, Name: "github", Subject: "repo:acme/app"}
	for _, c := range []struct {
		name          string
		tok           token.Token
		before, after bool // whether it is taken before the policy changes, and after
	}{
		{"an issuer's", token.Token{Principal: issuer, Policy: version}, true, false},
		{"one of AWS", token.Token{Principal: access.Principal{Kind: access.AWS, Name: "123456789012"}, Policy: version}, true, false},
		{"an issuer's, never judged", token.Token{Principal: issuer}, false, false},
		{"a user's", token.Token{Principal: access.Principal{Kind: access.User, Name: "alice"}}, true, true},
	} {
		e.put(t, e.Ledger, "everybody")
		raw := "Bearer " + e.token(t, c.tok)
		_, err := e.Admit(request(t, raw))
		if (err == nil) != c.before || err != nil && !errors.Is(err, oci.ErrUnauthorized) {
			t.Errorf("%s token: got %v, want it taken: %t", c.name, err, c.before)
		}
		e.put(t, e.Ledger, "everybody else")
		if _, err := e.Admit(request(t, raw)); (err == nil) != c.after {
			t.Errorf("%s token, after the policy has changed: got %v, want it taken: %t", c.name, err, c.after)
		}
	}
}

// A token that was made elsewhere a moment after the policy changed is good,
// though the change is not known here yet.
func TestNewerPolicyIsFetched(t *testing.T) {
	items, err := local.Open(filepath.Join(t.TempDir(), "table"), nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = items.Close() })
	e := buildOn(t, items)
	e.admit(t) // from now on the policy is in memory
	e.now = e.now.Add(2 * time.Second)
	elsewhere := ledger.New(items, ledger.Options{})
	changed := e.put(t, elsewhere, "changed")
	raw := e.token(t, token.Token{Principal: access.Principal{Kind: access.Issuer, Name: "github"}, Policy: changed.Version()})
	if s := e.admit(t, "Bearer "+raw); s.Policy.Version() != changed.Version() {
		t.Error("the session has the policy of before")
	}
}

func TestBasic(t *testing.T) {
	e := build(t)
	id, secret := e.robot(t, "ci")
	s := e.admit(t, basic(id, secret))
	if want := (access.Principal{Kind: access.Robot, Name: "ci", Groups: []string{"builders"}}); !reflect.DeepEqual(s.Principal, want) || s.Scopes != nil {
		t.Errorf("got %+v, want %+v and nothing that narrows it", s, want)
	}
	for name, authorization := range map[string][]string{
		"wrong secret":     {basic(id, secret+"x")},
		"unknown":          {basic("robot-aaaaaaaaaaaaaaaa", secret)},
		"nobody's":         {basic("alice", secret)},
		"no colon":         {"Basic aWQ="},
		"no base64":        {"Basic " + id + ":" + secret},
		"a line feed":      {basic(id, secret+"\n")},
		"another scheme":   {"Digest username=ci"},
		"empty":            {""},
		"two of them":      {basic(id, secret), basic(id, secret)},
		"two that differ":  {basic(id, secret), "Bearer x"},
		"far too long":     {basic(id, strings.Repeat("a", 24<<10))},
		"a token in Basic": {"Basic " + e.token(t, token.Token{Principal: access.Principal{Kind: access.User, Name: "alice"}})},
	} {
		challenge := e.refuse(t, oci.ErrUnauthorized, authorization...)
		if strings.Contains(challenge, "error=") {
			t.Errorf("%s: challenge %s, want nothing about a token", name, challenge)
		}
	}
	if strings.Contains(e.log.String(), secret) {
		t.Error("a secret is in the log")
	}
}

func TestWhoFailsTooOftenWaits(t *testing.T) {
	e := build(t)
	id, secret := e.robot(t, "ci")
	for range 10 {
		e.refuse(t, oci.ErrUnauthorized, basic(id, "wrong"))
	}
	_, err := e.Admit(request(t, basic(id, "wrong again")))
	var blocked *login.Blocked
	if !errors.Is(err, oci.ErrTooManyRequests) || !errors.As(err, &blocked) || blocked.Seconds() < 30 {
		t.Fatalf("got %v, want to be told to wait", err)
	}
	e.admit(t)                    // but not who presents nothing
	e.admit(t, basic(id, secret)) // nor who has the secret, of a robot
	e.now = e.now.Add(blocked.After)
	e.admit(t, basic(id, secret))
}

// A door that does not know what is in force lets nobody in, and says that it is
// not the credentials.
func TestDoorFailsClosed(t *testing.T) {
	broken := errors.New("table on fire")
	e := build(t, func(o *door.Options) {
		o.State = func(context.Context) (*ledger.State, error) { return nil, broken }
	})
	for _, authorization := range [][]string{nil, {"Bearer " + e.token(t, token.Token{})}, {basic("robot-aaaaaaaaaaaaaaaa", "x")}} {
		s, err := e.Admit(request(t, authorization...))
		if s != nil || !errors.Is(err, broken) || errors.Is(err, oci.ErrUnauthorized) {
			t.Errorf("got %v, %v, want the cause", s, err)
		}
	}
}
