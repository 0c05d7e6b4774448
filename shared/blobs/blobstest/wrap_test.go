package blobstest_test

import (
	"bytes"
	"context"
	"crypto/sha256"
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
	if d, ok := store.(blobs.Direct); ok {
		maps.Copy(errs, directCalls(ctx, d))
	}
	return errs
}

// directCalls makes one call of every kind that is about bytes of clients. Where
// all is well the part that is joined is there, see sending.
func directCalls(ctx context.Context, d blobs.Direct) map[blobstest.Kind]error {
	errs := map[blobstest.Kind]error{}
	id, err := d.BeginParts(ctx, "parts")
	errs[blobstest.BeginParts] = err
	sum := sha256.Sum256([]byte("abc"))
	_, _, errs[blobstest.PartURL] = d.PartURL(ctx, "parts", id, blobs.Part{Number: 1, Size: 3, SHA256: sum[:]}, time.Minute)
	_, _, errs[blobstest.MarkedURL] = d.MarkedURL(ctx, "marked", 3, sum[:], time.Minute)
	parts, _, err := d.Parts(ctx, "parts", id, 0)
	errs[blobstest.Parts] = err
	errs[blobstest.Join] = d.Join(ctx, "parts", id, parts)
	_, _, errs[blobstest.Stat] = d.Stat(ctx, "parts")
	_, errs[blobstest.Sum] = d.Sum(ctx, "parts", 3)
	errs[blobstest.ReadAt] = d.ReadAt(ctx, "parts", make([]byte, 3), 0)
	errs[blobstest.Keep] = d.Keep(ctx, "parts")
	return errs
}

// sending is a store whose clients send a part as soon as they have its URL.
type sending struct {
	*blobstest.Memory
}

func newSending() sending { return sending{blobstest.NewMemory(blobstest.MemoryOptions{})} }

func (s sending) PartURL(ctx context.Context, key, id string, p blobs.Part, valid time.Duration) (string, http.Header, error) {
	url, header, err := s.Memory.PartURL(ctx, key, id, p, valid)
	if err == nil {
		err = s.Send(url, header, []byte("abc"))
	}
	return url, header, err
}

func TestCountingCountsEveryKind(t *testing.T) {
	for name, c := range map[string]struct {
		store blobs.Store
		kinds int
	}{"store": {open(t), 6}, "locator": {located{open(t)}, 8}, "direct": {newSending(), 17}} {
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

func TestWrappersPassDirectThrough(t *testing.T) {
	plain, _ := blobstest.Counting(located{open(t)})
	if _, ok := plain.(blobs.Direct); ok {
		t.Error("wrapped Locator is a Direct, though the store is none")
	}
	store, _ := blobstest.Counting(newSending())
	d, ok := store.(blobs.Direct)
	if !ok {
		t.Fatal("wrapped Direct is none")
	}
	for kind, err := range directCalls(t.Context(), d) {
		if err != nil {
			t.Errorf("%s: %v", kind, err)
		}
	}
	sum := sha256.Sum256([]byte("abc"))
	if size, _, err := d.Stat(t.Context(), "parts"); size != 3 || err != nil {
		t.Errorf("stat: got size %d, error %v, want 3", size, err)
	}
	if got, err := d.Sum(t.Context(), "parts", 3); !bytes.Equal(got, sum[:]) || err != nil {
		t.Errorf("sum: got %x, error %v, want %x", got, err, sum)
	}
}

func TestFaultBefore(t *testing.T) {
	inner, calls := blobstest.Counting(newSending())
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
	memory := newSending()
	inner, calls := blobstest.Counting(memory)
	store := blobstest.Faulty(inner, func(blobstest.Call) blobstest.Fault { return blobstest.FailAfter(errFault) })
	for kind, err := range allCalls(t.Context(), store) {
		if !errors.Is(err, errFault) {
			t.Errorf("%s: got error %v, want the fault", kind, err)
		}
	}
	if got := calls.Take(); len(got) != 17 {
		t.Errorf("calls that came through: got %v, want all 17", got)
	}
	if got := memory.Uploads(); len(got) != 1 {
		t.Errorf("uploads whose ids are lost: got %v, want 1", got)
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
