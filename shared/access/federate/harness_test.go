package federate_test

import (
	"errors"
	"maps"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/berthregistry/berth/shared/access"
	"github.com/berthregistry/berth/shared/access/federate"
	"github.com/berthregistry/berth/shared/access/federate/issuertest"
	"github.com/berthregistry/berth/shared/access/login"
)

const registry = "registry.example.com"

// A clock is as late as a test has it.
type clock struct {
	mu   sync.Mutex
	late time.Duration
}

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return time.Now().Add(c.late)
}

func (c *clock) pass(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.late += d
}

// options has the clock, and nothing else that is not as it is by default.
func (c *clock) options() federate.Options { return federate.Options{Now: c.now} }

// trusting is a policy that takes tokens of an issuer by the name of ci.
func trusting(t testing.TB, i *issuertest.Issuer) *access.Policy {
	t.Helper()
	return compiled(t, &access.Policy{
		Audiences: []string{registry},
		Issuers:   []access.Trust{{Name: "ci", URL: i.URL}},
	})
}

func compiled(t testing.TB, p *access.Policy) *access.Policy {
	t.Helper()
	if err := p.Compile(); err != nil {
		t.Fatal(err)
	}
	return p
}

// job is what a token of these tests says beside what all say.
func job(more map[string]any) map[string]any {
	return changed(map[string]any{"aud": registry, "sub": "job:7"}, more)
}

// changed is a copy of claims with others in their place. Nil takes one away.
func changed(claims, by map[string]any) map[string]any {
	all := maps.Clone(claims)
	maps.Copy(all, by)
	return all
}

func oidc(token string) login.Credentials {
	return login.Credentials{User: "oidc", Secret: token, Address: "192.0.2.1"}
}

// wantRefused fails unless an error is one of credentials, with this cause, and
// without the secret.
func wantRefused(t *testing.T, err error, cause, secret string) {
	t.Helper()
	if !errors.Is(err, login.ErrRefused) || !strings.Contains(err.Error(), cause) {
		t.Errorf("got error %v, want a refusal for %q", err, cause)
	}
	wantNoSecret(t, err, secret)
}

// wantUnknown fails unless an error says that it could not be found out.
func wantUnknown(t *testing.T, err error, cause, secret string) {
	t.Helper()
	if err == nil || errors.Is(err, login.ErrRefused) || !strings.Contains(err.Error(), cause) {
		t.Errorf("got error %v, want one that is no refusal, for %q", err, cause)
	}
	wantNoSecret(t, err, secret)
}

// wantNoSecret looks for the last part of a secret, which is its signature.
func wantNoSecret(t *testing.T, err error, secret string) {
	t.Helper()
	if end := secret[max(0, len(secret)-20):]; err != nil && end != "" && strings.Contains(err.Error(), end) {
		t.Errorf("the error has the secret in it: %v", err)
	}
}
