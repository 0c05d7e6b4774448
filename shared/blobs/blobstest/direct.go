package blobstest

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"net/http"
	"testing"
	"time"

	"github.com/berthregistry/berth/shared/blobs"
)

// RunDirect holds a store that clients send bytes to themselves to what
// blobs.Direct promises. The URLs must be reachable from the test. marked looks
// whether an object that is there has the mark, past the store.
func RunDirect(t *testing.T, open func(testing.TB) blobs.Store, marked func(t testing.TB, store blobs.Store, key string) bool) {
	rules := []rule{
		{"parts make the object", partsMakeObject},
		{"a part alone may have any size", partAlone},
		{"a part sent again replaces", partAgain},
		{"parts are listed in order and in pages", partsListed},
		{"parts run from 1 to 10,000", partNumbers},
		{"uploads of one key are apart", uploadsApart},
		{"parts of no upload are lost", partsOfNone},

		{"a part URL expires", partURLExpires},
		{"a part URL is for one part of one upload", partURLPlace},
		{"a part URL binds the checksum", partURLChecksum},
		{"a part URL binds the size", partURLSize},
		{"a part URL needs its headers", partURLHeaders},

		{"join can be done again", joinAgain},
		{"join can be done by many at once", joinAtOnce},
		{"join takes the parts it names or none", joinOthers},
		{"join does not replace", joinDoesNotReplace},
		{"joined parts are gone", joinedIsOver},
		{"abort gives up parts", abortsParts},
		{"abort gives up what was joined", abortsJoined},

		{"a marked URL makes the object", onMarked(writeURL)},
		{"a marked URL expires", onMarked(writeURLExpires)},
		{"a marked URL is for one method and key", onMarked(writeURLMethod)},
		{"a marked URL binds the checksum", onMarked(writeURLChecksum)},
		{"a marked URL binds the size", onMarked(writeURLSize)},
		{"a marked URL needs its headers", onMarked(writeURLHeaders)},
		{"a marked URL needs each of its headers", markedURLHeader},
		{"a marked URL does not replace", onMarked(writeURLTwice)},

		{"stat tells size and checked sum", stats},
		{"sum is that of the bytes", sums},
		{"a range is read from anywhere", readsAt},
		{"a cancelled context stops every call about parts", directCancelled},

		{"what clients send is marked until it is kept", marks(marked).kept},
		{"a sum leaves the mark as it is", marks(marked).summed},
		{"what is absent cannot be kept", keepAbsent},
	}
	for _, r := range rules {
		t.Run(r.name, func(t *testing.T) { r.hold(t, open(t)) })
	}
}

func direct(t testing.TB, store blobs.Store) blobs.Direct {
	t.Helper()
	d, ok := store.(blobs.Direct)
	if !ok {
		t.Fatalf("%T is not a Direct", store)
	}
	return d
}

// marking is a store whose URLs for writing are the marked ones, so that they
// are held to the same rules.
type marking struct {
	blobs.Store
	blobs.Direct
}

func (m marking) WriteURL(ctx context.Context, key string, size int64, sha256 []byte, valid time.Duration) (string, http.Header, error) {
	return m.MarkedURL(ctx, key, size, sha256, valid)
}

func onMarked(hold func(*testing.T, blobs.Store)) func(*testing.T, blobs.Store) {
	return func(t *testing.T, store blobs.Store) { hold(t, marking{store, direct(t, store)}) }
}

// markedAt sends an object that is one PUT.
func markedAt(t *testing.T, store blobs.Store, key string, body []byte) {
	t.Helper()
	at := writeAt(t, marking{store, direct(t, store)}, key, body, true, ample)
	if resp := at.put(t, body); resp.StatusCode/100 != 2 {
		t.Fatalf("PUT of %d bytes: got %s", len(body), resp.Status)
	}
}

