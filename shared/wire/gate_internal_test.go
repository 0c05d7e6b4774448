package wire

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"testing"
	"time"

	"github.com/berthregistry/berth/shared/access/document"
	"github.com/berthregistry/berth/shared/access/ledger"
	blobstore "github.com/berthregistry/berth/shared/blobs/local"
	"github.com/berthregistry/berth/shared/settings"
	"github.com/berthregistry/berth/shared/table"
	tablestore "github.com/berthregistry/berth/shared/table/local"
)

const onlyCI = `rules:
  - name: ci pulls
    allow: [pull]
    to: [robot:ci]
    repositories: [team/**]
`

// readOnly is a table as Pull's role has it.
type readOnly struct {
	table.Store
	t *testing.T
}

func (s readOnly) Transact(context.Context, table.Tx) error {
	s.t.Error("a function that may only read has written")
	return errors.New("denied")
}

// guardedHandler is a handler that asks who somebody is, on a table that it may
// only read, and the ledger of that table.
func guardedHandler(t *testing.T, access string) (http.Handler, *ledger.Ledger) {
	t.Helper()
	items, err := tablestore.Open(filepath.Join(t.TempDir(), "table"), nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { items.Close() })
	objects, err := blobstore.Open(filepath.Join(t.TempDir(), "blobs"))
	if err != nil {
		t.Fatal(err)
	}
	c := Config{Access: access, Service: DefaultService, Settings: new(settings.Settings), InlineLimit: lambdaLimit, RequestLimit: DefaultRequestLimit}
	log := slog.New(slog.DiscardHandler)
	return serve(c, readOnly{items, t}, objects, log, allMethods), ledger.New(items, ledger.Options{})
}

func setPolicy(t *testing.T, kept *ledger.Ledger, text string) {
	t.Helper()
	p, err := document.Parse("policy.yaml", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := kept.SetPolicy(t.Context(), []byte(text), p, "test", ""); err != nil {
		t.Fatal(err)
	}
}

// status asks as somebody, or as nobody without a user.
func status(t *testing.T, h http.Handler, method, path, user, secret string) int {
	t.Helper()
	r := httptest.NewRequestWithContext(t.Context(), method, "https://registry.example.com"+path, nil)
	if user != "" {
		r.SetBasicAuth(user, secret)
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w.Code
}

// What is not the word open is guarded, and without a policy nobody may do
// anything.
func TestDeniedByDefault(t *testing.T) {
	for _, access := range []string{Guarded, "", "OPEN"} {
		h, kept := guardedHandler(t, access)
		ci, secret, err := kept.Create(t.Context(), "ci", nil, time.Time{})
		if err != nil {
			t.Fatal(err)
		}
		for _, method := range []string{"GET", "PUT", "DELETE"} {
			if got := status(t, h, method, "/v2/team/app/manifests/v1", "", ""); got != 401 {
				t.Errorf("access %q: %s by a stranger is answered %d", access, method, got)
			}
			if got := status(t, h, method, "/v2/team/app/manifests/v1", ci.ID, secret); got != 403 {
				t.Errorf("access %q: %s by a robot is answered %d", access, method, got)
			}
		}
	}
	h, _ := guardedHandler(t, Open)
	if got := status(t, h, "GET", "/v2/team/app/manifests/v1", "", ""); got != 404 {
		t.Errorf("an open registry answers %d", got)
	}
}

// A robot comes in with its secret, and whoever guesses is kept out for a while,
// all without a write.
func TestRobotsComeInWithoutWrites(t *testing.T) {
	h, kept := guardedHandler(t, Guarded)
	setPolicy(t, kept, onlyCI)
	ci, secret, err := kept.Create(t.Context(), "ci", nil, time.Time{})
	if err != nil {
		t.Fatal(err)
	}
	if got := status(t, h, "GET", "/v2/team/app/manifests/v1", ci.ID, secret); got != 404 {
		t.Errorf("who may pull is answered %d", got)
	}
	if got := status(t, h, "GET", "/v2/other/app/manifests/v1", ci.ID, secret); got != 403 {
		t.Errorf("who may not is answered %d", got)
	}
	var got int
	for range 20 {
		got = status(t, h, "GET", "/v2/team/app/manifests/v1", ci.ID, "guess")
	}
	if got != 429 {
		t.Errorf("whoever guesses is answered %d in the end", got)
	}
}

// Clients are sent for a token to the host that they came to, by https: the
// gateway speaks nothing else. Elsewhere it can be said.
func TestRealm(t *testing.T) {
	r := httptest.NewRequestWithContext(t.Context(), "GET", "/v2/", nil)
	r.Host = "registry.example.com"
	for url, want := range map[string]string{
		"":                       "https://registry.example.com/token",
		"http://127.0.0.1:5000":  "http://127.0.0.1:5000/token",
		"http://127.0.0.1:5000/": "http://127.0.0.1:5000/token",
	} {
		if got := (Config{URL: url}).realm(r); got != want {
			t.Errorf("URL %q: got realm %s, want %s", url, got, want)
		}
	}
}
