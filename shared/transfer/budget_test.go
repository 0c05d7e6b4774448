package transfer

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"
)

func TestBufferSize(t *testing.T) {
	for n, want := range map[int64]int64{
		0: 256 << 10, 1: 256 << 10, 256 << 10: 256 << 10, 256<<10 + 1: 512 << 10, 4 << 20: 4 << 20, 4<<20 + 1: 8 << 20,
		16 << 20: 16 << 20, 16<<20 + 1: 16<<20 + 1,
	} {
		if got := bufferSize(n); got != want {
			t.Errorf("%d bytes get a buffer of %d, want %d", n, got, want)
		}
	}
}

func TestBuffersAreUsedAgain(t *testing.T) {
	b := newBudget(1 << 20)
	p, err := b.get(t.Context(), 300_000)
	if err != nil || len(p) != 300_000 {
		t.Fatalf("%d bytes, %v", len(p), err)
	}
	first := &p[0]
	b.put(p[:10])
	if p, _ = b.get(t.Context(), 500_000); &p[0] != first {
		t.Error("a buffer that was given back is not used again")
	}
	b.put(p)
}

// Buffers that are idle are memory, too.
func TestIdleBuffersCount(t *testing.T) {
	b := newBudget(1 << 20)
	for _, n := range []int64{256 << 10, 512 << 10, 1 << 20, 256 << 10, 512 << 10} {
		var held [][]byte
		for {
			p, ok := b.try(n)
			if !ok {
				break
			}
			held = append(held, p)
		}
		if got, want := int64(len(held)), (1<<20)/n; got != want {
			t.Errorf("%d buffers of %d bytes, want %d", got, n, want)
		}
		for _, p := range held {
			b.put(p)
		}
		idle := int64(0)
		for size, of := range b.idle {
			idle += int64(size * len(of))
		}
		if idle > b.total || idle != b.held {
			t.Errorf("%d bytes are idle, %d counted, of %d", idle, b.held, b.total)
		}
	}
}

func TestBudgetIsFair(t *testing.T) {
	b := newBudget(1 << 20)
	all, err := b.get(t.Context(), 1<<20)
	if err != nil {
		t.Fatal(err)
	}
	var order []int
	var mu sync.Mutex
	var work sync.WaitGroup
	for i := range 3 {
		work.Go(func() {
			p, err := b.get(t.Context(), 1<<20)
			if err != nil {
				t.Error(err)
				return
			}
			mu.Lock()
			order = append(order, i)
			mu.Unlock()
			b.put(p)
		})
		time.Sleep(10 * time.Millisecond)
	}
	if _, ok := b.try(1); ok {
		t.Error("a buffer was given past those who wait")
	}
	b.put(all)
	work.Wait()
	for i, n := range order {
		if n != i {
			t.Errorf("served in the order %v", order)
			break
		}
	}
}

func TestBudgetRefuses(t *testing.T) {
	b := newBudget(1 << 20)
	if _, err := b.get(t.Context(), 32<<20); err == nil {
		t.Error("a buffer is larger than all of them")
	}
	p, _ := b.get(t.Context(), 1<<20)
	ctx, cancel := context.WithCancelCause(t.Context())
	why := errors.New("enough")
	cancel(why)
	if _, err := b.get(ctx, 1); !errors.Is(err, why) {
		t.Errorf("got %v, want %v", err, why)
	}
	b.put(p)
}