func markedURLHeader(t *testing.T, store blobs.Store) {
	key, body := newKey(), []byte("abc")
	at := writeAt(t, marking{store, direct(t, store)}, key, body, true, ample)
	for name := range at.header {
		if name == "Content-Length" {
			continue // net/http sets it
		}
		less := written{at.url, at.header.Clone()}
		less.header.Del(name)
		wantRefused(t, less.put(t, body))
		wantAbsent(t, store, key, 3)
	}
}

func stats(t *testing.T, store blobs.Store) {
	d, key := direct(t, store), newKey()
	if _, _, err := d.Stat(t.Context(), key); !errors.Is(err, blobs.ErrAbsent) {
		t.Fatalf("stat of nothing: got error %v, want ErrAbsent", err)
	}
	for _, size := range []int{0, 1, part + 1} {
		key, body := newKey(), Bytes(1, size)
		markedAt(t, store, key, body)
		got, sum, err := d.Stat(t.Context(), key)
		if want := sha256.Sum256(body); got != int64(size) || err != nil || !bytes.Equal(sum, want[:]) {
			t.Errorf("stat: got %d bytes, sum %x, error %v, want %d, %x", got, sum, err, size, want)
		}
	}
	s := sendParts(t, store, newKey(), part, 10)
	s.join(t)
	if got, sum, err := d.Stat(t.Context(), s.key); got != part+10 || err != nil || sum != nil {
		t.Errorf("stat of parts: got %d bytes, sum %x, error %v, want %d and no sum", got, sum, err, part+10)
	}
	if err := store.Delete(t.Context(), s.key); err != nil {
		t.Fatal(err)
	}
	if _, _, err := d.Stat(t.Context(), s.key); !errors.Is(err, blobs.ErrAbsent) {
		t.Errorf("stat of what is deleted: got error %v, want ErrAbsent", err)
	}
}

// sums allows a store to know no sum, as long as it says none that is wrong.
func sums(t *testing.T, store blobs.Store) {
	d := direct(t, store)
	if _, err := d.Sum(t.Context(), newKey(), 3); !errors.Is(err, blobs.ErrAbsent) {
		t.Errorf("sum of nothing: got error %v, want ErrAbsent", err)
	}
	s := sendParts(t, store, newKey(), part, 10)
	s.join(t)
	whole := newKey()
	put(t, store, whole, s.body)
	for _, key := range []string{s.key, whole, s.key} {
		got, err := d.Sum(t.Context(), key, int64(len(s.body)))
		if want := sha256.Sum256(s.body); !errors.Is(err, blobs.ErrNoSum) && (err != nil || !bytes.Equal(got, want[:])) {
			t.Errorf("sum: got %x, error %v, want %x", got, err, want)
		}
		wantObject(t, store, key, s.body)
	}
	s.join(t) // Sum has left the object as it was joined
}

func readsAt(t *testing.T, store blobs.Store) {
	d, key, body := direct(t, store), newKey(), Bytes(1, 10_000)
	if err := d.ReadAt(t.Context(), key, make([]byte, 1), 0); !errors.Is(err, blobs.ErrAbsent) {
		t.Errorf("read of nothing: got error %v, want ErrAbsent", err)
	}
	put(t, store, key, body)
	for _, at := range []struct{ offset, length int }{{0, 1}, {9_999, 1}, {5_000, 5_000}, {10, 100}, {0, 10_000}} {
		got := make([]byte, at.length)
		if err := d.ReadAt(t.Context(), key, got, int64(at.offset)); err != nil || !bytes.Equal(got, body[at.offset:at.offset+at.length]) {
			t.Errorf("read %d bytes at %d: got error %v or other bytes", at.length, at.offset, err)
		}
	}
	for _, at := range []struct{ offset, length int }{{10_000, 1}, {9_999, 2}, {0, 10_001}, {20_000, 1}} {
		if err := d.ReadAt(t.Context(), key, make([]byte, at.length), int64(at.offset)); err == nil || errors.Is(err, blobs.ErrAbsent) {
			t.Errorf("read %d bytes at %d: got error %v, want one about the end", at.length, at.offset, err)
		}
	}
}

