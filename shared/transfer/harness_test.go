package transfer

import (
	"bytes"
	"context"
	"io"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"oras.land/oras-go/v2/registry/remote"
	"oras.land/oras-go/v2/registry/remote/auth"

	blobstore "github.com/berthregistry/berth/shared/blobs/local"
	"github.com/berthregistry/berth/shared/distribution"
	"github.com/berthregistry/berth/shared/oci"
	"github.com/berthregistry/berth/shared/registry"
	tablestore "github.com/berthregistry/berth/shared/table/local"
)

// quick is a pace at which faults are over soon.
var quick = pace{
	stall: 20 * time.Second, patience: 20 * time.Second, commit: 20 * time.Second,
	first: time.Millisecond, longest: 10 * time.Millisecond, idle: time.Second, busy: time.Second,
}

// newEngine returns an engine at a quick pace. It logs to the test, and leaves
// no connection behind.
func newEngine(t testing.TB, o Options) *Engine {
	t.Helper()
	if o.Store == nil {
		transport := NewTransport()
		t.Cleanup(transport.CloseIdleConnections)
		o.Store = &http.Client{Transport: transport}
	}
	o.Log = slog.New(slog.NewTextHandler(testLog{t}, &slog.HandlerOptions{Level: slog.LevelDebug}))
	e := New(o)
	e.pace = quick
	t.Cleanup(func() { noneLeft(t) })
	return e
}

// noneLeft checks that no goroutine of an engine goes on.
func noneLeft(t testing.TB) {
	t.Helper()
	var left []string
	for range 100 {
		left = left[:0]
		stacks := make([]byte, 1<<20)
		stacks = stacks[:runtime.Stack(stacks, true)]
		for stack := range strings.SplitSeq(string(stacks), "\n\n") {
			if strings.Contains(stack, "transfer.(*") && !strings.Contains(stack, "_test.go") {
				left = append(left, stack)
			}
		}
		if len(left) == 0 {
			return
		}
		time.Sleep(20 * time.Millisecond)
	}
	t.Errorf("goroutines are left:\n%s", strings.Join(left, "\n\n"))
}

// testLog writes to a test.
type testLog struct{ t testing.TB }

func (l testLog) Write(p []byte) (int, error) {
	if l.t.Context().Err() == nil {
		l.t.Log(strings.TrimSpace(string(p)))
	}
	return len(p), nil
}

// open opens a repository of the registry at a URL, to which it logs in.
func open(t testing.TB, e *Engine, url, name string) *Repository {
	t.Helper()
	host := strings.TrimPrefix(url, "http://")
	repo, err := remote.NewRepository(host + "/" + name)
	if err != nil {
		t.Fatal(err)
	}
	transport := NewTransport()
	t.Cleanup(transport.CloseIdleConnections)
	repo.PlainHTTP = true
	repo.Client = &auth.Client{
		Client: &http.Client{Transport: transport}, Cache: auth.NewCache(),
		Credential: auth.StaticCredential(host, auth.Credential{Username: "user", Password: "secret"}),
	}
	return e.Open(repo, host+"/"+name+":1")
}

// serveBerth serves a Berth on the stores of one machine, which has no direct
// transfer. What wrap returns stands before it.
func serveBerth(t testing.TB, wrap func(http.Handler) http.Handler) string {
	t.Helper()
	dir := t.TempDir()
	items, err := tablestore.Open(filepath.Join(dir, "table"), nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = items.Close() })
	objects, err := blobstore.Open(filepath.Join(dir, "blobs"))
	if err != nil {
		t.Fatal(err)
	}
	var h http.Handler = distribution.New(registry.New(items, objects, registry.Options{}), distribution.Options{})
	if wrap != nil {
		h = wrap(h)
	}
	web := httptest.NewServer(h)
	t.Cleanup(web.Close)
	return web.URL
}

