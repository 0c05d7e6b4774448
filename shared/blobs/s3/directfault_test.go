package s3_test

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/berthregistry/berth/shared/blobs"
	"github.com/berthregistry/berth/shared/blobs/blobstest"
	"github.com/berthregistry/berth/shared/blobs/s3"
	"github.com/berthregistry/berth/shared/blobs/s3/s3test"
)

// TestDirectFaults fails each operation that is about what clients send as
// TestFaults does, and looks that nothing is left but what has its rule.
func TestDirectFaults(t *testing.T) {
	for _, op := range []string{createUpload, listParts, completeUpload, headObject, copyObject, getObject, deleteTagging} {
		for _, f := range []fault{slowDown, reset, dropped} {
			for _, n := range []int{1, attempts} {
				t.Run(fmt.Sprintf("%s %s, %d times", op, f, n), func(t *testing.T) {
					p, store := throughProxy(t)
					judge, left := failing(op, f, n)
					p.set(judge)
					story{t, store, n >= attempts}.tellDirect()
					if left() != 0 {
						t.Errorf("the fault was met %d times of %d", n-left(), n)
					}
				})
			}
		}
	}
}

func (s story) tellDirect() {
	bodies := [][]byte{blobstest.Bytes(1, part), blobstest.Bytes(2, 100)}
	whole := bytes.Join(bodies, nil)
	want := sha256.Sum256(whole)
	var id string
	var parts []blobs.Part
	s.do("begin", func() (err error) { id, err = s.store.BeginParts(s.Context(), "a"); return err })
	sendInto(s.T, s.store, "a", id, bodies...)
	s.do("parts", func() (err error) { parts, _, err = s.store.Parts(s.Context(), "a", id, 0); return err })
	for range 2 {
		s.do("join", func() error { return s.store.Join(s.Context(), "a", id, parts) })
	}
	s.do("stat", func() error {
		size, _, err := s.store.Stat(s.Context(), "a")
		if err == nil && size != int64(len(whole)) {
			s.Errorf("stat: got %d bytes, want %d", size, len(whole))
		}
		return err
	})
	s.do("sum", func() error {
		got, err := s.store.Sum(s.Context(), "a", int64(len(whole)))
		if err == nil && !bytes.Equal(got, want[:]) {
			s.Errorf("sum: got %x, want %x", got, want)
		}
		return err
	})
	s.do("read", func() error {
		got := make([]byte, 550)
		err := s.store.ReadAt(s.Context(), "a", got, part-500)
		if err == nil && !bytes.Equal(got, whole[part-500:part+50]) {
			s.Error("read: got other bytes")
		}
		return err
	})
	for range 2 {
		s.do("keep", func() error { return s.store.Keep(s.Context(), "a") })
	}
	s.wantObject("a", whole)
}

// TestSumLeavesNothing: what Sum makes on the way is gone when it returns,
// whatever came of it.
func TestSumLeavesNothing(t *testing.T) {
	for _, f := range []fault{none, slowDown, dropped} {
		p, s := newProxy(t, testService(t))
		prefix := newPrefix()
		s.cleanUp(t, prefix)
		store := s3.New(s.hasty(), s.bucket, prefix)
		if err := store.Put(t.Context(), "a", []byte("abc")); err != nil {
			t.Fatal(err)
		}
		judge, _ := failing(copyObject, f, -1)
		p.set(judge)
		if _, err := store.Sum(t.Context(), "a", 3); (err == nil) != (f == none) {
			t.Errorf("sum, %s: got error %v", f, err)
		}
		left, err := s3test.NewBucket(s.client(), s.bucket, prefix).Entries(t.Context())
		if err != nil || len(left) != 1 || left[0].Key != "object/a" {
			t.Errorf("sum, %s: left %v, error %v, want the object alone", f, left, err)
		}
	}
}

