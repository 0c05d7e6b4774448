// Package issuertest is an OpenID Connect issuer for tests. It listens on
// loopback, and its tokens say what a test wants them to say.
package issuertest

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
)

// An Issuer signs tokens, and publishes the keys to verify them. It is safe
// for concurrent use.
type Issuer struct {
	// URL is its iss claim and where it is found.
	URL string

	tb   testing.TB
	mu   sync.Mutex
	keys []jose.JSONWebKey // the last one signs
	made int               // keys so far
	asks map[string]int    // requests by path
	with http.HandlerFunc  // answers in place of the issuer
}

// The paths of an issuer.
const (
	DiscoveryPath = "/.well-known/openid-configuration"
	KeysPath      = "/keys"
)

// New starts an issuer that ends with the test and signs with ES256.
func New(tb testing.TB) *Issuer {
	i := &Issuer{tb: tb, asks: map[string]int{}}
	server := httptest.NewServer(i)
	tb.Cleanup(server.Close)
	i.URL = server.URL
	i.Rotate(jose.ES256)
	return i
}

// Rotate has tokens signed by a new key from now on. The old keys are still
// published.
func (i *Issuer) Rotate(alg jose.SignatureAlgorithm) {
	i.tb.Helper()
	key, err := newKey(alg)
	if err != nil {
		i.tb.Fatal(err)
	}
	i.mu.Lock()
	defer i.mu.Unlock()
	i.made++
	i.keys = append(i.keys, jose.JSONWebKey{
		Key: key, KeyID: fmt.Sprintf("key-%d", i.made), Algorithm: string(alg), Use: "sig",
	})
}

// Withdraw has no key published but the one that signs.
func (i *Issuer) Withdraw() {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.keys = i.keys[len(i.keys)-1:]
}

// Answer has h answer all requests; nil has the issuer answer them again.
func (i *Issuer) Answer(h http.HandlerFunc) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.with = h
}

// Asked is how often a path was asked for.
func (i *Issuer) Asked(path string) int {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.asks[path]
}

// Key is the one that signs, with its private half.
func (i *Issuer) Key() jose.JSONWebKey {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.keys[len(i.keys)-1]
}

// Token signs claims. If they do not say so themselves, the token is the
// issuer's, made now and good for five minutes. A nil claim is left out.
func (i *Issuer) Token(claims map[string]any) string {
	i.tb.Helper()
	now := time.Now().Unix()
	all := map[string]any{"iss": i.URL, "iat": now, "exp": now + 300}
	maps.Copy(all, claims)
	maps.DeleteFunc(all, func(_ string, v any) bool { return v == nil })
	payload, err := json.Marshal(all)
	if err != nil {
		i.tb.Fatal(err)
	}
	return i.Sign(payload)
}

// Sign signs any payload.
func (i *Issuer) Sign(payload []byte) string {
	i.tb.Helper()
	key := i.Key()
	options := new(jose.SignerOptions).WithType("JWT")
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.SignatureAlgorithm(key.Algorithm), Key: key}, options)
	if err != nil {
		i.tb.Fatal(err)
	}
	signed, err := signer.Sign(payload)
	if err != nil {
		i.tb.Fatal(err)
	}
	token, err := signed.CompactSerialize()
	if err != nil {
		i.tb.Fatal(err)
	}
	return token
}

// ServeHTTP answers for discovery and keys.
func (i *Issuer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	i.mu.Lock()
	i.asks[r.URL.Path]++
	with := i.with
	i.mu.Unlock()
	switch {
	case with != nil:
		with(w, r)
	case r.URL.Path == DiscoveryPath:
		answer(w, map[string]string{"issuer": i.URL, "jwks_uri": i.URL + KeysPath})
	case r.URL.Path == KeysPath:
		answer(w, i.published())
	default:
		http.NotFound(w, r)
	}
}

// published is the public half of the keys.
func (i *Issuer) published() jose.JSONWebKeySet {
	i.mu.Lock()
	defer i.mu.Unlock()
	var set jose.JSONWebKeySet
	for _, key := range i.keys {
		set.Keys = append(set.Keys, key.Public())
	}
	return set
}

func answer(w http.ResponseWriter, body any) {
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(body) // whoever has gone needs no answer
}

func newKey(alg jose.SignatureAlgorithm) (key crypto.Signer, err error) {
	switch alg {
	case jose.ES256:
		key, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	case jose.ES384:
		key, err = ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	case jose.RS256:
		key, err = rsa.GenerateKey(rand.Reader, 2048)
	case jose.EdDSA:
		_, key, err = ed25519.GenerateKey(rand.Reader)
	default:
		return nil, fmt.Errorf("make a key for %s: unknown algorithm", alg)
	}
	if err != nil {
		return nil, fmt.Errorf("make a key for %s: %w", alg, err)
	}
	return key, nil
}
