package desk_test

import (
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/berthregistry/berth/shared/access"
	"github.com/berthregistry/berth/shared/access/desk"
	"github.com/berthregistry/berth/shared/access/document"
	"github.com/berthregistry/berth/shared/access/ledger"
	"github.com/berthregistry/berth/shared/access/login"
	"github.com/berthregistry/berth/shared/access/token"
	"github.com/berthregistry/berth/shared/access/vault"
	"github.com/berthregistry/berth/shared/oci"
	"github.com/berthregistry/berth/shared/table/local"
)

// An office is a desk on a table of its own, and what is behind it.
type office struct {
	*testing.T
	http.Handler
	ledger   *ledger.Ledger
	verifier *token.Verifier
	clock    *clock
	log      *lines
	gate     *gate
	people   *people
}

const testPolicy = `
audience: [registry.test]
issuers:
  - {name: ci, url: "https://issuer.test"}
rules:
  - {allow: [pull, push], to: ["robot:builder", "issuer:ci", "user:alice"], repositories: [team/**]}
  - {allow: [pull], to: [anyone], repositories: [public/**]}
  - {allow: [admin], to: ["user:root"]}
`

// newOffice opens a desk under testPolicy. Change may alter what it is made of.
func newOffice(t *testing.T, change func(*desk.Options)) *office {
	t.Helper()
	store, err := local.Open(filepath.Join(t.TempDir(), "table.db"), slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = store.Close() })
	o := &office{T: t, clock: &clock{at: time.Now().Truncate(time.Second)}, log: &lines{}, gate: &gate{}, people: newPeople()}
	log := slog.New(slog.NewTextHandler(o.log, &slog.HandlerOptions{Level: slog.LevelWarn})) // which an audit line does not care about
	o.ledger = ledger.New(store, ledger.Options{Now: o.clock.now, Log: log})
	o.setPolicy(testPolicy)
	o.verifier = token.NewVerifier(o.keys(o.ledger.State), o.keys(o.ledger.Reload), "berth", o.clock.now)
	options := desk.Options{
		Ledger: o.ledger, Login: login.New(o.ledger, log, login.Robots(o.ledger), o.people),
		Keys:     vault.Open(vault.File(filepath.Join(t.TempDir(), "keys.json")), o.ledger.PublishKeys, o.clock.now),
		Verifier: o.verifier, Service: "berth", Gate: o.gate, Log: log, Now: o.clock.now,
	}
	if change != nil {
		change(&options)
	}
	o.Handler = desk.New(options)
	return o
}

func (o *office) setPolicy(text string) {
	o.Helper()
	p, err := document.Parse("policy", []byte(text))
	if err != nil {
		o.Fatal(err)
	}
	if _, err := o.ledger.SetPolicy(o.Context(), []byte(text), p, "user:root", ""); err != nil {
		o.Fatal(err)
	}
}

func (o *office) keys(state func(context.Context) (*ledger.State, error)) func(context.Context) ([]token.PublicKey, error) {
	return func(ctx context.Context) ([]token.PublicKey, error) {
		s, err := state(ctx)
		if err != nil {
			return nil, err
		}
		return s.Keys, nil
	}
}

// robot makes one, and returns what it logs in with.
func (o *office) robot(name string, expires time.Time) (id, secret string) {
	o.Helper()
	r, secret, err := o.ledger.Create(o.Context(), name, nil, expires)
	if err != nil {
		o.Fatal(err)
	}
	return r.ID, secret
}

// An answer is a response, read.
type answer struct {
	status int
	header http.Header
	body   string
}

func (o *office) send(r *http.Request) answer {
	o.Helper()
	w := httptest.NewRecorder()
	o.ServeHTTP(w, r.WithContext(o.Context()))
	resp := w.Result()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		o.Fatal(err)
	}
	return answer{resp.StatusCode, resp.Header, string(body)}
}

// get asks for a token with GET; an empty user is nobody.
func (o *office) get(user, secret string, query url.Values) answer {
	o.Helper()
	r := httptest.NewRequest(http.MethodGet, "/token?"+query.Encode(), nil)
	if user != "" {
		r.SetBasicAuth(user, secret)
	}
	return o.send(r)
}

