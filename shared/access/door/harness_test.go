package door_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"testing"
	"time"

	"github.com/berthregistry/berth/shared/access"
	"github.com/berthregistry/berth/shared/access/door"
	"github.com/berthregistry/berth/shared/access/ledger"
	"github.com/berthregistry/berth/shared/access/login"
	"github.com/berthregistry/berth/shared/access/token"
	"github.com/berthregistry/berth/shared/table"
	"github.com/berthregistry/berth/shared/table/local"
)

const (
	service = "berth"
	realm   = "https://registry.example.com/token"
)

// An entrance is a door with all that it stands on, and a clock set by hand.
type entrance struct {
	*door.Door
	*ledger.Ledger
	now    time.Time
	ring   token.Keyring
	policy *access.Policy
	log    bytes.Buffer
}

// build makes a door to a registry that anybody logged in may pull from.
func build(t testing.TB, change ...func(*door.Options)) *entrance {
	t.Helper()
	items, err := local.Open(filepath.Join(t.TempDir(), "table"), nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = items.Close() })
	return buildOn(t, items, change...)
}

func buildOn(t testing.TB, items table.Store, change ...func(*door.Options)) *entrance {
	t.Helper()
	e := &entrance{now: time.Now().Truncate(time.Second)}
	clock := func() time.Time { return e.now }
	e.Ledger = ledger.New(items, ledger.Options{Now: clock})
	key, err := token.Generate(e.now)
	if err != nil {
		t.Fatal(err)
	}
	e.ring = token.Keyring{key}
	if err := e.PublishKeys(t.Context(), []token.PublicKey{key.PublicKey}); err != nil {
		t.Fatal(err)
	}
	e.policy = e.put(t, e.Ledger, "everybody")
	log := slog.New(slog.NewTextHandler(&e.log, nil))
	o := door.Options{
		State: e.State, Reload: e.Reload, Service: service, Log: log,
		Verifier: token.NewVerifier(keysOf(e.State), keysOf(e.Reload), service, clock),
		Login:    login.New(e.Ledger, log, login.Robots(e.Ledger)),
		Realm:    func(*http.Request) string { return realm },
	}
	for _, c := range change {
		c(&o)
	}
	e.Door = door.New(o)
	return e
}

func keysOf(state func(context.Context) (*ledger.State, error)) func(context.Context) ([]token.PublicKey, error) {
	return func(ctx context.Context) ([]token.PublicKey, error) {
		s, err := state(ctx)
		if err != nil {
			return nil, err
		}
		return s.Keys, nil
	}
}

// put sets a policy with one rule of that name.
func (e *entrance) put(t testing.TB, l *ledger.Ledger, name string) *access.Policy {
	t.Helper()
	p := &access.Policy{Rules: []access.Rule{{
		Name: name, Whom: access.Whom{Names: []string{"authenticated"}},
		Repositories: []string{"**"}, Actions: []access.Action{access.Pull},
	}}}
	if err := p.Compile(); err != nil {
		t.Fatal(err)
	}
	if _, err := l.SetPolicy(t.Context(), []byte(name), p, "test", ""); err != nil {
		t.Fatal(err)
	}
	return p
}

// robot makes a robot and returns its access key and secret.
func (e *entrance) robot(t testing.TB, name string) (id, secret string) {
	t.Helper()
	r, secret, err := e.Create(t.Context(), name, []string{"builders"}, time.Time{})
	if err != nil {
		t.Fatal(err)
	}
	return r.ID, secret
}

// token makes one of ours. What is zero is filled in.
func (e *entrance) token(t testing.TB, tok token.Token) string {
	t.Helper()
	if tok.Service == "" {
		tok.Service = service
	}
	if tok.Issued.IsZero() {
		tok.Issued, tok.Expires = e.now, e.now.Add(5*time.Minute)
	}
	raw, err := e.ring.Sign(tok, e.now)
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

// request makes one that presents some Authorization headers.
func request(t testing.TB, authorization ...string) *http.Request {
	t.Helper()
	r := httptest.NewRequestWithContext(t.Context(), "GET", "/v2/team/app/tags/list", nil)
	r.RemoteAddr = "203.0.113.24:51234"
	r.Header["Authorization"] = authorization
	if len(authorization) == 0 {
		delete(r.Header, "Authorization")
	}
	return r
}

func basic(user, secret string) string {
	return "Basic " + base64.StdEncoding.EncodeToString([]byte(user+":"+secret))
}

// admit lets a request in.
func (e *entrance) admit(t testing.TB, authorization ...string) *access.Session {
	t.Helper()
	s, err := e.Admit(request(t, authorization...))
	if err != nil {
		t.Fatalf("admit: %v", err)
	}
	return s
}

// refuse holds a request to an error, and returns the challenge.
func (e *entrance) refuse(t testing.TB, want error, authorization ...string) string {
	t.Helper()
	r := request(t, authorization...)
	s, err := e.Admit(r)
	if !errors.Is(err, want) {
		t.Fatalf("admit: got %v, %v, want %v", s, err, want)
	}
	return e.Challenge(r, "repository:team/app:pull", err)
}
