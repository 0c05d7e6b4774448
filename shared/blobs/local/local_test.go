package local_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/berthregistry/berth/shared/blobs"
	"github.com/berthregistry/berth/shared/blobs/blobstest"
	"github.com/berthregistry/berth/shared/blobs/local"
)

func open(t testing.TB) blobs.Store { return openIn(t, t.TempDir()) }

func openIn(t testing.TB, dir string) *local.Store {
	t.Helper()
	store, err := local.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	return store
}

func TestContract(t *testing.T) { blobstest.Run(t, open) }

// TestOpenReturnsFile guards the way on which net/http sends a file without
// reading it.
func TestOpenReturnsFile(t *testing.T) {
	store := openIn(t, t.TempDir())
	if err := store.Put(t.Context(), "a", []byte("abc")); err != nil {
		t.Fatal(err)
	}
	r, err := store.Open(t.Context(), "a", 3)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if _, ok := r.(*os.File); !ok {
		t.Errorf("open: got a %T, want an *os.File", r)
	}
}

func TestKeysOutsideAreRefused(t *testing.T) {
	dir := t.TempDir()
	store := openIn(t, dir)
	secret := filepath.Join(dir, "secret")
	if err := os.WriteFile(secret, []byte("abc"), 0o600); err != nil {
		t.Fatal(err)
	}
	ctx := t.Context()
	for _, key := range []string{"", ".", "..", "../secret", "a/../../secret", "/a", "a/", "a//b", "a\x00b", "A", "a.b", "a+b", strings.Repeat("a", 513)} {
		u := blobs.Upload{Key: key}
		if _, err := store.Open(ctx, key, 3); err == nil {
			t.Errorf("open %q: got no error", key)
		}
		_, appendErr := store.Append(ctx, u, strings.NewReader("abc"))
		for call, err := range map[string]error{
			"put": store.Put(ctx, key, []byte("xyz")), "append": appendErr, "complete": store.Complete(ctx, u),
			"abort": store.Abort(ctx, u), "delete": store.Delete(ctx, key),
		} {
			if err == nil {
				t.Errorf("%s %q: got no error", call, key)
			}
		}
	}
	if got, err := os.ReadFile(secret); err != nil || string(got) != "abc" {
		t.Errorf("file outside: got %q, error %v", got, err)
	}
}

func TestStateOfOthersIsRefused(t *testing.T) {
	store := openIn(t, t.TempDir())
	mine := add(t, store, blobs.Upload{Key: "mine"}, "abc")
	for _, state := range []string{"x", "../../../etc/passwd", strings.Repeat("0", 32), string(mine.State)} {
		u := blobs.Upload{Key: "other", Size: 3, State: []byte(state)}
		if _, err := store.Append(t.Context(), u, strings.NewReader("def")); !errors.Is(err, blobs.ErrUploadLost) {
			t.Errorf("append to %q: got error %v, want ErrUploadLost", state, err)
		}
		if err := store.Complete(t.Context(), u); !errors.Is(err, blobs.ErrUploadLost) {
			t.Errorf("complete %q: got error %v, want ErrUploadLost", state, err)
		}
	}
}

// TestLongSegment has a key whose only segment is longer than a file name.
func TestLongSegment(t *testing.T) {
	store := openIn(t, t.TempDir())
	for _, key := range []string{strings.Repeat("k", 512), strings.Repeat("k", 200), strings.Repeat("k", 201), strings.Repeat("k", 400)} {
		if err := store.Complete(t.Context(), add(t, store, blobs.Upload{Key: key}, key)); err != nil {
			t.Fatal(err)
		}
	}
	for _, n := range []int{200, 201, 400, 512} {
		key := strings.Repeat("k", n)
		wantObject(t, store, key, []byte(key))
	}
}

// TestTruncatedUploadIsLost: a file system that lost bytes after all must not
// have them filled with others.
func TestTruncatedUploadIsLost(t *testing.T) {
	dir := t.TempDir()
	store := openIn(t, dir)
	u := add(t, store, blobs.Upload{Key: "a"}, "abcdef")
	files, _ := filepath.Glob(filepath.Join(dir, "uploads", "*"))
	if err := os.Truncate(files[0], 3); err != nil {
		t.Fatal(err)
	}
	next, err := store.Append(t.Context(), u, strings.NewReader("ghi"))
	if !errors.Is(err, blobs.ErrUploadLost) || next.Size != u.Size {
		t.Errorf("append: got size %d, error %v, want ErrUploadLost", next.Size, err)
	}
	if err := store.Complete(t.Context(), u); !errors.Is(err, blobs.ErrUploadLost) {
		t.Errorf("complete: got error %v, want ErrUploadLost", err)
	}
}