// randomBytes are the same for the same seed.
func randomBytes(seed uint64, n int) []byte {
	var s [32]byte
	s[0], s[1] = byte(seed), byte(seed>>8)
	p := make([]byte, n)
	_, _ = rand.NewChaCha8(s).Read(p) // it never fails
	return p
}

func describe(p []byte) oci.Descriptor {
	return oci.Descriptor{MediaType: "application/octet-stream", Digest: oci.SHA256.Sum(p), Size: int64(len(p))}
}

// A memorySource is a Source that knows how it is used.
type memorySource struct {
	t testing.TB
	p []byte

	mu     sync.Mutex
	read   int64
	closed bool
}

func (s *memorySource) ReadPart(ctx context.Context, off int64, p []byte) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.read += int64(len(p))
	if s.closed {
		s.t.Error("a source is read after it was closed")
	}
	if n := copy(p, s.p[off:]); n < len(p) {
		return io.ErrUnexpectedEOF
	}
	return ctx.Err()
}

func (s *memorySource) Close() error { s.closed = true; return nil }

// A memorySink is a Sink that fails the test if it is used wrongly.
type memorySink struct {
	t         testing.TB
	had       []byte
	got       bytes.Buffer
	committed bool
	closed    bool
	resets    int
}

func (s *memorySink) Prefix() (io.ReadCloser, int64, error) {
	s.got.Reset()
	s.got.Write(s.had)
	return io.NopCloser(bytes.NewReader(s.had)), int64(len(s.had)), nil
}

func (s *memorySink) Write(p []byte) (int, error) {
	if s.closed || s.committed {
		s.t.Error("a sink is written to after its end")
	}
	return s.got.Write(p)
}

func (s *memorySink) Reset() error { s.had = nil; s.got.Reset(); s.resets++; return nil }
func (s *memorySink) Commit() error {
	s.committed = true
	return nil
}
func (s *memorySink) Close() error { s.closed = true; return nil }

// A counter is a Watcher.
type counter struct {
	mu    sync.Mutex
	moved map[oci.Digest]int64
	ways  map[oci.Digest]Way
}

func newCounter() *counter {
	return &counter{moved: map[oci.Digest]int64{}, ways: map[oci.Digest]Way{}}
}

func (c *counter) Moved(d oci.Descriptor, n int64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.moved[d.Digest] += n
}

func (c *counter) Settled(d oci.Descriptor, how Way) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.ways[d.Digest] = how
}

// is checks that all of a blob has moved, this way.
func (c *counter) is(t testing.TB, d oci.Descriptor, how Way) {
	t.Helper()
	c.mu.Lock()
	defer c.mu.Unlock()
	if got := c.moved[d.Digest]; got != d.Size || c.ways[d.Digest] != how {
		t.Errorf("the watcher was told of %d bytes of %d, settled %q, want %q", got, d.Size, c.ways[d.Digest], how)
	}
}

// fetched brings a blob into memory and checks it.
func fetched(t testing.TB, e *Engine, r *Repository, want []byte, how Way) {
	t.Helper()
	d, w := describe(want), newCounter()
	from, err := r.Blob(t.Context(), d)
	if err != nil {
		t.Fatal(err)
	}
	defer from.Close()
	to := &memorySink{t: t}
	if err := e.Fetch(t.Context(), d, from, to, w); err != nil {
		t.Fatalf("fetch: %v", err)
	}
	if !bytes.Equal(to.got.Bytes(), want) || !to.committed || !to.closed {
		t.Errorf("the sink has %d bytes, want %d; committed %v, closed %v", to.got.Len(), len(want), to.committed, to.closed)
	}
	w.is(t, d, how)
}

// balanced checks that all buffers were given back.
func balanced(t testing.TB, e *Engine) {
	t.Helper()
	if !e.budget.room.TryAcquire(e.budget.total) {
		t.Error("buffers were not given back")
		return
	}
	e.budget.room.Release(e.budget.total)
}
