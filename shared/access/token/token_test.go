package token_test

import (
	"context"
	"crypto/ed25519"
	"reflect"
	"testing"
	"time"

	"github.com/berthregistry/berth/shared/access"
	"github.com/berthregistry/berth/shared/access/token"
)

const service = "berth"

// A mint has keys, and whoever verifies knows those that are published.
type mint struct {
	*token.Verifier
	ring    token.Keyring
	known   []token.PublicKey // what the verifier has in memory
	kept    []token.PublicKey // what it would read
	now     time.Time
	reloads int
}

func newMint(t testing.TB) *mint {
	t.Helper()
	m := &mint{now: time.Date(2026, 11, 21, 14, 0, 0, 0, time.UTC)}
	m.Verifier = token.NewVerifier(
		func(context.Context) ([]token.PublicKey, error) { return m.known, nil },
		func(context.Context) ([]token.PublicKey, error) {
			m.reloads++
			m.known = m.kept
			return m.known, nil
		},
		service, func() time.Time { return m.now })
	m.add(t, m.now)
	m.known = m.kept
	return m
}

// add makes a key that signs from a time on. The verifier does not know it yet.
func (m *mint) add(t testing.TB, from time.Time) token.PrivateKey {
	t.Helper()
	key, err := token.Generate(from)
	if err != nil {
		t.Fatal(err)
	}
	m.ring, m.kept = append(m.ring, key), append(m.kept[:len(m.kept):len(m.kept)], key.PublicKey)
	return key
}

// alices is a token of a user, good for five minutes.
func (m *mint) alices() token.Token {
	return token.Token{
		Principal: access.Principal{Kind: access.User, Name: "alice"},
		Scopes:    []access.Scope{{Type: "repository", Name: "team/app", Actions: []string{"pull", "push"}}},
		Service:   service, Issued: m.now, Expires: m.now.Add(5 * time.Minute), ID: "one",
	}
}

func (m *mint) sign(t testing.TB, what token.Token) string {
	t.Helper()
	raw, err := m.ring.Sign(what, m.now)
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

func TestRoundTrip(t *testing.T) {
	m := newMint(t)
	want := token.Token{
		Principal: access.Principal{
			Kind: access.Issuer, Name: "github", Subject: "repo:acme/app:ref:refs/heads/main",
			Groups: []string{"builders"}, Holds: []string{"a", "b"},
		},
		Robot: "robot-abc", Policy: "0123456789abcdef", Service: service, ID: "one",
		Scopes: []access.Scope{{Type: "repository", Name: "team/app", Actions: []string{"pull"}}, {Type: "registry", Name: "catalog", Actions: []string{"*"}}},
		Issued: m.now.Local(), Expires: m.now.Local().Add(token.MaxLife),
	}
	raw := m.sign(t, want)
	for range 2 { // the second from memory
		got, err := m.Verify(t.Context(), raw)
		if err != nil {
			t.Fatal(err)
		}
		if !got.Issued.Equal(want.Issued) || !got.Expires.Equal(want.Expires) {
			t.Errorf("times: got %v to %v", got.Issued, got.Expires)
		}
		got.Issued, got.Expires = want.Issued, want.Expires
		if !reflect.DeepEqual(got, want) {
			t.Errorf("got %+v, want %+v", got, want)
		}
	}
}

// What signs is what verifies; the rest of a key is for reading.
func TestKeysFit(t *testing.T) {
	key, err := token.Generate(time.Now())
	if err != nil {
		t.Fatal(err)
	}
	if err := key.Check(); err != nil {
		t.Error(err)
	}
	for name, spoil := range map[string]func(*token.PrivateKey){
		"id":     func(k *token.PrivateKey) { k.ID = "0000000000000000" },
		"seed":   func(k *token.PrivateKey) { k.Seed = make([]byte, ed25519.SeedSize) },
		"length": func(k *token.PrivateKey) { k.Seed = k.Seed[1:] },
		"public": func(k *token.PrivateKey) { k.Key = make([]byte, ed25519.PublicKeySize) },
	} {
		spoiled := key
		if spoil(&spoiled); spoiled.Check() == nil {
			t.Errorf("%s: a key that does not fit together is taken", name)
		}
	}
}
