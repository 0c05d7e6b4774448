package transfer

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/berthregistry/berth/shared/blobs/blobstest"
	"github.com/berthregistry/berth/shared/direct"
	"github.com/berthregistry/berth/shared/distribution"
	"github.com/berthregistry/berth/shared/registry"
	tablestore "github.com/berthregistry/berth/shared/table/local"
)

// A berth is a registry that knows direct transfer, and its store: both in this
// process, and each behind a listener of its own.
type berth struct {
	reg    *registry.Registry
	memory *blobstest.Memory
	url    string // of the registry
	store  string // of the store

	mu    sync.Mutex
	calls map[string]int // by method and kind of route
}

func newBerth(t testing.TB, o registry.Options) *berth {
	t.Helper()
	items, err := tablestore.Open(filepath.Join(t.TempDir(), "table"), nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = items.Close() })
	b := &berth{calls: map[string]int{}}
	store := httptest.NewServer(http.HandlerFunc(b.serveStore))
	t.Cleanup(store.Close)
	b.store = store.URL
	b.memory = blobstest.NewMemory(blobstest.MemoryOptions{Base: store.URL})
	b.reg = registry.New(items, b.memory, o)
	plain := distribution.New(b.reg, distribution.Options{Door: distribution.Door{Inline: 4 << 20, Headless: true, Request: 4 << 20}})
	web := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { b.serve(w, r, plain) }))
	t.Cleanup(web.Close)
	b.url = web.URL
	return b
}

func (b *berth) count(kind string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.calls[kind]++
}

// called returns how often, and forgets it.
func (b *berth) called(kind string) int {
	b.mu.Lock()
	defer b.mu.Unlock()
	n := b.calls[kind]
	delete(b.calls, kind)
	return n
}

func (b *berth) serveStore(w http.ResponseWriter, r *http.Request) {
	kind := r.Method + " store"
	b.count(kind)
	if r.Header.Get("Authorization") != "" || r.Header.Get("Oci-Ref") != "" {
		http.Error(w, "credentials for another host", http.StatusTeapot)
		return
	}
	b.memory.ServeHTTP(w, r)
}

func (b *berth) serve(w http.ResponseWriter, r *http.Request, face http.Handler) {
	kind := r.Method + " other"
	if _, rest, ok := strings.Cut(r.URL.Path, "/"+direct.Uploads); ok {
		kind = r.Method + " uploads"
		if rest == "" {
			kind = "begin"
		}
	}
	b.count(kind)
	face.ServeHTTP(w, r)
}

// verifyLater has an upload verified in the background.
func (b *berth) verifyLater(t testing.TB, repo, id string) error {
	done := make(chan struct{})
	t.Cleanup(func() { <-done })
	go func() {
		defer close(done)
		if err := b.reg.VerifyDirect(context.Background(), repo, id); err != nil {
			t.Errorf("verify: %v", err)
		}
	}()
	return nil
}

func TestPushAndFetchDirect(t *testing.T) {
	var b *berth
	b = newBerth(t, registry.Options{VerifyInline: 10 << 20, Verify: func(_ context.Context, repo, id string) error {
		return b.verifyLater(t, repo, id)
	}})
	e := newEngine(t, Options{})
	r := open(t, e, b.url, "team/app")
	for _, c := range []struct {
		size  int
		way   Way
		sends int // to the store
	}{{0, Plain, 0}, {1, Plain, 0}, {4 << 20, Plain, 0}, {4<<20 + 1, Direct, 1}, {16<<20 + 1, Direct, 2}} {
		t.Run(fmt.Sprint(c.size), func(t *testing.T) {
			p := randomBytes(1, c.size)
			d, w, from := describe(p), newCounter(), &memorySource{t: t, p: p}
			way, err := r.Push(t.Context(), d, from, w)
			if err != nil || way != c.way {
				t.Fatalf("push: %q, %v", way, err)
			}
			w.is(t, d, c.way)
			if got := b.called("PUT store"); got != c.sends {
				t.Errorf("%d requests to the store, want %d", got, c.sends)
			}
			if from.read != d.Size {
				t.Errorf("%d bytes were read of %d", from.read, d.Size)
			}
			came := Plain
			if c.size > 4<<20 {
				came = Direct
			}
			fetched(t, e, r, p, came)
			balanced(t, e)
			if marked := b.memory.Marked(); len(marked) > 0 {
				t.Errorf("marked as unverified: %q", marked)
			}
		})
	}
}
