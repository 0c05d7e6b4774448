package main

import (
	"net/http"
	"testing"

	"github.com/berthregistry/berth/shared/oci"
	"github.com/berthregistry/berth/shared/registry"
)

// Some registries answer GET and nothing else about what is there.
func TestRegistriesWithoutHead(t *testing.T) {
	alone(t)
	t.Chdir(t.TempDir())
	headless := func() *meter {
		inner := newRegistry(t, registry.Rules{}).Config.Handler
		return metered(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.Method == http.MethodHead {
				w.WriteHeader(http.StatusMethodNotAllowed)
				return
			}
			inner.ServeHTTP(w, r)
		}))
	}
	from, to := headless(), headless()
	index, _ := pushIndexOf(t, from.URL, "app", "1")
	berth(t, "", "pull", from.host()+"/app:1", "layout").wants(t, 0, string(index.Digest))
	berth(t, "", "push", "--dry-run", "--from", "other", "layout", to.host()+"/app").wants(t, 0, "would push app:1")
	berth(t, "", "push", "layout", to.host()+"/app").wants(t, 0, "pushed app:1")
	if got := oci.SHA256.Sum(manifestAt(t, to.URL, "app", "1")); got != index.Digest {
		t.Errorf("got %s, want %s", got, index.Digest)
	}
	hasAll(t, to.URL, "app", "1")
	berth(t, "", "push", "layout", to.host()+"/app").wants(t, 0, "is there already")
	berth(t, "", "copy", "--referrers", from.host()+"/app:1", to.host()+"/copy:2").wants(t, 0, "copied copy:2")
	hasAll(t, to.URL, "copy", "2")
}
