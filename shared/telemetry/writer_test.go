package telemetry_test

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/berthregistry/berth/shared/telemetry"
)

// A sink keeps the batches it is given.
type sink struct {
	mu      sync.Mutex
	batches []string
	err     error
}

func (s *sink) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.batches = append(s.batches, string(p))
	return len(p), s.err
}

func (s *sink) got() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]string(nil), s.batches...)
}

func TestLinesWaitForEachOtherButNotLong(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var to sink
		w := telemetry.NewWriter(&to)
		for range 2 {
			fmt.Fprintln(w, "a")
			time.Sleep(telemetry.FlushEvery / 2)
			fmt.Fprintln(w, "b")
			time.Sleep(telemetry.FlushEvery)
		}
		synctest.Wait()
		if got, want := fmt.Sprintf("%q", to.got()), `["a\nb\n" "a\nb\n"]`; got != want {
			t.Errorf("batches: got %s, want %s", got, want)
		}
	})
}

func TestFlush(t *testing.T) {
	var to sink
	w := telemetry.NewWriter(&to)
	fmt.Fprint(w, "last words")
	if err := w.Flush(); err != nil {
		t.Fatal(err)
	}
	if got, want := strings.Join(to.got(), "|"), "last words"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	to.err = errors.New("disk full")
	fmt.Fprint(w, "more")
	if err := w.Flush(); !errors.Is(err, to.err) {
		t.Errorf("flush: got %v, want %v", err, to.err)
	}
}

// Many writers, a batch every few lines: all arrives, whole, and in the order
// of each writer.
func TestNothingIsDropped(t *testing.T) {
	var to sink
	w := telemetry.NewWriter(&to)
	const writers, lines = 8, 2000
	var wg sync.WaitGroup
	for i := range writers {
		wg.Go(func() {
			for n := range lines {
				fmt.Fprintf(w, "%d %d %s\n", i, n, strings.Repeat("x", 100))
			}
		})
	}
	wg.Wait()
	if err := w.Flush(); err != nil {
		t.Fatal(err)
	}
	var next [writers]int
	for line := range strings.Lines(strings.Join(to.got(), "")) {
		var i, n int
		var rest string
		if _, err := fmt.Sscanf(line, "%d %d %s", &i, &n, &rest); err != nil || len(rest) != 100 {
			t.Fatalf("torn line %q", line)
		}
		if n != next[i] {
			t.Fatalf("writer %d: got line %d, want %d", i, n, next[i])
		}
		next[i]++
	}
	for i, n := range next {
		if n != lines {
			t.Errorf("writer %d: %d lines arrived, want %d", i, n, lines)
		}
	}
}

// A reader of the log that stands still makes writers wait, once a buffer is
// full, rather than fill the memory.
func TestWriterWaitsForASlowReader(t *testing.T) {
	open := make(chan struct{})
	w := telemetry.NewWriter(gate{open})
	var taken atomic.Int64
	var wg sync.WaitGroup
	line := bytes.Repeat([]byte("x"), 1<<10)
	for range 2 {
		wg.Go(func() {
			for range 1000 {
				_, _ = w.Write(line)
				taken.Add(1)
			}
		})
	}
	for before := int64(-1); before != taken.Load(); time.Sleep(100 * time.Millisecond) {
		before = taken.Load()
	}
	if n := taken.Load(); n > 200 {
		t.Errorf("%d KiB were taken while the reader stood still", n)
	}
	close(open)
	wg.Wait()
	if n := taken.Load(); n != 2000 {
		t.Errorf("%d KiB were taken in the end, want all", n)
	}
}

type gate struct{ open chan struct{} }

func (g gate) Write(p []byte) (int, error) {
	<-g.open
	return len(p), nil
}
