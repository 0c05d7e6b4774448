package blobstest

import (
	"bytes"
	"errors"
	"fmt"
	"sync"
	"testing"

	"github.com/berthregistry/berth/shared/blobs"
)

// A fork is a state that was appended to twice: the cases in which a driver
// keeps the common bytes here or there.
type fork struct{ before, after int }

func (f fork) String() string { return fmt.Sprintf("%d then %d", f.before, f.after) }

var forks = []fork{
	{0, 10}, {0, 2*part + 1},
	{10, 10}, {10, 2 * part},
	{part, 10}, {part, part + 1},
	{part + 10, 10}, {part + 10, 2 * part},
}

// A future is a state and the bytes that it describes.
type future struct {
	blobs.Upload
	body []byte
}

// split appends to one state twice, at the same time or in turn, bytes that
// are as many and not the same.
func (f fork) split(t *testing.T, store blobs.Store, atOnce bool) [2]future {
	t.Helper()
	body := Bytes(1, f.before)
	u := add(t, store, blobs.Upload{Key: newKey()}, body)
	var two [2]future
	var wg sync.WaitGroup
	for i := range two {
		more := Bytes(uint64(10+i), f.after)
		two[i].body = append(bytes.Clone(body), more...)
		grow := func() {
			next, err := store.Append(t.Context(), u, bytes.NewReader(more))
			if err != nil || next.Size != int64(len(two[i].body)) {
				t.Errorf("append: got size %d, error %v, want size %d", next.Size, err, len(two[i].body))
			}
			two[i].Upload = next
		}
		if atOnce {
			wg.Go(grow)
		} else {
			grow()
		}
	}
	wg.Wait()
	if t.Failed() {
		t.FailNow()
	}
	return two
}

// wantOne checks what came of completing both futures: no mixture, and for
// each whose Complete succeeded its own bytes, hence not both.
func wantOne(t *testing.T, store blobs.Store, two [2]future, errs [2]error) {
	t.Helper()
	for i, err := range errs {
		if err == nil {
			wantObject(t, store, two[i].Key, two[i].body)
			continue
		}
		wantLost(t, err)
	}
	if errs[0] != nil && errs[1] != nil {
		// Allowed: each may have spoiled the other. But then nothing is there.
		wantAbsent(t, store, two[0].Key, two[0].Size)
	}
}

func futures(t *testing.T, store blobs.Store) {
	for _, f := range forks {
		t.Run(f.String(), func(t *testing.T) {
			two := f.split(t, store, true)
			var errs [2]error
			for i := range two {
				errs[i] = store.Complete(t.Context(), two[i].Upload)
			}
			wantOne(t, store, two, errs)
			// Whatever came of it stays so.
			for i, was := range errs {
				if err := store.Complete(t.Context(), two[i].Upload); (err == nil) != (was == nil) {
					t.Errorf("complete again: got error %v, before %v", err, was)
				}
			}
		})
	}
}

func futuresAtOnce(t *testing.T, store blobs.Store) {
	for _, f := range forks {
		t.Run(f.String(), func(t *testing.T) {
			two := f.split(t, store, true)
			var errs [2]error
			var wg sync.WaitGroup
			for i := range two {
				wg.Go(func() { errs[i] = store.Complete(t.Context(), two[i].Upload) })
			}
			wg.Wait()
			wantOne(t, store, two, errs)
		})
	}
}

// futuresInTurn is a caller that lost the state which an Append returned, and
// sends again: this must work, or such an upload could never be finished.
func futuresInTurn(t *testing.T, store blobs.Store) {
	for _, f := range forks {
		t.Run(f.String(), func(t *testing.T) {
			two := f.split(t, store, false)
			complete(t, store, two[1].Upload)
			wantObject(t, store, two[1].Key, two[1].body)
			wantLost(t, store.Complete(t.Context(), two[0].Upload))
			wantObject(t, store, two[1].Key, two[1].body)
		})
	}
}

func ancestor(t *testing.T, store blobs.Store) {
	for _, f := range forks {
		t.Run(f.String(), func(t *testing.T) {
			body := Bytes(1, f.before+f.after)
			early := add(t, store, blobs.Upload{Key: newKey()}, body[:f.before])
			late := add(t, store, early, body[f.before:])
			err := store.Complete(t.Context(), early)
			if err == nil {
				wantObject(t, store, early.Key, body[:f.before])
				wantLost(t, store.Complete(t.Context(), late))
				complete(t, store, early)
				wantObject(t, store, early.Key, body[:f.before])
				return
			}
			wantLost(t, err)
			complete(t, store, late)
			wantObject(t, store, late.Key, body)
		})
	}
}

// futureContinued goes on with the future that came first, after a second one
// has begun: it may be lost, but if not it is whole.
func futureContinued(t *testing.T, store blobs.Store) {
	for _, f := range forks {
		t.Run(f.String(), func(t *testing.T) {
			two := f.split(t, store, false)
			more := Bytes(99, f.after)
			next, err := store.Append(t.Context(), two[0].Upload, bytes.NewReader(more))
			if err == nil {
				err = store.Complete(t.Context(), next)
			}
			if errors.Is(err, blobs.ErrUploadLost) {
				wantAbsent(t, store, next.Key, next.Size)
				return
			}
			if err != nil {
				t.Fatalf("go on with the first future: %v", err)
			}
			wantObject(t, store, next.Key, append(two[0].body, more...))
		})
	}
}

func abortsFutures(t *testing.T, store blobs.Store) {
	for _, f := range forks {
		t.Run(f.String(), func(t *testing.T) {
			two := f.split(t, store, false)
			abort(t, store, two[0].Upload)
			wantLost(t, store.Complete(t.Context(), two[1].Upload))
			wantDead(t, store, two[1].Upload)
		})
	}
}