// TestDirectRequests pins what each call about what clients send costs.
func TestDirectRequests(t *testing.T) {
	p, store := throughProxy(t)
	ctx := t.Context()
	var id string
	var parts []blobs.Part
	sum := make([]byte, sha256.Size)
	for _, step := range []struct {
		name string
		do   func() error
		want string
	}{
		{"begin", func() (err error) { id, err = store.BeginParts(ctx, "a"); return err }, createUpload},
		{"sign a part", func() error {
			_, _, err := store.PartURL(ctx, "a", id, blobs.Part{Number: 1, Size: 3, SHA256: sum}, time.Minute)
			return err
		}, ""},
		{"sign an object", func() error { _, _, err := store.MarkedURL(ctx, "a", 3, sum, time.Minute); return err }, ""},
		{"send", func() error { sendInto(t, store, "a", id, []byte("abc")); return nil }, uploadPart},
		{"parts", func() (err error) { parts, _, err = store.Parts(ctx, "a", id, 0); return err }, listParts},
		{"join", func() error { return store.Join(ctx, "a", id, parts) }, completeUpload},
		{"join again", func() error { return store.Join(ctx, "a", id, parts) }, completeUpload + " " + headObject},
		{"stat", func() error { _, _, err := store.Stat(ctx, "a"); return err }, headObject},
		{"sum", func() error { _, err := store.Sum(ctx, "a", 3); return err }, copyObject + " " + deleteObjects},
		{"read at", func() error { return store.ReadAt(ctx, "a", make([]byte, 2), 1) }, getObject},
		{"keep", func() error { return store.Keep(ctx, "a") }, deleteTagging},
	} {
		if err := step.do(); err != nil {
			t.Fatalf("%s: %v", step.name, err)
		}
		if got := p.take(); got != step.want {
			t.Errorf("%s: got requests %q, want %q", step.name, got, step.want)
		}
	}
}

// TestReadAtResumes cuts answers midway, which is mended, and before anything
// has come, which is an error.
func TestReadAtResumes(t *testing.T) {
	p, store := throughProxy(t)
	body := blobstest.Bytes(1, 1<<20)
	if err := store.Put(t.Context(), "a", body); err != nil {
		t.Fatal(err)
	}
	p.take()
	judge, _ := failing(getObject, cut, 2)
	p.set(judge)
	got := make([]byte, len(body)-20)
	if err := store.ReadAt(t.Context(), "a", got, 10); err != nil || !bytes.Equal(got, body[10:len(body)-10]) {
		t.Errorf("read: got error %v or other bytes", err)
	}
	if got, want := p.take(), getObject+" "+getObject+" "+getObject; got != want {
		t.Errorf("requests: got %q, want %q", got, want)
	}
	judge, _ = failing(getObject, cutAtOnce, -1)
	p.set(judge)
	if err := store.ReadAt(t.Context(), "a", got, 10); err == nil || errors.Is(err, blobs.ErrAbsent) {
		t.Errorf("read through a dead connection: got error %v", err)
	}
}

// TestDirectHeaders looks at what makes uploads of clients safe.
func TestDirectHeaders(t *testing.T) {
	p, store := throughProxy(t)
	p.watch(func(op string, r *http.Request) {
		for name, want := range map[string]map[string]string{
			createUpload:   {"X-Amz-Tagging": "berth=unverified", "X-Amz-Checksum-Algorithm": "SHA256", "X-Amz-Checksum-Type": "COMPOSITE"},
			completeUpload: {"If-None-Match": "*", "X-Amz-Mp-Object-Size": "3"},
			copyObject:     {"X-Amz-Tagging-Directive": "REPLACE", "X-Amz-Tagging": "", "X-Amz-Checksum-Algorithm": "SHA256"},
			getObject:      {"Range": "bytes=1-2"},
		}[op] {
			if got := r.Header.Get(name); got != want {
				t.Errorf("%s: %s is %q, want %q", op, name, got, want)
			}
		}
	})
	id := sendParts(t, store, "a", []byte("abc"))
	parts, _, err := store.Parts(t.Context(), "a", id, 0)
	if err == nil {
		err = store.Join(t.Context(), "a", id, parts)
	}
	if err == nil {
		_, err = store.Sum(t.Context(), "a", 3)
	}
	if err == nil {
		err = store.ReadAt(t.Context(), "a", make([]byte, 2), 1)
	}
	if err != nil {
		t.Fatal(err)
	}
}
