package transfer

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/berthregistry/berth/shared/blobs/blobstest"
	"github.com/berthregistry/berth/shared/direct"
	"github.com/berthregistry/berth/shared/distribution"
	"github.com/berthregistry/berth/shared/oci"
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
	// before may answer a request in the place of the registry or the store.
	before func(w http.ResponseWriter, r *http.Request, kind string) (done bool)
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
	if b.before != nil && b.before(w, r, kind) {
		return
	}
	b.memory.ServeHTTP(w, r)
}

func (b *berth) serve(w http.ResponseWriter, r *http.Request, plain http.Handler) {
	name, rest, ok := strings.Cut(strings.TrimPrefix(r.URL.Path, "/v2/"), "/"+direct.Uploads)
	kind := r.Method + " other"
	if ok {
		kind = r.Method + " uploads"
		if strings.HasSuffix(rest, "/parts") {
			kind = "POST parts"
		} else if r.Method == http.MethodPost {
			kind = "POST begin"
		}
	}
	b.count(kind)
	if b.before != nil && b.before(w, r, kind) {
		return
	}
	if !ok {
		plain.ServeHTTP(w, r)
		return
	}
	answer, status, err := b.face(r, name, strings.Trim(rest, "/"))
	var known *oci.Error
	switch {
	case errors.As(err, &known):
		status = map[*oci.Error]int{oci.ErrUploadUnknown: 404}[known.Kind()]
		if status == 0 {
			status = 400
		}
		answer = map[string]any{"errors": []any{map[string]string{"code": known.Code, "message": known.Message}}}
	case err != nil:
		status, answer = 500, map[string]any{}
	}
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(answer)
}

// face is the extension, spoken.
func (b *berth) face(r *http.Request, name, rest string) (any, int, error) {
	raw, _ := io.ReadAll(r.Body)
	id, _, sign := strings.Cut(rest, "/")
	switch {
	case r.Method == http.MethodPost && sign:
		asked, err := direct.ParseSign(raw)
		if err != nil {
			return nil, 0, err
		}
		a, err := b.reg.SignParts(r.Context(), name, id, asked)
		return a, 200, err
	case r.Method == http.MethodPost:
		asked, err := direct.ParseBegin(raw)
		if err != nil {
			return nil, 0, err
		}
		a, err := b.reg.BeginDirect(r.Context(), name, asked)
		return a, 200, err
	case r.Method == http.MethodPut:
		asked, err := direct.ParseComplete(raw)
		if err != nil {
			return nil, 0, err
		}
		a, err := b.reg.CompleteDirect(r.Context(), name, id, asked)
		status := 201
		if a.State == direct.Verifying {
			status = 202
		}
		return a, status, err
	case r.Method == http.MethodDelete:
		return nil, 204, b.reg.AbortDirect(r.Context(), name, id)
	}
	after, _ := strconv.Atoi(r.URL.Query().Get("after"))
	a, err := b.reg.DirectStatus(r.Context(), name, id, after)
	return a, 200, err
}

// verifyLater has uploads verified in the background.
func (b *berth) verifyLater(t testing.TB) func(context.Context, string, string) error {
	var work sync.WaitGroup
	t.Cleanup(work.Wait)
	return func(_ context.Context, repo, id string) error {
		work.Go(func() { _ = b.reg.VerifyDirect(context.Background(), repo, id) })
		return nil
	}
}

func TestPushAndFetchDirect(t *testing.T) {
	b := newBerth(t, registry.Options{})
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
