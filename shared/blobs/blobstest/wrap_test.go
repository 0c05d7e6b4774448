package blobstest_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"maps"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/berthregistry/berth/shared/blobs"
	"github.com/berthregistry/berth/shared/blobs/blobstest"
	"github.com/berthregistry/berth/shared/blobs/local"
)

var errFault = errors.New("the fault")

func open(t testing.TB) blobs.Store {
	t.Helper()
	store, err := local.Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	return store
}

// TestWrappersKeepTheContract: who only counts or proceeds changes nothing.
func TestWrappersKeepTheContract(t *testing.T) {
	blobstest.Run(t, func(t testing.TB) blobs.Store {
		store, _ := blobstest.Counting(open(t))
		return store
	})
}

// located is a store that gives URLs nobody serves.
type located struct{ blobs.Store }

func (located) ReadURL(_ context.Context, key, method string, _ time.Duration) (string, error) {
	return method + " " + key, nil
}

func (located) WriteURL(_ context.Context, key string, _ int64, _ []byte, _ time.Duration) (string, http.Header, error) {
	return "PUT " + key, http.Header{"A": {"b"}}, nil
}

// allCalls makes one call of every kind and returns their errors.
func allCalls(ctx context.Context, store blobs.Store) map[blobstest.Kind]error {
	errs := map[blobstest.Kind]error{}
	errs[blobstest.Put] = store.Put(ctx, "put", []byte("abc"))
	r, err := store.Open(ctx, "put", 3)
	if errs[blobstest.Open] = err; err == nil {
		r.Close()
	}
	u, err := store.Append(ctx, blobs.Upload{Key: "upload"}, strings.NewReader("abc"))
	errs[blobstest.Append] = err
	errs[blobstest.Complete] = store.Complete(ctx, u)
	errs[blobstest.Abort] = store.Abort(ctx, u)
	errs[blobstest.Delete] = store.Delete(ctx, "put")
	if l, ok := store.(blobs.Locator); ok {
		_, errs[blobstest.ReadURL] = l.ReadURL(ctx, "put", http.MethodGet, time.Minute)
		_, _, errs[blobstest.WriteURL] = l.WriteURL(ctx, "put", 3, nil, time.Minute)
	}
	return errs
}

func TestCountingCountsEveryKind(t *testing.T) {
	for name, c := range map[string]struct {
		store blobs.Store
		kinds int
	}{"store": {open(t), 6}, "locator": {located{open(t)}, 8}} {
		t.Run(name, func(t *testing.T) {
			store, calls := blobstest.Counting(c.store)
			want := map[blobstest.Kind]int{}
			for range 2 {
				for kind, err := range allCalls(t.Context(), store) {
					if err != nil {
						t.Errorf("%s: %v", kind, err)
					}
					want[kind]++
				}
			}
			if got := calls.Take(); !maps.Equal(got, want) || len(want) != c.kinds {
				t.Errorf("calls: got %v, want %v of %d kinds", got, want, c.kinds)
			}
			if got := calls.Take(); len(got) != 0 {
				t.Errorf("calls after take: got %v, want none", got)
			}
		})
	}
}

func TestCountingTogether(t *testing.T) {
	store, calls := blobstest.Counting(open(t))
	var wg sync.WaitGroup
	for range 16 {
		wg.Go(func() { store.Delete(t.Context(), "a") })
	}
	wg.Wait()
	if got := calls.Take()[blobstest.Delete]; got != 16 {
		t.Errorf("deletes: got %d, want 16", got)
	}
}

