package checkup_test

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/berthregistry/berth/cmd/berth/checkup"
	"github.com/berthregistry/berth/shared/table"
)

// A moment is the nth request of a method to paths with a part.
type moment struct {
	method, part string
	n            int32
}

// moments are in the middle of everything that is written.
var moments = map[string]moment{
	"an upload begins":         {"POST", "/blobs/uploads/", 1},
	"another upload begins":    {"POST", "/blobs/uploads/", 3},
	"a small blob is pushed":   {"PUT", "/blobs/uploads/", 2},
	"a chunk is pushed":        {"PATCH", "/blobs/uploads/", 2},
	"an upload ends":           {"PUT", "/blobs/uploads/", 5},
	"the manifest is pushed":   {"PUT", "/manifests/doctor-", 1},
	"the referrer is pushed":   {"PUT", "/manifests/sha256:", 1},
	"the last blob is read":    {"HEAD", "/blobs/sha256:", 2},
	"an upload was given up":   {"DELETE", "/blobs/uploads/", 1},
	"the first is deleted":     {"DELETE", "/manifests/", 1},
	"the last blob is deleted": {"DELETE", "/blobs/sha256:", 5},
}

// at calls do once, when the moment has come.
func (m moment) at(do func(w http.ResponseWriter, r *http.Request, next http.Handler)) func(http.Handler) http.Handler {
	var n atomic.Int32
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.Method == m.method && strings.Contains(r.URL.Path, m.part) && n.Add(1) == m.n {
				do(w, r, next)
				return
			}
			next.ServeHTTP(w, r)
		})
	}
}

// Whoever interrupts finds the registry as it was before. A request that is on
// its way then is not cut off, for behind the gateway it goes on anyway.
func TestInterruptedAtAnyMoment(t *testing.T) {
	for name, m := range moments {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ctx, interrupt := context.WithCancel(t.Context())
			defer interrupt()
			s := asServed()
			s.wrap = m.at(func(w http.ResponseWriter, r *http.Request, next http.Handler) {
				interrupt()
				next.ServeHTTP(w, r)
			})
			d := deploy(t, s)
			r, err := checkup.Examine(ctx, config(t, d.url))
			if !errors.Is(err, context.Canceled) {
				t.Errorf("got %v, want that it was interrupted", err)
			}
			last := r.Findings[len(r.Findings)-1]
			if last.Name != "delete" || last.Verdict != checkup.OK {
				t.Errorf("the last finding is %+v", last)
			}
			for _, f := range r.Findings {
				if f.Verdict == checkup.Broken {
					t.Errorf("%s is called broken because of the interruption: %s", f.Name, f.Seen)
				}
			}
			d.isEmpty(t)
		})
	}
}

// A request that failed and one that happened nevertheless look the same. The
// deletions are tried in both ways: the rest leaves less if it only failed.
func TestFailuresLeaveNothing(t *testing.T) {
	for name, m := range moments {
		t.Run(name+", and is answered 503", func(t *testing.T) { leavesNothing(t, asServed(), m, true) })
		if m.method == http.MethodDelete {
			t.Run(name+", not in truth", func(t *testing.T) { leavesNothing(t, asServed(), m, false) })
		}
	}
	for name, m := range map[string]moment{
		"parts are signed":            {"POST", "/parts", 1},
		"a direct upload ends":        {"PUT", "/_berth/v1/uploads/", 1},
		"another direct upload ends":  {"PUT", "/_berth/v1/uploads/", 2},
		"a direct upload is given up": {"DELETE", "/_berth/v1/uploads/", 1},
	} {
		t.Run(name, func(t *testing.T) { leavesNothing(t, asDeployed(), m, true) })
		t.Run(name+", not in truth", func(t *testing.T) { leavesNothing(t, asDeployed(), m, false) })
	}
}