// marks is a look past the store.
type marks func(t testing.TB, store blobs.Store, key string) bool

func (m marks) want(t *testing.T, store blobs.Store, key string, want bool) {
	t.Helper()
	if got := m(t, store, key); got != want {
		t.Errorf("marked: got %t, want %t", got, want)
	}
}

func (m marks) kept(t *testing.T, store blobs.Store) {
	put, parts, written := newKey(), sendParts(t, store, newKey(), part, 10), newKey()
	markedAt(t, store, put, []byte("abc"))
	parts.join(t)
	for key, body := range map[string][]byte{put: []byte("abc"), parts.key: parts.body} {
		m.want(t, store, key, true)
		for range 2 {
			if err := direct(t, store).Keep(t.Context(), key); err != nil {
				t.Fatalf("keep: %v", err)
			}
			m.want(t, store, key, false)
		}
		wantObject(t, store, key, body)
	}
	// The registry's own writes never are, nor does it hurt to keep them.
	if resp := writeAt(t, store, written, []byte("abc"), true, ample).put(t, []byte("abc")); resp.StatusCode/100 != 2 {
		t.Fatalf("PUT: got %s", resp.Status)
	}
	m.want(t, store, written, false)
	if err := direct(t, store).Keep(t.Context(), written); err != nil {
		t.Errorf("keep what is not marked: %v", err)
	}
}

// summed is a run of a verification that comes late.
func (m marks) summed(t *testing.T, store blobs.Store) {
	d, s := direct(t, store), sendParts(t, store, newKey(), part, 10)
	s.join(t)
	for _, want := range []bool{true, false} {
		if _, err := d.Sum(t.Context(), s.key, int64(len(s.body))); err != nil && !errors.Is(err, blobs.ErrNoSum) {
			t.Fatalf("sum: %v", err)
		}
		m.want(t, store, s.key, want)
		if err := d.Keep(t.Context(), s.key); err != nil {
			t.Fatalf("keep: %v", err)
		}
	}
}

func keepAbsent(t *testing.T, store blobs.Store) {
	d, key := direct(t, store), newKey()
	if err := d.Keep(t.Context(), key); !errors.Is(err, blobs.ErrAbsent) {
		t.Errorf("keep nothing: got error %v, want ErrAbsent", err)
	}
	markedAt(t, store, key, []byte("abc"))
	if err := store.Delete(t.Context(), key); err != nil {
		t.Fatal(err)
	}
	if err := d.Keep(t.Context(), key); !errors.Is(err, blobs.ErrAbsent) {
		t.Errorf("keep what is deleted: got error %v, want ErrAbsent", err)
	}
	wantAbsent(t, store, key, 3)
}

func directCancelled(t *testing.T, store blobs.Store) {
	d, s := direct(t, store), sendParts(t, store, newKey(), part)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	calls := map[string]func() error{
		"begin parts": func() error { _, err := d.BeginParts(ctx, newKey()); return err },
		"parts":       func() error { _, _, err := d.Parts(ctx, s.key, s.id, 0); return err },
		"join":        func() error { return d.Join(ctx, s.key, s.id, s.parts(t)) },
		"stat":        func() error { _, _, err := d.Stat(ctx, s.key); return err },
		"sum":         func() error { _, err := d.Sum(ctx, s.key, part); return err },
		"read at":     func() error { return d.ReadAt(ctx, s.key, make([]byte, 1), 0) },
		"keep":        func() error { return d.Keep(ctx, s.key) },
	}
	for name, call := range calls {
		if err := call(); !errors.Is(err, context.Canceled) {
			t.Errorf("%s: got error %v, want %v", name, err, context.Canceled)
		}
	}
	s.join(t)
	wantObject(t, store, s.key, s.body)
}
