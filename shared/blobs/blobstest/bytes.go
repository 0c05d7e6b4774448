package blobstest

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/binary"
	"encoding/hex"
	"errors"
	mathrand "math/rand/v2"
	"testing"

	"github.com/berthregistry/berth/shared/blobs"
)

// maxState is the bound that the port sets on Upload.State.
const maxState = 300 << 10

// Bytes returns n bytes that look random and are the same for the same seed,
// so that a test can say what an object holds without having kept it.
func Bytes(seed uint64, n int) []byte {
	var key [32]byte
	binary.LittleEndian.PutUint64(key[:], seed)
	body := make([]byte, n)
	mathrand.NewChaCha8(key).Read(body) // never fails
	return body
}

// newKey returns a key that no test has used, for stores that outlive a test.
func newKey() string {
	var id [12]byte
	rand.Read(id[:]) // never fails
	return "contract/" + hex.EncodeToString(id[:])
}

// contents opens and reads a whole object.
func contents(ctx context.Context, store blobs.Store, key string, size int64) ([]byte, error) {
	r, err := store.Open(ctx, key, size)
	if err != nil {
		return nil, err
	}
	body := bytes.NewBuffer(make([]byte, 0, size+bytes.MinRead))
	_, err = body.ReadFrom(r)
	return body.Bytes(), errors.Join(err, r.Close())
}

func wantObject(t testing.TB, store blobs.Store, key string, want []byte) {
	t.Helper()
	got, err := contents(t.Context(), store, key, int64(len(want)))
	if err != nil {
		t.Fatalf("read object: %v", err)
	}
	if !bytes.Equal(got, want) {
		t.Fatalf("object differs: got %d bytes, want %d, same up to %d", len(got), len(want), common(got, want))
	}
}

// wantAbsent checks that an object of that size is not there. A store may say
// so as late as at the first Read.
func wantAbsent(t testing.TB, store blobs.Store, key string, size int64) {
	t.Helper()
	_, err := contents(t.Context(), store, key, size)
	if !errors.Is(err, blobs.ErrAbsent) {
		t.Fatalf("read object: got error %v, want ErrAbsent", err)
	}
}

// common is the length of the longest prefix that a and b share.
func common(a, b []byte) int {
	n := min(len(a), len(b))
	for i := range n {
		if a[i] != b[i] {
			return i
		}
	}
	return n
}

// add appends body, all of it, and checks what the contract says of the state.
func add(t testing.TB, store blobs.Store, u blobs.Upload, body []byte) blobs.Upload {
	t.Helper()
	next, err := store.Append(t.Context(), u, bytes.NewReader(body))
	if err != nil {
		t.Fatalf("append %d bytes at %d: %v", len(body), u.Size, err)
	}
	if want := u.Size + int64(len(body)); next.Size != want {
		t.Fatalf("append %d bytes at %d: got size %d, want %d", len(body), u.Size, next.Size, want)
	}
	wantState(t, u, next)
	return next
}

func wantState(t testing.TB, u, next blobs.Upload) {
	t.Helper()
	if next.Key != u.Key {
		t.Fatalf("append: got key %q, want %q", next.Key, u.Key)
	}
	if len(next.State) > maxState {
		t.Fatalf("append: state has %d bytes, more than %d", len(next.State), maxState)
	}
	if next.Size == u.Size && !bytes.Equal(next.State, u.State) {
		t.Fatalf("append: nothing was added, yet the state changed")
	}
}

func complete(t testing.TB, store blobs.Store, u blobs.Upload) {
	t.Helper()
	if err := store.Complete(t.Context(), u); err != nil {
		t.Fatalf("complete %d bytes: %v", u.Size, err)
	}
}

func wantLost(t testing.TB, err error) {
	t.Helper()
	if !errors.Is(err, blobs.ErrUploadLost) {
		t.Fatalf("got error %v, want ErrUploadLost", err)
	}
}
