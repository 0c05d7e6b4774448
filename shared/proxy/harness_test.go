package proxy_test

import (
	"bytes"
	"context"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"net/url"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"oras.land/oras-go/v2/registry/remote/auth"

	"github.com/berthregistry/berth/shared/blobs"
	"github.com/berthregistry/berth/shared/blobs/blobstest"
	blobstore "github.com/berthregistry/berth/shared/blobs/local"
	"github.com/berthregistry/berth/shared/distribution"
	"github.com/berthregistry/berth/shared/oci"
	"github.com/berthregistry/berth/shared/proxy"
	"github.com/berthregistry/berth/shared/registry"
	tablestore "github.com/berthregistry/berth/shared/table/local"
	"github.com/berthregistry/berth/shared/transfer"
)

// A pair is a registry and a proxy that stands for it.
type pair struct {
	testing.TB
	registry, proxy string // URLs
	handler         *proxy.Proxy
	stop            func() // the proxy

	mu     sync.Mutex
	before func(w http.ResponseWriter, r *http.Request) bool // says whether it has answered for the registry
	seen   map[string]int                                    // requests that the registry got, by method; those of direct transfer also apart
}

const memory = 32 << 20

// The registries that there are: one that bytes must go through, and one with a
// store that takes them itself.
var registries = map[string]func(t testing.TB) blobs.Store{
	"plain": func(t testing.TB) blobs.Store {
		t.Helper()
		store, err := blobstore.Open(filepath.Join(t.TempDir(), "blobs"))
		if err != nil {
			t.Fatal(err)
		}
		return store
	},
	"direct": func(t testing.TB) blobs.Store {
		var store *blobstest.Memory
		web := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { store.ServeHTTP(w, r) }))
		t.Cleanup(web.Close)
		store = blobstest.NewMemory(blobstest.MemoryOptions{Base: web.URL})
		return store
	},
}

// newPair starts both, with a registry that is empty, and a proxy with little
// memory.
func newPair(t testing.TB, kind string, idle time.Duration) *pair {
	t.Helper()
	p := &pair{TB: t, before: func(http.ResponseWriter, *http.Request) bool { return false }, seen: map[string]int{}}
	api := distribution.New(newRegistry(t, registries[kind](t)), distribution.Options{})
	upstream := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		p.mu.Lock()
		p.seen[r.Method]++
		if strings.Contains(r.URL.Path, "/_berth/") {
			p.seen[r.Method+" direct"]++
		}
		before := p.before
		p.mu.Unlock()
		if !before(w, r) {
			api.ServeHTTP(w, r)
		}
	}))
	t.Cleanup(upstream.Close)
	to, err := url.Parse(upstream.URL)
	if err != nil {
		t.Fatal(err)
	}
	transport := transfer.NewTransport()
	t.Cleanup(transport.CloseIdleConnections)
	handler := proxy.New(proxy.Options{
		To: to, Client: &auth.Client{Client: &http.Client{Transport: transport}, Cache: auth.NewCache()},
		Engine: transfer.New(transfer.Options{Memory: memory}), Idle: idle,
	})
	front := httptest.NewServer(handler)
	p.stop = sync.OnceFunc(func() {
		front.CloseClientConnections()
		front.Close()
		if err := handler.Close(context.Background()); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	t.Cleanup(p.stop)
	p.registry, p.proxy, p.handler = upstream.URL, front.URL, handler
	return p
}

func newRegistry(t testing.TB, objects blobs.Store) *registry.Registry {
	t.Helper()
	items, err := tablestore.Open(filepath.Join(t.TempDir(), "table"), nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = items.Close() })
	return registry.New(items, objects, registry.Options{})
}

// fault has the registry answer otherwise from here on, where before says so.
func (p *pair) fault(before func(w http.ResponseWriter, r *http.Request) bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.before = before
}

func (p *pair) requests(kind string) int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.seen[kind]
}

func (p *pair) do(method, url string, body io.Reader, header ...string) (*http.Response, []byte) {
	p.Helper()
	resp, raw, err := p.try(method, url, body, header...)
	if err != nil {
		p.Fatalf("%s %s: %v", method, url, err)
	}
	return resp, raw
}

func (p *pair) try(method, url string, body io.Reader, header ...string) (*http.Response, []byte, error) {
	r, err := http.NewRequestWithContext(p.Context(), method, url, body)
	if err != nil {
		return nil, nil, err
	}
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		return nil, nil, err
	}
	defer resp.Body.Close()
	raw, err := io.ReadAll(resp.Body)
	return resp, raw, err
}

// want is do that fails if the answer has another status.
func (p *pair) want(status int, method, url string, body io.Reader, header ...string) *http.Response {
	p.Helper()
	resp, raw := p.do(method, url, body, header...)
	if resp.StatusCode != status {
		p.Fatalf("%s %s: got %d %.300s, want %d", method, url, resp.StatusCode, raw, status)
	}
	return resp
}

// started begins an upload and returns the URL where it goes on.
func (p *pair) started() string {
	p.Helper()
	return p.proxy + p.want(http.StatusAccepted, "POST", p.proxy+"/v2/team/app/blobs/uploads/", nil).Header.Get("Location")
}

// has fails unless the registry has the blob.
func (p *pair) has(d oci.Digest, blob []byte) {
	p.Helper()
	resp, raw := p.do("GET", p.registry+"/v2/team/app/blobs/"+string(d), nil)
	if resp.StatusCode != http.StatusOK || !bytes.Equal(raw, blob) {
		p.Errorf("the registry answers %d with %d bytes, want those %d that were sent", resp.StatusCode, len(raw), len(blob))
	}
}

// blobOf makes bytes that no other blob of a test has.
func blobOf(size int) ([]byte, oci.Digest) {
	blob := make([]byte, size)
	_, _ = rand.NewChaCha8([32]byte{byte(size), byte(size >> 8), byte(size >> 16)}).Read(blob)
	return blob, oci.SHA256.Sum(blob)
}

// unsized hides the length of a body.
func unsized(body []byte) io.Reader { return struct{ io.Reader }{bytes.NewReader(body)} }

func eventually(t testing.TB, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(20 * time.Second); !ok(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("not within twenty seconds: %s", what)
		}
	}
}
