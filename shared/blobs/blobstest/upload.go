package blobstest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"testing"
	"testing/iotest"

	"github.com/berthregistry/berth/shared/blobs"
)

func pieces(t *testing.T, store blobs.Store) {
	for _, sizes := range [][]int{
		{1},
		{part - 1},
		{part},
		{part + 1},
		{big},
		slices.Repeat([]int{20}, 40),
		{part - 1, 1, 1},
		{part - 1, part - 1, part - 1},
		{1, 3 * part},
		{part, part, 1, part},
		{4_500_000, 4_500_000, 4_500_000, 4_500_000, 100},
		{11*mib + 3, 2, 13 * mib},
		slices.Repeat([]int{mib + 1}, 12),
	} {
		t.Run(describe(sizes), func(t *testing.T) { inPieces(t, store, sizes) })
	}
}

func inPieces(t *testing.T, store blobs.Store, sizes []int) {
	u := blobs.Upload{Key: newKey()}
	var body []byte
	for i, size := range sizes {
		next := Bytes(uint64(i), size)
		body = append(body, next...)
		u = add(t, store, u, next)
	}
	wantAbsent(t, store, u.Key, u.Size)
	complete(t, store, u)
	wantObject(t, store, u.Key, body)
}

func nothing(t *testing.T, store blobs.Store) {
	for _, size := range []int{0, 10, part} {
		u := blobs.Upload{Key: newKey()}
		body := Bytes(1, size)
		u = add(t, store, u, body)
		u = add(t, store, u, nil)
		complete(t, store, u)
		wantObject(t, store, u.Key, body)
	}
}

func emptyUpload(t *testing.T, store blobs.Store) {
	u := blobs.Upload{Key: newKey()}
	complete(t, store, u)
	wantObject(t, store, u.Key, nil)
	complete(t, store, u)
	if err := store.Abort(t.Context(), u); err != nil {
		t.Fatalf("abort: %v", err)
	}
	wantAbsent(t, store, u.Key, 0)
}

// readerFails cuts a stream after some bytes, as a client does who goes away,
// and resumes where the state says.
func readerFails(t *testing.T, store blobs.Store) {
	causes := []error{errors.New("the line is cut"), io.ErrUnexpectedEOF}
	for _, before := range []int{0, 100, part + 100} {
		for i, cut := range []int{0, 1, part - 1, part + 1, 2*part + 50} {
			cause := causes[i%len(causes)]
			t.Run(fmt.Sprintf("%d then %d, %v", before, cut, cause), func(t *testing.T) {
				body := Bytes(7, before+cut+100)
				u := add(t, store, blobs.Upload{Key: newKey()}, body[:before])
				r := io.MultiReader(bytes.NewReader(body[before:before+cut]), iotest.ErrReader(cause))
				next, err := store.Append(t.Context(), u, r)
				if !errors.Is(err, cause) {
					t.Fatalf("append: got error %v, want %v", err, cause)
				}
				resume(t, store, u, next, body, before+cut)
			})
		}
	}
}

// resume checks the future that a failed Append of u has left, of which at
// most sent bytes can be there, and finishes the upload on top of it.
func resume(t *testing.T, store blobs.Store, u, next blobs.Upload, body []byte, sent int) {
	t.Helper()
	if next.Size < u.Size || next.Size > int64(sent) {
		t.Fatalf("append: got size %d, want %d to %d", next.Size, u.Size, sent)
	}
	wantState(t, u, next)
	wantAbsent(t, store, u.Key, next.Size)
	done := add(t, store, next, body[next.Size:])
	complete(t, store, done)
	wantObject(t, store, u.Key, body)
}

func cancelled(t *testing.T, store blobs.Store) {
	for _, before := range []int{0, 100, part + 100} {
		body := Bytes(7, before+big)
		u := add(t, store, blobs.Upload{Key: newKey()}, body[:before])
		ctx, cancel := context.WithCancel(t.Context())
		r := io.MultiReader(bytes.NewReader(body[before:before+part+1]), onRead(cancel), bytes.NewReader(body[before+part+1:]))
		next, err := store.Append(ctx, u, r)
		if !errors.Is(err, context.Canceled) {
			t.Fatalf("append: got error %v, want %v", err, context.Canceled)
		}
		resume(t, store, u, next, body, len(body))
	}
}

// onRead is an empty reader that acts when the reading gets there.
func onRead(act func()) io.Reader {
	return readFunc(func([]byte) (int, error) { act(); return 0, io.EOF })
}

type readFunc func([]byte) (int, error)

func (f readFunc) Read(p []byte) (int, error) { return f(p) }

func cancelledBefore(t *testing.T, store blobs.Store) {
	u := add(t, store, blobs.Upload{Key: newKey()}, []byte("abc"))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	calls := map[string]func() error{
		"open":     func() error { _, err := contents(ctx, store, newKey(), 3); return err },
		"put":      func() error { return store.Put(ctx, newKey(), []byte("abc")) },
		"complete": func() error { return store.Complete(ctx, u) },
		"abort":    func() error { return store.Abort(ctx, u) },
		"delete":   func() error { return store.Delete(ctx, u.Key) },
		"append": func() error {
			next, err := store.Append(ctx, u, bytes.NewReader([]byte("def")))
			wantState(t, u, next)
			return err
		},
	}
	for name, call := range calls {
		if err := call(); !errors.Is(err, context.Canceled) {
			t.Errorf("%s: got error %v, want %v", name, err, context.Canceled)
		}
	}
	complete(t, store, u)
	wantObject(t, store, u.Key, []byte("abc"))
}

func completeAgain(t *testing.T, store blobs.Store) {
	for _, size := range []int{0, 10, part, part + 10, big} {
		body := Bytes(1, size)
		u := add(t, store, blobs.Upload{Key: newKey()}, body)
		for range 3 {
			complete(t, store, u)
			wantObject(t, store, u.Key, body)
		}
	}
}

func aborts(t *testing.T, store blobs.Store) {
	for _, size := range []int{1, part + 10, 2 * part} {
		u := add(t, store, blobs.Upload{Key: newKey()}, Bytes(1, size))
		abort(t, store, u)
		abort(t, store, u)
		wantLost(t, store.Complete(t.Context(), u))
		wantAbsent(t, store, u.Key, u.Size)
		wantDead(t, store, u)
	}
	abort(t, store, blobs.Upload{Key: newKey()})
}

func abort(t testing.TB, store blobs.Store, u blobs.Upload) {
	t.Helper()
	if err := store.Abort(t.Context(), u); err != nil {
		t.Fatalf("abort: %v", err)
	}
}

// wantDead checks that nothing can be made of an aborted upload. The store may
// notice as late as at Complete.
func wantDead(t testing.TB, store blobs.Store, u blobs.Upload) {
	t.Helper()
	next, err := store.Append(t.Context(), u, bytes.NewReader([]byte("more")))
	if err == nil {
		err = store.Complete(t.Context(), next)
	}
	wantLost(t, err)
	wantAbsent(t, store, next.Key, next.Size)
}

func abortAfterComplete(t *testing.T, store blobs.Store) {
	for _, size := range []int{10, part + 10} {
		u := add(t, store, blobs.Upload{Key: newKey()}, Bytes(1, size))
		complete(t, store, u)
		abort(t, store, u)
		wantAbsent(t, store, u.Key, u.Size)
		wantLost(t, store.Complete(t.Context(), u))
		wantAbsent(t, store, u.Key, u.Size)
	}
}