func (o *office) post(form url.Values) answer {
	o.Helper()
	r := httptest.NewRequest(http.MethodPost, "/token", strings.NewReader(form.Encode()))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	return o.send(r)
}

type grant struct {
	Token           string `json:"token"`
	AccessToken     string `json:"access_token"`
	TokenType       string `json:"token_type"`
	ExpiresIn       int    `json:"expires_in"`
	IssuedAt        string `json:"issued_at"`
	Scope           string `json:"scope"`
	RefreshToken    string `json:"refresh_token"`
	IssuedTokenType string `json:"issued_token_type"`
}

// granted reads a token out of an answer, and what is in it.
func (o *office) granted(a answer) (grant, token.Token) {
	o.Helper()
	var g grant
	if a.status != http.StatusOK {
		o.Fatalf("got %d: %s, want a token", a.status, a.body)
	}
	if err := json.Unmarshal([]byte(a.body), &g); err != nil {
		o.Fatal(err)
	}
	t, err := o.verifier.Verify(o.Context(), g.Token)
	if err != nil {
		o.Fatalf("the token given does not verify: %v", err)
	}
	return g, t
}

func want(t *testing.T, a answer, status int, parts ...string) {
	t.Helper()
	if a.status != status {
		t.Errorf("got %d: %s, want %d", a.status, a.body, status)
	}
	for _, part := range parts {
		if !strings.Contains(a.body, part) {
			t.Errorf("got %s, want %q in it", a.body, part)
		}
	}
}

// A gate lets in whoever it is told, or answers with an error.
type gate struct {
	session *access.Session
	err     error
}

func (g *gate) Admit(*http.Request) (*access.Session, error) { return g.session, g.err }

func (g *gate) Challenge(_ *http.Request, scope string, cause error) string {
	return `Bearer realm="test",scope="` + scope + `"`
}

// as lets somebody in, under the policy in force.
func (o *office) as(who access.Principal, scopes []access.Scope) {
	o.Helper()
	state, err := o.ledger.Reload(o.Context())
	if err != nil {
		o.Fatal(err)
	}
	o.gate.session, o.gate.err = &access.Session{Principal: who, Scopes: scopes, Policy: state.Policy}, nil
}

var root = access.Principal{Kind: access.User, Name: "root"}

var errNobody = oci.ErrUnauthorized.With(nil, "nobody")

// people are users and workloads whose password is known here.
type people struct {
	mu        sync.Mutex
	passwords map[string]string
	claims    map[string]any
}

func newPeople() *people {
	return &people{
		passwords: map[string]string{"alice": "secret", "root": "secret", "oidc": "a.good.jwt"},
		claims:    map[string]any{"iss": "https://issuer.test", "aud": []any{"elsewhere.test", "registry.test"}, "sub": "repo:acme/app", "owner": "acme"},
	}
}

func (p *people) change(user, password string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.passwords[user] = password
}

func (p *people) password(user string) string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.passwords[user]
}

func (p *people) Takes(string) bool { return true }

func (p *people) Login(_ context.Context, c login.Credentials, in *access.Policy) (login.Identity, error) {
	if c.User == "outage" {
		return login.Identity{}, io.ErrUnexpectedEOF
	}
	if known := p.password(c.User); known == "" || known != c.Secret {
		return login.Identity{}, login.ErrRefused
	}
	if c.User != "oidc" {
		return login.Identity{Principal: access.Principal{Kind: access.User, Name: c.User}, Credential: "hash of " + c.Secret}, nil
	}
	who, err := document.Evaluate(in, access.Principal{Kind: access.Issuer, Name: "ci", Subject: "repo:acme/app"}, p.claims)
	return login.Identity{Principal: who, Claims: maps.Clone(p.claims)}, err
}

func (p *people) Renews(who access.Principal) bool { return who.Kind == access.User }

func (p *people) Renew(_ context.Context, id login.Identity) (login.Identity, error) {
	if id.Credential != "hash of "+p.password(id.Principal.Name) {
		return login.Identity{}, login.ErrRefused
	}
	return id, nil
}

// A clock stands still until it is set forward.
type clock struct {
	mu sync.Mutex
	at time.Time
}

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.at
}

func (c *clock) forward(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.at = c.at.Add(d)
}

// lines is a log that may be read while it grows.
type lines struct {
	mu   sync.Mutex
	text strings.Builder
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}
