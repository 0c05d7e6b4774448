package main

import (
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/berthregistry/berth/shared/access"
	"github.com/berthregistry/berth/shared/access/document"
	"github.com/berthregistry/berth/shared/access/login"
	"github.com/berthregistry/berth/shared/oci"
)

// A doorkeeper says who everybody is, or why they are nobody.
type doorkeeper struct {
	session *access.Session
	err     error
}

func (d doorkeeper) Admit(*http.Request) (*access.Session, error) { return d.session, d.err }

func (d doorkeeper) Challenge(*http.Request, string, error) string { return "" }

const figuresPolicy = `rules:
  - {allow: [pull], to: [anyone], repositories: [public/**]}
  - {allow: [pull], to: ["user:prometheus"], repositories: ["**"]}
  - {allow: [pull], to: ["user:tester"], repositories: [team/app], tags: [release-*]}
  - {allow: [push], to: ["user:root"], repositories: [team/app]}
`

// What there is says /metrics to those whom the registry says it to.
func TestFiguresOfRepositoriesAreForWhoMayPull(t *testing.T) {
	metrics := prometheus.NewRegistry()
	pulls := prometheus.NewCounterVec(prometheus.CounterOpts{Name: "pulls"}, []string{"repository", "tag"})
	requests := prometheus.NewCounterVec(prometheus.CounterOpts{Name: "requests"}, []string{"route"})
	metrics.MustRegister(pulls, requests)
	for _, of := range []string{"public/app 1", "team/app release-1", "team/app nightly", "team/app ", "team/other release-1"} {
		pulls.WithLabelValues(strings.SplitN(of, " ", 2)...).Inc()
	}
	requests.WithLabelValues("ping").Inc()
	policy, err := document.Parse("policy", []byte(figuresPolicy))
	if err != nil {
		t.Fatal(err)
	}
	all := []string{"public/app 1", "team/app ", "team/app nightly", "team/app release-1", "team/other release-1"}
	for name, want := range map[string][]string{
		"":           {"public/app 1"},
		"root":       {"public/app 1"}, // who pushes need not see what is there
		"tester":     {"public/app 1", "team/app release-1"},
		"prometheus": all,
	} {
		who := access.Principal{Kind: access.User, Name: name}
		if name == "" {
			who = access.Principal{Kind: access.Anonymous}
		}
		body := scrape(t, figures(metrics, doorkeeper{session: &access.Session{Principal: who, Policy: policy}}), http.StatusOK).Body.String()
		if !strings.Contains(body, `requests{route="ping"} 1`) {
			t.Errorf("%q does not see what is nobody's: %s", name, body)
		}
		if got := named(body); !slices.Equal(got, want) {
			t.Errorf("%q sees %q, want %q", name, got, want)
		}
	}
	if got := named(scrape(t, figures(metrics, nil), http.StatusOK).Body.String()); !slices.Equal(got, all) {
		t.Errorf("where all is open: got %q, want %q", got, all)
	}
}

// named lists the repositories and tags that metrics tell of.
func named(metrics string) []string {
	var found []string
	for line := range strings.Lines(metrics) {
		if rest, ok := strings.CutPrefix(line, `pulls{repository="`); ok {
			repo, rest, _ := strings.Cut(rest, `",tag="`)
			tag, _, _ := strings.Cut(rest, `"`)
			found = append(found, repo+" "+tag)
		}
	}
	return found
}

func scrape(t *testing.T, h http.Handler, status int) *httptest.ResponseRecorder {
	t.Helper()
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), "GET", "/metrics", nil))
	if w.Code != status {
		t.Errorf("got %d, want %d", w.Code, status)
	}
	return w
}

func TestFiguresRefuseBadCredentials(t *testing.T) {
	metrics := prometheus.NewRegistry()
	w := scrape(t, figures(metrics, doorkeeper{err: oci.ErrUnauthorized}), http.StatusUnauthorized)
	if got := w.Header().Get("Www-Authenticate"); !strings.HasPrefix(got, "Basic ") {
		t.Errorf("challenge: got %q", got)
	}
	w = scrape(t, figures(metrics, doorkeeper{err: &login.Blocked{After: 2 * time.Second}}), http.StatusTooManyRequests)
	if got := w.Header().Get("Retry-After"); got != "2" {
		t.Errorf("Retry-After: got %q, want 2", got)
	}
	scrape(t, figures(metrics, doorkeeper{err: http.ErrHandlerTimeout}), http.StatusServiceUnavailable)
}