func TestWrappersPassLocatorThrough(t *testing.T) {
	plain, _ := blobstest.Counting(open(t))
	if _, ok := plain.(blobs.Locator); ok {
		t.Error("wrapped store is a Locator, though the store is none")
	}
	wrapped, _ := blobstest.Counting(located{open(t)})
	l, ok := wrapped.(blobs.Locator)
	if !ok {
		t.Fatal("wrapped Locator is none")
	}
	if got, err := l.ReadURL(t.Context(), "a", http.MethodHead, time.Minute); got != "HEAD a" || err != nil {
		t.Errorf("read url: got %q, error %v", got, err)
	}
	got, header, err := l.WriteURL(t.Context(), "a", 1, nil, time.Minute)
	if got != "PUT a" || header.Get("A") != "b" || err != nil {
		t.Errorf("write url: got %q, header %v, error %v", got, header, err)
	}
}

func TestFaultBefore(t *testing.T) {
	inner, calls := blobstest.Counting(located{open(t)})
	store := blobstest.Faulty(inner, func(blobstest.Call) blobstest.Fault { return blobstest.FailBefore(errFault) })
	for kind, err := range allCalls(t.Context(), store) {
		if !errors.Is(err, errFault) {
			t.Errorf("%s: got error %v, want the fault", kind, err)
		}
	}
	if got := calls.Take(); len(got) != 0 {
		t.Errorf("calls that came through: got %v, want none", got)
	}
}

// TestFaultAfter: all happened, and nobody was told.
func TestFaultAfter(t *testing.T) {
	inner, calls := blobstest.Counting(located{open(t)})
	store := blobstest.Faulty(inner, func(blobstest.Call) blobstest.Fault { return blobstest.FailAfter(errFault) })
	for kind, err := range allCalls(t.Context(), store) {
		if !errors.Is(err, errFault) {
			t.Errorf("%s: got error %v, want the fault", kind, err)
		}
	}
	if got := calls.Take(); len(got) != 8 {
		t.Errorf("calls that came through: got %v, want all 8", got)
	}
	u := blobs.Upload{Key: "a"}
	next, _ := store.Append(t.Context(), u, strings.NewReader("abc"))
	if next.Size != 0 || next.State != nil {
		t.Errorf("append whose answer is lost: got size %d, want the state before", next.Size)
	}
	if err := store.Put(t.Context(), "b", []byte("abc")); err == nil {
		t.Error("put: got no error")
	}
	if r, err := inner.Open(t.Context(), "b", 3); err != nil {
		t.Errorf("put whose answer is lost: %v", err)
	} else {
		r.Close()
	}
}

func TestFaultChoosesCalls(t *testing.T) {
	store := blobstest.Faulty(open(t), func(c blobstest.Call) blobstest.Fault {
		if c.Kind == blobstest.Put && c.Key == "b" {
			return blobstest.FailBefore(errFault)
		}
		return blobstest.Proceed()
	})
	if err := store.Put(t.Context(), "a", nil); err != nil {
		t.Errorf("put a: %v", err)
	}
	if err := store.Put(t.Context(), "b", nil); !errors.Is(err, errFault) {
		t.Errorf("put b: got error %v, want the fault", err)
	}
}

func TestCutAppend(t *testing.T) {
	cut := true
	store := blobstest.Faulty(open(t), func(c blobstest.Call) blobstest.Fault {
		if cut && c.Kind == blobstest.Append {
			return blobstest.CutAppend(4, errFault)
		}
		return blobstest.Proceed()
	})
	body := []byte("0123456789")
	u, err := store.Append(t.Context(), blobs.Upload{Key: "a"}, bytes.NewReader(body))
	if !errors.Is(err, errFault) || u.Size != 4 {
		t.Fatalf("append: got size %d, error %v, want 4 and the fault", u.Size, err)
	}
	cut = false
	if u, err = store.Append(t.Context(), u, bytes.NewReader(body[4:])); err == nil {
		err = store.Complete(t.Context(), u)
	}
	if err != nil {
		t.Fatal(err)
	}
	r, err := store.Open(t.Context(), "a", 10)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if got, err := io.ReadAll(r); err != nil || !bytes.Equal(got, body) {
		t.Errorf("object: got %q, error %v, want %q", got, err, body)
	}
}
