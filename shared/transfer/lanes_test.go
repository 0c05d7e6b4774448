package transfer

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sync/semaphore"
)

// sendings notes which objects parts go to, in the order in which they come.
type sendings struct {
	mu    sync.Mutex
	order []string
	some  chan struct{} // closed when there is one
}

func watchSendings(f *fake) *sendings {
	s := &sendings{some: make(chan struct{})}
	f.before = func(_ http.ResponseWriter, r *http.Request, kind string) bool {
		if kind == "PUT store" {
			s.mu.Lock()
			defer s.mu.Unlock()
			if s.order = append(s.order, r.URL.Path); len(s.order) == 1 {
				close(s.some)
			}
		}
		return false
	}
	return s
}

// before returns how many parts came before the first of another blob than that of
// the first part.
func (s *sendings) before() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i, path := range s.order {
		if path != s.order[0] {
			return i
		}
	}
	return len(s.order)
}

// Blobs of many parts go one after the other, so that the first is verified while
// the next is sent.
func TestLargeBlobsGoOneAfterTheOther(t *testing.T) {
	const parts, buffers = 30, 4
	for _, parallel := range []int{1, 3, 8} {
		f := newFake(t)
		s := watchSendings(f)
		e, r := f.client(Options{Parallel: parallel})
		e.budget = newBudget(buffers * leastBuffer)
		var work sync.WaitGroup
		for i := range 3 {
			p := randomBytes(uint64(i), parts*1000)
			work.Go(func() {
				if _, err := r.Push(t.Context(), describe(p), &memorySource{t: t, p: p}, nil); err != nil {
					t.Errorf("push: %v", err)
				}
			})
			<-s.some
		}
		work.Wait()
		if got := s.before(); got < parts-buffers {
			t.Errorf("%d at once: the second blob begins after %d parts of the first of %d", parallel, got, parts)
		}
		balanced(t, e)
	}
}

// Blobs that cannot keep the line busy alone go side by side.
func TestBlobsOfFewPartsGoSideBySide(t *testing.T) {
	f := newFake(t)
	e, r := f.client(Options{})
	var mu sync.Mutex
	seen, both := map[string]bool{}, make(chan struct{})
	f.before = func(_ http.ResponseWriter, r *http.Request, kind string) bool {
		if kind != "PUT store" {
			return false
		}
		mu.Lock()
		if seen[r.URL.Path] = true; len(seen) == 2 {
			select {
			case <-both:
			default:
				close(both)
			}
		}
		mu.Unlock()
		select {
		case <-both:
		case <-time.After(10 * time.Second):
			t.Error("one waits for the other")
		}
		return false
	}
	var work sync.WaitGroup
	for i := range 2 {
		p := randomBytes(uint64(i), 3000)
		work.Go(func() {
			if _, err := r.Push(t.Context(), describe(p), &memorySource{t: t, p: p}, nil); err != nil {
				t.Errorf("push: %v", err)
			}
		})
	}
	work.Wait()
	balanced(t, e)
}

// Who waits behind a large blob and is cancelled ends at once, and stands in nobody's
// way. So does a blob that fails.
func TestLanesAreLeft(t *testing.T) {
	f := newFake(t)
	e, r := f.client(Options{Parallel: 2})
	e.budget = newBudget(2 * leastBuffer)
	hold, first := make(chan struct{}), make(chan struct{})
	var once sync.Once
	f.before = func(_ http.ResponseWriter, r *http.Request, kind string) bool {
		if kind == "PUT store" {
			once.Do(func() { close(first) })
			<-hold
		}
		return false
	}
	push := func(ctx context.Context, seed uint64) error {
		p := randomBytes(seed, 9000)
		_, err := r.Push(ctx, describe(p), &memorySource{t: t, p: p}, nil)
		return err
	}
	var work sync.WaitGroup
	work.Go(func() {
		if err := push(t.Context(), 1); err != nil {
			t.Errorf("push: %v", err)
		}
	})
	<-first
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if err := push(ctx, 2); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v, want an end of the wait", err)
	}
	close(hold)
	work.Wait()
	short := &memorySource{t: t, p: randomBytes(3, 8500)}
	if _, err := r.Push(t.Context(), describe(randomBytes(3, 9000)), short, nil); err == nil || strings.Contains(err.Error(), "context") {
		t.Errorf("got %v, want that the source is short", err)
	}
	if err := push(t.Context(), 4); err != nil {
		t.Errorf("push: %v", err)
	}
	if !e.lanes.TryAcquire(2) {
		t.Error("a lane was not left")
	}
	balanced(t, e)
}

// What has been gathered of a stream holds a buffer. It does not wait for who may
// wait for that.
func TestHeldBytesWaitForNobody(t *testing.T) {
	f := newFake(t)
	for url, places := range map[string]func(*Engine) *semaphore.Weighted{
		f.url:              func(e *Engine) *semaphore.Weighted { return e.lanes },
		serveBerth(t, nil): func(e *Engine) *semaphore.Weighted { return e.streams },
	} {
		e := newEngine(t, Options{Parallel: 1})
		e.sizes = sizes{small: 100, part: 5000, remote: 700, local: 300, chunk: 400}
		e.budget = newBudget(leastBuffer)
		r := open(t, e, url, "team/app")
		held, p := randomBytes(1, 3000), randomBytes(2, 9000)
		s := r.NewStream(t.Context(), -1)
		writes(t, s, held)
		var work sync.WaitGroup
		work.Go(func() {
			if _, err := r.Push(t.Context(), describe(p), &memorySource{t: t, p: p}, nil); err != nil {
				t.Errorf("push: %v", err)
			}
		})
		for places(e).TryAcquire(1) { // until the other has it
			places(e).Release(1)
			time.Sleep(time.Millisecond)
		}
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		if _, err := s.Finish(ctx, describe(held).Digest); err != nil {
			t.Errorf("finish: %v", err)
		}
		cancel()
		work.Wait()
		balanced(t, e)
	}
}
