package s3_test

import (
	"bytes"
	"errors"
	"fmt"
	"net/http"
	"testing"

	"github.com/berthregistry/berth/shared/blobs"
	"github.com/berthregistry/berth/shared/blobs/blobstest"
	"github.com/berthregistry/berth/shared/blobs/s3"
)

// attempts is how often the SDK tries, and so what it takes to have a call of
// the store fail.
const attempts = 3

// TestFaults fails each operation in each way: once, which the SDK mends so
// that nobody notices, and until the call fails, which the caller mends by
// going on from the state that it was given.
func TestFaults(t *testing.T) {
	operations := []string{
		putObject, getObject, headObject, deleteObject, deleteObjects, createUpload, uploadPart,
		uploadPartCopy, completeUpload, abortUpload, listUploads, listObjects,
	}
	for _, op := range operations {
		for _, f := range []fault{slowDown, reset, dropped} {
			for _, n := range []int{1, attempts} {
				t.Run(fmt.Sprintf("%s %s, %d times", op, f, n), func(t *testing.T) {
					p, store := throughProxy(t)
					judge, left := failing(op, f, n)
					p.set(judge)
					story{t, store, n >= attempts}.tell()
					if left() != 0 {
						t.Errorf("the fault was met %d times of %d", n-left(), n)
					}
				})
			}
		}
	}
}

// TestGap loses one part of several, while those after it arrive: what counts
// is what comes before the gap.
func TestGap(t *testing.T) {
	for lost := range 3 {
		t.Run(fmt.Sprintf("part %d", lost+1), func(t *testing.T) {
			p, store := throughProxy(t, s3.WithPartSize(part))
			body := blobstest.Bytes(1, 3*part+200)
			u := add(t, store, blobs.Upload{Key: "a"}, body[:100])
			p.set(func(r *http.Request) fault {
				if operation(r) == uploadPart && r.URL.Query().Get("partNumber") == fmt.Sprint(lost+1) {
					return reset
				}
				return none
			})
			next, err := store.Append(t.Context(), u, bytes.NewReader(body[u.Size:]))
			if want := max(u.Size, int64(lost*part)); err == nil || next.Size != want {
				t.Fatalf("append: got size %d, error %v, want %d and an error", next.Size, err, want)
			}
			p.set(nil)
			next = add(t, store, next, body[next.Size:])
			if err := store.Complete(t.Context(), next); err != nil {
				t.Fatal(err)
			}
			wantObject(t, store, "a", body)
		})
	}
}

// A story is what may happen to a store, in an order in which every operation
// occurs. If patient, its caller does again what has failed.
type story struct {
	*testing.T
	store   *s3.Store
	patient bool
}

func (s story) tell() {
	body := blobstest.Bytes(1, 2*part)
	s.do("put", func() error { return s.store.Put(s.Context(), "a", body[:100]) })

	large := blobs.Upload{Key: "large"}
	large = s.append(large, body[:100])
	large = s.append(large, body[:part+200])
	large = s.append(large, body[:part+400])
	for range 2 {
		s.do("complete", func() error { return s.store.Complete(s.Context(), large) })
		s.wantObject("large", body[:part+400])
	}

	small := s.append(blobs.Upload{Key: "small"}, body[:300])
	for range 2 {
		s.do("complete", func() error { return s.store.Complete(s.Context(), small) })
		s.wantObject("small", body[:300])
	}

	gone := s.append(blobs.Upload{Key: "gone"}, body[:part])
	s.do("abort", func() error { return s.store.Abort(s.Context(), gone) })
	s.do("complete what is aborted", func() error {
		if err := s.store.Complete(s.Context(), gone); err == nil {
			s.Error("complete what is aborted: got no error")
		} else if !errors.Is(err, blobs.ErrUploadLost) {
			return err
		}
		return nil
	})

	s.wantObject("a", body[:100])
	s.do("delete", func() error { return s.store.Delete(s.Context(), "a") })
	s.do("open what is deleted", func() error {
		if _, err := contents(s.T, s.store, "a", 100); !errors.Is(err, blobs.ErrAbsent) {
			return fmt.Errorf("got error %w, want ErrAbsent", err)
		}
		return nil
	})
}

// do does something, again if that is allowed.
func (s story) do(what string, call func() error) {
	s.Helper()
	err := call()
	for tries := 1; err != nil && s.patient && tries < 3; tries++ {
		err = call()
	}
	if err != nil {
		s.Fatalf("%s: %v", what, err)
	}
}

// append brings an upload to where it holds body, from whichever state a
// failure leaves.
func (s story) append(u blobs.Upload, body []byte) blobs.Upload {
	s.Helper()
	s.do("append", func() error {
		next, err := s.store.Append(s.Context(), u, bytes.NewReader(body[u.Size:]))
		if next.Size < u.Size || next.Size > int64(len(body)) || next.Key != u.Key {
			s.Fatalf("append at %d: got size %d", u.Size, next.Size)
		}
		if next.Size == u.Size && !bytes.Equal(next.State, u.State) {
			s.Fatalf("append at %d: nothing was added, yet the state changed", u.Size)
		}
		u = next
		return err
	})
	return u
}

func (s story) wantObject(key string, want []byte) {
	s.Helper()
	s.do("read", func() error {
		got, err := contents(s.T, s.store, key, len(want))
		if err == nil && !bytes.Equal(got, want) {
			s.Fatalf("object %s: got %d other bytes, want %d", key, len(got), len(want))
		}
		return err
	})
}
