package transfer

import (
	"context"
	"io"
	"runtime"
	"runtime/debug"
	"sync"
	"testing"
	"time"

	"github.com/berthregistry/berth/shared/oci"
)

// nought is a Source of zeros.
type nought struct{}

func (nought) ReadPart(_ context.Context, _ int64, p []byte) error { clear(p); return nil }
func (nought) Close() error                                        { return nil }

// Whatever moves, and however much of it, memory stays within what a process was
// promised: buffers of 128 MiB, and 256 MiB in all.
func TestMemory(t *testing.T) {
	if testing.Short() {
		t.Skip("it moves a gigabyte")
	}
	const blobs, size = 6, 96 << 20
	url := startSinkhole(t)
	e := newEngine(t, Options{})
	r := open(t, e, url, "team/app")
	h := oci.SHA256.Hash()
	_, _ = io.CopyN(h, zeros{}, size)
	d := oci.Descriptor{Digest: oci.SHA256.Digest(h), Size: size}

	debug.FreeOSMemory()                                        // what other tests have left
	defer debug.SetMemoryLimit(debug.SetMemoryLimit(208 << 20)) // as the commands do
	peak := watchMemory(t)
	for name, move := range map[string]func() error{
		"push": func() error { _, err := r.Push(t.Context(), d, nought{}, nil); return err },
		"fetch": func() error {
			from, err := r.Blob(t.Context(), d)
			if err != nil {
				return err
			}
			defer from.Close()
			return e.Fetch(t.Context(), d, from, void{}, nil)
		},
		"stream": func() error {
			s := r.NewStream(t.Context(), -1)
			p := make([]byte, 32<<10)
			for range size / len(p) {
				if _, err := s.Write(p); err != nil {
					return err
				}
			}
			_, err := s.Finish(t.Context(), d.Digest)
			return err
		},
		"copy": func() error {
			from, err := r.Blob(t.Context(), d)
			if err != nil {
				return err
			}
			defer from.Close()
			_, err = r.Push(t.Context(), d, from, nil)
			return err
		},
	} {
		var work sync.WaitGroup
		for range blobs {
			work.Go(func() {
				if err := move(); err != nil {
					t.Errorf("%s: %v", name, err)
				}
			})
		}
		work.Wait()
		if got, most := peak()>>20, uint64(256); got > most {
			t.Errorf("%s: %d MiB, want at most %d", name, got, most)
		} else {
			t.Logf("%s: %d MiB", name, got)
		}
	}
	balanced(t, e)
}

// watchMemory returns what tells the most memory held since it was last asked.
func watchMemory(t *testing.T) func() uint64 {
	var mu sync.Mutex
	var most uint64
	look := func() {
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		mu.Lock()
		most = max(most, m.Sys-m.HeapReleased)
		mu.Unlock()
	}
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		for ctx.Err() == nil {
			look()
			time.Sleep(5 * time.Millisecond)
		}
	}()
	t.Cleanup(func() { stop(); <-done })
	return func() uint64 {
		look()
		mu.Lock()
		defer mu.Unlock()
		out := most
		most = 0
		return out
	}
}
