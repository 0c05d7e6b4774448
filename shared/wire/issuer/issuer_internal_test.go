package issuer

import (
	"encoding/json"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/berthregistry/berth/shared/access/document"
	"github.com/berthregistry/berth/shared/access/ledger"
	"github.com/berthregistry/berth/shared/access/vault"
	tablestore "github.com/berthregistry/berth/shared/table/local"
	"github.com/berthregistry/berth/shared/wire"
)

const policy = `rules:
  - name: administration
    allow: [admin]
    to: [robot:root]
  - name: everybody
    allow: [pull]
    to: [anyone]
    repositories: [public/**]
`

// onThisMachine is the function, but for where things are kept, and the ledger
// of its table.
func onThisMachine(t *testing.T, life time.Duration) (http.Handler, *ledger.Ledger) {
	t.Helper()
	items, err := tablestore.Open(filepath.Join(t.TempDir(), "table"), nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { items.Close() })
	c := wire.TokenConfig{Config: wire.Config{Access: wire.Guarded, Service: "berth"}, TokenLife: life}
	kept := ledger.New(items, ledger.Options{})
	p, err := document.Parse("policy.yaml", []byte(policy))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := kept.SetPolicy(t.Context(), []byte(policy), p, "test", ""); err != nil {
		t.Fatal(err)
	}
	return assemble(c, items, vault.File(filepath.Join(t.TempDir(), "keys")), slog.New(slog.DiscardHandler)), kept
}

func ask(t *testing.T, h http.Handler, target string, authorize func(*http.Request)) *httptest.ResponseRecorder {
	t.Helper()
	r := httptest.NewRequestWithContext(t.Context(), "GET", "https://registry.example.com"+target, nil)
	if authorize != nil {
		authorize(r)
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

// A robot gets a token with its secret, and administers with that, for as long
// as the settings say.
func TestTokenAndAdministration(t *testing.T) {
	h, kept := onThisMachine(t, 10*time.Minute)
	root, secret, err := kept.Create(t.Context(), "root", nil, time.Time{})
	if err != nil {
		t.Fatal(err)
	}
	w := ask(t, h, "/token?service=berth&scope=registry:admin:*", func(r *http.Request) { r.SetBasicAuth(root.ID, secret) })
	var given struct {
		Token     string
		ExpiresIn int `json:"expires_in"`
	}
	if err := json.Unmarshal(w.Body.Bytes(), &given); err != nil || w.Code != 200 || given.ExpiresIn != 600 {
		t.Fatalf("got %d %s, %v", w.Code, w.Body, err)
	}
	w = ask(t, h, "/_berth/policy", func(r *http.Request) { r.Header.Set("Authorization", "Bearer "+given.Token) })
	if w.Code != 200 || w.Body.String() != policy {
		t.Errorf("the policy is answered %d %s", w.Code, w.Body)
	}
	w = ask(t, h, "/_berth/policy", nil)
	if got := w.Header().Get("WWW-Authenticate"); w.Code != 401 || !strings.Contains(got, `realm="https://registry.example.com/token"`) {
		t.Errorf("a stranger is answered %d, %s", w.Code, got)
	}
	if w := ask(t, h, "/token?service=another", nil); w.Code/100 != 4 {
		t.Errorf("a token for another service is answered %d", w.Code)
	}
}

// Of an open registry there is nothing to administer, whatever the table has.
func TestOpenRegistryHasNoTokens(t *testing.T) {
	h := Handler(wire.TokenConfig{Config: wire.Config{Access: wire.Open}}, slog.New(slog.DiscardHandler))
	for _, path := range []string{"/token", "/_berth/policy", "/_berth/robots"} {
		if w := ask(t, h, path, nil); w.Code != 404 || !json.Valid(w.Body.Bytes()) {
			t.Errorf("%s is answered %d %s", path, w.Code, w.Body)
		}
	}
}

// Without the word open, whatever else is said, somebody is asked who they are.
func TestWhatIsNotOpenIsGuarded(t *testing.T) {
	h := Handler(wire.TokenConfig{Config: wire.Config{Access: "", Region: "us-east-1"}}, slog.New(slog.DiscardHandler))
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), "DELETE", "/token", nil))
	if w.Code != http.StatusMethodNotAllowed { // and not 404: there is a token endpoint
		t.Errorf("got %d %s", w.Code, w.Body)
	}
}

func TestEndpoint(t *testing.T) {
	if got := endpoint(""); got != nil {
		t.Errorf("AWS's own is %v, want nil", got)
	}
	if got := endpoint("http://127.0.0.1:4566"); got == nil || got.Host != "127.0.0.1:4566" {
		t.Errorf("got %v", got)
	}
}
