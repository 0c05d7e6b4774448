package blobstest

import (
	"bytes"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/berthregistry/berth/shared/blobs"
)

func put(t testing.TB, store blobs.Store, key string, body []byte) {
	t.Helper()
	if err := store.Put(t.Context(), key, body); err != nil {
		t.Fatalf("put %d bytes: %v", len(body), err)
	}
}

func putOpens(t *testing.T, store blobs.Store) {
	for i, size := range []int{0, 1, 300 << 10, part - 1, part, part + 1} {
		key, body := newKey(), Bytes(uint64(i), size)
		wantAbsent(t, store, key, int64(size))
		put(t, store, key, body)
		wantObject(t, store, key, body)
	}
}

// putAgain is what a caller does who could not tell whether a Put happened.
func putAgain(t *testing.T, store blobs.Store) {
	for _, size := range []int{0, 1000} {
		key, body := newKey(), Bytes(1, size)
		put(t, store, key, body)
		put(t, store, key, body)
		wantObject(t, store, key, body)
	}
}

func absent(t *testing.T, store blobs.Store) {
	for _, size := range []int64{0, 1, big} {
		wantAbsent(t, store, newKey(), size)
	}
}

func seeks(t *testing.T, store blobs.Store) {
	key, body := newKey(), Bytes(1, 10_000)
	put(t, store, key, body)
	r, err := store.Open(t.Context(), key, int64(len(body)))
	if err != nil {
		t.Fatalf("open: %v", err)
	}
	defer r.Close()
	// The standard library's own idea of what a reader and seeker does.
	if err := iotest.TestReader(r, body); err != nil {
		t.Error(err)
	}
	for _, at := range []struct{ offset, length int }{{0, 1}, {9_999, 1}, {5_000, 5_000}, {10, 100}, {10, 0}, {0, 10_000}} {
		wantRange(t, r, body, at.offset, at.length)
	}
	if _, err := r.Seek(-1, io.SeekStart); err == nil {
		t.Error("seek before the start: got no error")
	}
}

func wantRange(t *testing.T, r io.ReadSeeker, body []byte, offset, length int) {
	t.Helper()
	if pos, err := r.Seek(int64(offset-len(body)), io.SeekEnd); err != nil || pos != int64(offset) {
		t.Fatalf("seek to %d: got %d, error %v", offset, pos, err)
	}
	got := make([]byte, length)
	if _, err := io.ReadFull(r, got); err != nil {
		t.Fatalf("read %d bytes at %d: %v", length, offset, err)
	}
	if !bytes.Equal(got, body[offset:offset+length]) {
		t.Fatalf("read %d bytes at %d: got other bytes", length, offset)
	}
}

func deletes(t *testing.T, store blobs.Store) {
	key, body := newKey(), Bytes(1, 1000)
	put(t, store, key, body)
	for range 2 {
		if err := store.Delete(t.Context(), key); err != nil {
			t.Fatalf("delete: %v", err)
		}
		wantAbsent(t, store, key, int64(len(body)))
	}
}

func keysApart(t *testing.T, store blobs.Store) {
	base := newKey()
	// 512 bytes, the longest key there is.
	long := base + strings.Repeat("/"+strings.Repeat("k", 60), 7)
	long += "/" + strings.Repeat("z", 511-len(long))
	keys := []string{base + "/a", base + "/ab", base + "/a-b", base + "/0/a", base + "-/a", base + "/b/a/c", long}
	for i, key := range keys {
		if i%2 == 0 {
			put(t, store, key, []byte(key))
			continue
		}
		complete(t, store, add(t, store, blobs.Upload{Key: key}, []byte(key)))
	}
	for len(keys) > 0 {
		for _, key := range keys {
			wantObject(t, store, key, []byte(key))
		}
		gone := keys[0]
		if err := store.Delete(t.Context(), gone); err != nil {
			t.Fatalf("delete %q: %v", gone, err)
		}
		wantAbsent(t, store, gone, int64(len(gone)))
		keys = slices.Delete(keys, 0, 1)
	}
}

// describe names a table entry of byte counts.
func describe(sizes []int) string {
	if len(sizes) > 4 {
		return fmt.Sprintf("%d times %d", len(sizes), sizes[0])
	}
	return strings.Trim(fmt.Sprint(sizes), "[]")
}
