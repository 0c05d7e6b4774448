package federate

import (
	"context"
	"crypto"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"sync/atomic"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"github.com/go-jose/go-jose/v4"
)

const (
	fresh = 10 * time.Minute // how long keys are used without asking again
	stale = time.Hour        // how long they are used if nobody answers
	pause = 10 * time.Second // between two questions to one issuer
)

// A keyring holds the public keys of an issuer.
//
// Keys that the issuer withdraws are forgotten after fresh, or after stale if
// it can't be reached. A key that is not known leads to a question, but not
// more often than pause: anybody can invent names of keys.
type keyring struct {
	issuer string
	client *http.Client
	log    *slog.Logger
	now    func() time.Time
	held   atomic.Pointer[keyset]

	asking chan struct{} // holds a value while somebody asks; guards what is below
	asked  time.Time
	failed error // what the last question led to
}

// A keyset is what an issuer has published at one time.
type keyset struct {
	keys []jose.JSONWebKey
	read time.Time
}

func newKeyring(issuer string, client *http.Client, o Options) *keyring {
	r := &keyring{issuer: issuer, client: client, log: o.Log, now: o.Now, asking: make(chan struct{}, 1)}
	r.held.Store(&keyset{})
	return r
}

// find returns the keys of a name, or all if a token names none.
func (r *keyring) find(ctx context.Context, id string) ([]crypto.PublicKey, error) {
	set := r.held.Load()
	keys := set.named(id)
	if len(keys) == 0 || !set.younger(fresh, r.now()) {
		var err error
		if set, err = r.renew(ctx); err != nil {
			return nil, err
		}
		keys = set.named(id)
	}
	if len(keys) == 0 {
		return nil, refused("issuer %s has no key %.100q", r.issuer, id)
	}
	return keys, nil
}

// renew asks the issuer, unless that was done a moment ago, and returns the
// keys that may be used now.
func (r *keyring) renew(ctx context.Context) (*keyset, error) {
	select {
	case r.asking <- struct{}{}:
		defer func() { <-r.asking }()
	case <-ctx.Done():
		return nil, fmt.Errorf("wait for keys of issuer %s: %w", r.issuer, context.Cause(ctx))
	}
	if r.asked.IsZero() || r.now().Sub(r.asked) >= pause {
		r.failed = r.ask(ctx)
		r.asked = r.now() // when it was over: of those who have waited meanwhile none asks again
	}
	set := r.held.Load()
	if r.failed != nil && !set.younger(stale, r.now()) {
		return nil, r.failed
	}
	return set, nil
}

// ask reads the keys. Others wait for it, so it goes on if the caller does not.
func (r *keyring) ask(ctx context.Context) error {
	ctx = context.WithoutCancel(ctx)
	set, err := r.fetch(ctx)
	if err != nil {
		r.log.WarnContext(ctx, "keys of issuer not read", "issuer", r.issuer, "error", err)
		return fmt.Errorf("read keys of issuer %s: %w", r.issuer, err)
	}
	r.held.Store(&keyset{keys: set, read: r.now()})
	return nil
}

// fetch finds out where the keys are, and gets them (OpenID Connect Discovery
// 1.0, section 4).
func (r *keyring) fetch(ctx context.Context) ([]jose.JSONWebKey, error) {
	issuer, err := url.Parse(r.issuer)
	if err != nil || !confidential(issuer) {
		return nil, errors.New("issuer is neither https nor on loopback")
	}
	var found oidc.ProviderConfig
	if err := r.get(ctx, strings.TrimSuffix(r.issuer, "/")+"/.well-known/openid-configuration", &found); err != nil {
		return nil, fmt.Errorf("discover: %w", err)
	}
	if found.IssuerURL != r.issuer {
		return nil, fmt.Errorf("discover: found the issuer %.200q", found.IssuerURL)
	}
	// Issuers may have their keys at another host, but only those on loopback
	// speak of loopback.
	at, err := url.Parse(found.JWKSURL)
	if err != nil || at.Host == "" || at.Scheme != "https" && (at.Scheme != issuer.Scheme || at.Host != issuer.Host) {
		return nil, errors.New("discover: keys are at no https URL")
	}
	var set keyDocument
	if err := r.get(ctx, found.JWKSURL, &set); err != nil {
		return nil, fmt.Errorf("get keys: %w", err)
	}
	return set.usable()
}

// get reads a JSON document. The client bounds its time and size.
func (r *keyring) get(ctx context.Context, at string, into any) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, at, nil)
	if err != nil {
		return fmt.Errorf("make request: %w", err)
	}
	resp, err := r.client.Do(request)
	if err != nil {
		return fmt.Errorf("ask: %w", err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("answer is %s", resp.Status)
	}
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		return fmt.Errorf("read answer: %w", err)
	}
	if err := json.Unmarshal(body, into); err != nil {
		return fmt.Errorf("read answer: %w", err)
	}
	return nil
}

// named returns the keys of a name, or all for none.
func (s *keyset) named(id string) []crypto.PublicKey {
	var keys []crypto.PublicKey
	for _, key := range s.keys {
		if id == "" || key.KeyID == id {
			keys = append(keys, key.Key)
		}
	}
	return keys
}

// younger reports whether the set was read less than age ago.
func (s *keyset) younger(age time.Duration, now time.Time) bool {
	return !s.read.IsZero() && now.Sub(s.read) < age
}