func leavesNothing(t *testing.T, s setup, m moment, happens bool) {
	t.Parallel()
	s.wrap = m.at(func(w http.ResponseWriter, r *http.Request, next http.Handler) {
		if happens {
			next.ServeHTTP(httptest.NewRecorder(), r)
		}
		http.Error(w, `{"message":"Service Unavailable"}`, http.StatusServiceUnavailable)
	})
	d := deploy(t, s)
	r := examine(t, d.url)
	if last := r.Findings[len(r.Findings)-1]; last.Verdict != checkup.OK {
		t.Errorf("the last finding is %+v", last)
	}
	d.isEmpty(t)
}

func TestNothingMayBeDeleted(t *testing.T) {
	s := asServed()
	s.wrap = func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.Method == http.MethodDelete && strings.Contains(r.URL.Path, "sha256:") {
				http.Error(w, `{"errors":[{"code":"DENIED"}]}`, http.StatusForbidden)
				return
			}
			next.ServeHTTP(w, r)
		})
	}
	d := deploy(t, s)
	r := examine(t, d.url)
	last := r.Findings[len(r.Findings)-1]
	if last.Verdict != checkup.Broken || !strings.Contains(last.Seen, "403") ||
		strings.Count(last.Advice, "manifests/sha256:") != 2 || strings.Count(last.Advice, "blobs/sha256:") != 5 ||
		strings.Contains(last.Advice, "doctor-") {
		t.Errorf("got %+v, want the two manifests and five blobs that are left, and not the tag", last)
	}
	page, err := d.items.Query(t.Context(), table.Query{Partition: "repo#" + repository, Prefix: "tag#"})
	if err != nil || len(page.Items) > 0 {
		t.Errorf("tags: got %v, %v; the tag may be deleted", page.Items, err)
	}
}

// What was in the repository before stays, even if the doctor's own is much
// like it.
func TestOthersContentStays(t *testing.T) {
	d := deploy(t, asServed())
	put := func(path, contentType, body string) {
		t.Helper()
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPut, d.url.String()+path, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Content-Type", contentType)
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if resp.StatusCode != http.StatusCreated {
			t.Fatalf("%s: %s", path, resp.Status)
		}
	}
	const index = `{"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json","manifests":[]}`
	put("/v2/"+repository+"/manifests/1", "application/vnd.oci.image.index.v1+json", index)
	examine(t, d.url)
	resp, err := http.Get(d.url.String() + "/v2/" + repository + "/manifests/1")
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		t.Errorf("what was there before: got %s", resp.Status)
	}
}

// A registry without the probe is examined as far as that goes.
func TestRegistryWithoutAProbe(t *testing.T) {
	s := asServed()
	s.wrap = rewrites(func(uri string) string { return strings.Replace(uri, "/v2/_berth/", "/v2/_other/", 1) })
	d := deploy(t, s)
	want := map[string]line{}
	for _, name := range []string{
		"stage", "escape", "plus", "slashes", "query", "commas", "request-header", "answer-header", "challenge",
		"body", "body-oci", "body-text", "request-size", "request-over", "head-length",
	} {
		want[name] = line{checkup.Skipped, "there is no probe", ""}
	}
	holds(t, examine(t, d.url), want)
	d.isEmpty(t)
}

// The bucket may be out of reach for whoever pulls.
func TestBucketOutOfReach(t *testing.T) {
	s := asDeployed()
	s.wrap = edits(func(h http.Header) {
		if h.Get("Location") != "" && strings.HasPrefix(h.Get("Location"), "http") {
			h.Set("Location", "http://127.0.0.1:1/bucket")
		}
	})
	d := deploy(t, s)
	r := examine(t, d.url)
	holds(t, r, map[string]line{
		"blob-large": {checkup.Broken, "connection refused", "it must be reachable"},
		"blob-range": {checkup.Broken, "connection refused", "the network"},
		"blob-head":  {checkup.Broken, "connection refused", "it must be reachable"},
		"direct":     {checkup.Broken, "connection refused", "it must be reachable"},
	})
	d.isEmpty(t)
}

func TestNothingThere(t *testing.T) {
	_, err := checkup.Examine(t.Context(), config(t, &url.URL{Scheme: "http", Host: "127.0.0.1:1"}))
	if err == nil || !strings.Contains(err.Error(), "knock at http://127.0.0.1:1: ") {
		t.Errorf("got %v", err)
	}
}
