package transfer

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/berthregistry/berth/shared/oci"
)

// writes writes to a stream, odd pieces at a time.
func writes(t testing.TB, s *Stream, p []byte) {
	t.Helper()
	for off := 0; off < len(p); {
		n, err := s.Write(p[off:min(off+777, len(p))])
		if err != nil {
			t.Fatalf("write at %d: %v", off, err)
		}
		off += n
	}
	if got := s.Size(); got != int64(len(p)) {
		t.Errorf("size %d, want %d", got, len(p))
	}
}

func TestStreamDirect(t *testing.T) {
	f := newFake(t)
	e, r := f.client(Options{})
	for _, c := range []struct {
		size, begins int
		way          Way
	}{{0, 0, Plain}, {1, 0, Plain}, {100, 0, Plain}, {101, 1, Direct}, {1000, 1, Direct}, {1001, 1, Direct}, {5000, 1, Direct}, {12_345, 1, Direct}} {
		for _, told := range []int64{-1, int64(c.size)} {
			t.Run(fmt.Sprint(c.size, " told ", told), func(t *testing.T) {
				p := randomBytes(uint64(told+2), c.size)
				s := r.NewStream(t.Context(), told)
				writes(t, s, p)
				if c.size <= 1000 && f.called("POST begin") > 0 {
					t.Error("an upload was begun before a part was full")
				}
				way, err := s.Finish(t.Context(), describe(p).Digest)
				if err != nil || way != c.way && way != There {
					t.Fatalf("finish: %q, %v", way, err)
				}
				if !f.isThere(p) {
					t.Error("the blob is not there")
				}
				balanced(t, e)
				f.called("POST begin")
				if err := s.Abort(t.Context()); err != nil || f.called("DELETE upload") > 0 || !f.isThere(p) {
					t.Errorf("abort after the end: %v", err)
				}
				if _, err := s.Write(p); len(p) > 0 && err == nil {
					t.Error("a stream takes bytes after its end")
				}
			})
		}
	}
}

func TestStreamPlain(t *testing.T) {
	url := serveBerth(t, nil)
	e := newEngine(t, Options{})
	e.sizes = sizes{small: 100, part: 10_000, remote: 5000, local: 300, chunk: 4000}
	r := open(t, e, url, "team/app")
	for _, size := range []int{0, 1, 10_000, 10_001, 33_333} {
		p := randomBytes(2, size)
		s := r.NewStream(t.Context(), -1)
		writes(t, s, p)
		if way, err := s.Finish(t.Context(), describe(p).Digest); err != nil || way != Plain {
			t.Fatalf("finish: %q, %v", way, err)
		}
		fetched(t, e, r, p, Plain)
		balanced(t, e)
	}
}

func TestStreamIsAborted(t *testing.T) {
	f := newFake(t)
	e, r := f.client(Options{})
	for _, size := range []int{0, 10, 5000} {
		s := r.NewStream(t.Context(), -1)
		writes(t, s, randomBytes(1, size))
		if err := s.Abort(t.Context()); err != nil {
			t.Errorf("abort: %v", err)
		}
		if _, err := s.Finish(t.Context(), describe(nil).Digest); err == nil {
			t.Error("a stream that was aborted was finished")
		}
		balanced(t, e)
	}
	if left := f.memory.Uploads(); len(left) > 0 {
		t.Errorf("left in the store: %q", left)
	}
	if got := f.called("DELETE upload"); got != 1 {
		t.Errorf("%d uploads were aborted, want 1", got)
	}
}

func TestStreamOfWrongBytes(t *testing.T) {
	f := newFake(t)
	e, r := f.client(Options{})
	for _, size := range []int{10, 500, 5000} {
		s := r.NewStream(t.Context(), -1)
		writes(t, s, randomBytes(1, size))
		_, err := s.Finish(t.Context(), describe(randomBytes(2, size)).Digest)
		if !errors.Is(err, oci.ErrDigestInvalid) && !refusedAs(err, "DIGEST_INVALID") {
			t.Errorf("%d bytes: %v, want DIGEST_INVALID", size, err)
		}
		balanced(t, e)
	}
}

// What fails behind a Write is told by a later one, or by Finish.
func TestStreamToldOfFailure(t *testing.T) {
	f := newFake(t)
	e, r := f.client(Options{})
	f.sick("PUT store", 1000, answering(http.StatusNotImplemented, "<Error><Code>NotImplemented</Code></Error>"))
	s := r.NewStream(t.Context(), -1)
	var err error
	for range 1000 {
		if _, err = s.Write(randomBytes(1, 500)); err != nil {
			break
		}
		time.Sleep(time.Millisecond)
	}
	if err == nil || !strings.Contains(err.Error(), "NotImplemented") {
		t.Errorf("write: %v, want what has failed", err)
	}
	if _, err := s.Finish(t.Context(), describe(nil).Digest); err == nil {
		t.Error("a stream that has failed was finished")
	}
	if err := s.Abort(t.Context()); err != nil {
		t.Errorf("abort: %v", err)
	}
	balanced(t, e)
}

// A stream that is not sent away holds no more than its share, and its writer
// waits.
func TestStreamHoldsItsWriterBack(t *testing.T) {
	f := newFake(t)
	release := make(chan struct{})
	f.before = func(_ http.ResponseWriter, _ *http.Request, kind string) bool {
		if kind == "PUT store" {
			<-release
		}
		return false
	}
	e, r := f.client(Options{})
	e.budget = newBudget(4 * leastBuffer)
	p := randomBytes(1, 20_000)
	s := r.NewStream(t.Context(), -1)
	wrote := make(chan struct{})
	go func() { defer close(wrote); writes(t, s, p) }()
	time.Sleep(100 * time.Millisecond)
	select {
	case <-wrote:
		t.Error("20 parts were taken, and there is room for 4")
	default:
	}
	close(release)
	<-wrote
	if _, err := s.Finish(t.Context(), describe(p).Digest); err != nil {
		t.Errorf("finish: %v", err)
	}
	balanced(t, e)
}

func TestStreamEndsWithItsContext(t *testing.T) {
	f := newFake(t)
	e, r := f.client(Options{})
	e.budget = newBudget(leastBuffer)
	ctx, cancel := context.WithCancel(t.Context())
	f.before = func(_ http.ResponseWriter, r *http.Request, kind string) bool {
		if kind == "PUT store" {
			_, _ = io.Copy(io.Discard, r.Body) // without that net/http does not see that the client has gone
			cancel()
			<-r.Context().Done()
			return true
		}
		return false
	}
	s := r.NewStream(ctx, -1)
	var err error
	for err == nil {
		_, err = s.Write(randomBytes(1, 500))
	}
	if !errors.Is(err, context.Canceled) {
		t.Errorf("write: %v", err)
	}
	if err := s.Abort(t.Context()); err != nil {
		t.Errorf("abort: %v", err)
	}
	balanced(t, e)
}

// There are never more parts than there may be.
func TestPartsOfAStream(t *testing.T) {
	e := New(Options{})
	r := &Repository{engine: e}
	for size, want := range map[int64]int64{-1: 16 << 20, 0: 16 << 20, 5: 5, 1 << 30: 16 << 20, 10_000 * 16 << 20: 16 << 20, 10_000*16<<20 + 1: 17 << 20, 1 << 40: 105 << 20} {
		s := Stream{r: r, size: size}
		if got := s.room(); got != want {
			t.Errorf("%d bytes go in parts of %d, want %d", size, got, want)
		}
	}
}
