package blobstest

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"

	"github.com/berthregistry/berth/shared/blobs"
)

// writers has sixteen clients write, each with pieces of its own size, while
// all look whether an unfinished object of a neighbour shows.
func writers(t *testing.T, store blobs.Store) {
	const clients = 16
	base := newKey()
	var wg sync.WaitGroup
	for i := range clients {
		wg.Go(func() {
			body := Bytes(uint64(i), 3*mib+i*mib/2)
			if err := writeOne(t.Context(), store, fmt.Sprintf("%s-%d", base, i), body, 300<<10<<(i%5)); err != nil {
				t.Errorf("writer %d: %v", i, err)
			}
			neighbour := (i + 1) % clients
			want := Bytes(uint64(neighbour), 3*mib+neighbour*mib/2)
			got, err := contents(t.Context(), store, fmt.Sprintf("%s-%d", base, neighbour), int64(len(want)))
			if err == nil && !bytes.Equal(got, want) {
				t.Errorf("neighbour %d is half there: %d of %d bytes", neighbour, common(got, want), len(want))
			}
		})
	}
	wg.Wait()
	for i := range clients {
		wantObject(t, store, fmt.Sprintf("%s-%d", base, i), Bytes(uint64(i), 3*mib+i*mib/2))
	}
}

func writeOne(ctx context.Context, store blobs.Store, key string, body []byte, chunk int) error {
	if err := store.Put(ctx, key+"-put", body[:1000]); err != nil {
		return fmt.Errorf("put: %w", err)
	}
	u := blobs.Upload{Key: key}
	var err error
	for piece := range slices.Chunk(body, chunk) {
		if u, err = store.Append(ctx, u, bytes.NewReader(piece)); err != nil {
			return fmt.Errorf("append at %d: %w", u.Size, err)
		}
	}
	if err := store.Complete(ctx, u); err != nil {
		return fmt.Errorf("complete: %w", err)
	}
	got, err := contents(ctx, store, key, u.Size)
	if err != nil || !bytes.Equal(got, body) {
		return fmt.Errorf("read back: %d of %d bytes: %w", common(got, body), len(body), err)
	}
	return nil
}

// completers complete one upload at once, as a client and its impatient retry
// do. Some may be refused; the object is whole and the last word is success.
func completers(t *testing.T, store blobs.Store) {
	for _, size := range []int{10, 2*part + 10} {
		body := Bytes(1, size)
		u := add(t, store, blobs.Upload{Key: newKey()}, body)
		var wg sync.WaitGroup
		for range 8 {
			wg.Go(func() {
				if store.Complete(t.Context(), u) != nil {
					return
				}
				got, err := contents(t.Context(), store, u.Key, u.Size)
				if err != nil || !bytes.Equal(got, body) {
					t.Errorf("completed, yet not whole: %d of %d bytes, error %v", common(got, body), len(body), err)
				}
			})
		}
		wg.Wait()
		complete(t, store, u)
		wantObject(t, store, u.Key, body)
	}
}
