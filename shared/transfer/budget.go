package transfer

import (
	"context"
	"fmt"
	"math/bits"
	"sync"

	"golang.org/x/sync/semaphore"
)

// Sizes of buffers in bytes: powers of two, so that one that is given back suits
// the next who needs one.
const (
	leastBuffer = 256 << 10
	mostPooled  = 16 << 20 // what a part of most blobs has
)

// A budget hands out buffers, of so many bytes together. Those given back are
// kept: what the garbage collector has not found yet is memory as well.
//
// Who asks first is served first, so that all blobs get their share.
type budget struct {
	total int64
	room  *semaphore.Weighted

	mu   sync.Mutex
	held int64 // bytes of buffers that are out or idle
	idle map[int][][]byte
}

func newBudget(total int64) *budget {
	return &budget{total: total, room: semaphore.NewWeighted(total), idle: map[int][][]byte{}}
}

// get waits for a buffer of n bytes. It is to be put back.
func (b *budget) get(ctx context.Context, n int64) ([]byte, error) {
	size := bufferSize(n)
	if size > b.total {
		return nil, fmt.Errorf("a part of %d MiB does not fit into buffers of %d MiB in all", n>>20, b.total>>20)
	}
	if err := b.room.Acquire(ctx, size); err != nil {
		return nil, context.Cause(ctx)
	}
	return b.take(size)[:n], nil
}

// try is get for those who can do without: it does not wait, and gives none where
// others do.
func (b *budget) try(n int64) ([]byte, bool) {
	size := bufferSize(n)
	if !b.room.TryAcquire(size) {
		return nil, false
	}
	return b.take(size)[:n], true
}

// put takes a buffer back.
func (b *budget) put(p []byte) {
	p = p[:cap(p)]
	size := int64(len(p))
	b.mu.Lock()
	if size <= mostPooled {
		b.idle[len(p)] = append(b.idle[len(p)], p)
	} else {
		b.held -= size
	}
	b.mu.Unlock()
	b.room.Release(size)
}

// take finds a buffer or makes one, for which there is room.
func (b *budget) take(size int64) []byte {
	b.mu.Lock()
	defer b.mu.Unlock()
	if same := b.idle[int(size)]; len(same) > 0 {
		b.idle[int(size)] = same[:len(same)-1]
		return same[len(same)-1]
	}
	if b.held+size > b.total {
		b.drop()
	}
	b.held += size
	return make([]byte, size)
}

// drop gives up the idle buffers, which are of other sizes than what is needed.
func (b *budget) drop() {
	for size, idle := range b.idle {
		b.held -= int64(size) * int64(len(idle))
	}
	clear(b.idle)
}

func bufferSize(n int64) int64 {
	if n > mostPooled {
		return n
	}
	n = max(n, leastBuffer)
	return 1 << bits.Len64(uint64(n-1))
}
