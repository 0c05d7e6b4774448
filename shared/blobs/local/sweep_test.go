package local_test

import (
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/berthregistry/berth/shared/blobs"
	"github.com/berthregistry/berth/shared/blobs/local"
)

func sweep(t *testing.T, store *local.Store, before time.Time, want int) {
	t.Helper()
	removed, err := store.Sweep(t.Context(), before)
	if err != nil || removed != want {
		t.Fatalf("sweep: got %d removed, error %v, want %d", removed, err, want)
	}
}

func TestSweepTakesWhatIsOld(t *testing.T) {
	dir := t.TempDir()
	store := openIn(t, dir)
	old := add(t, store, blobs.Upload{Key: "old"}, "abc")
	age(t, dir)
	young := add(t, store, blobs.Upload{Key: "young"}, "abc")
	sweep(t, store, time.Now().Add(-time.Hour), 1)
	if err := store.Complete(t.Context(), old); !errors.Is(err, blobs.ErrUploadLost) {
		t.Errorf("complete what was swept: got error %v, want ErrUploadLost", err)
	}
	if err := store.Complete(t.Context(), young); err != nil {
		t.Errorf("complete what was kept: %v", err)
	}
	sweep(t, store, time.Now().Add(time.Hour), 0)
	wantObject(t, store, "young", []byte("abc"))
}

// TestAppendMakesYoung: an upload is as old as its last piece.
func TestAppendMakesYoung(t *testing.T) {
	dir := t.TempDir()
	store := openIn(t, dir)
	u := add(t, store, blobs.Upload{Key: "a"}, "abc")
	age(t, dir)
	add(t, store, u, "def")
	sweep(t, store, time.Now().Add(-time.Hour), 0)
}

// TestSweepLeavesAppend sweeps everything while a client is slow.
func TestSweepLeavesAppend(t *testing.T) {
	store := openIn(t, t.TempDir())
	u := add(t, store, blobs.Upload{Key: "a"}, "abc")
	r, w := io.Pipe()
	var next blobs.Upload
	var err error
	var wg sync.WaitGroup
	wg.Go(func() { next, err = store.Append(t.Context(), u, r) })
	// More than is buffered, so that the file is being written to.
	w.Write(make([]byte, mib))
	sweep(t, store, time.Now().Add(time.Hour), 0)
	w.Close()
	wg.Wait()
	if err == nil {
		err = store.Complete(t.Context(), next)
	}
	if err != nil {
		t.Fatal(err)
	}
	wantObject(t, store, "a", append([]byte("abc"), make([]byte, mib)...))
}

// age makes all uploads look a day old.
func age(t *testing.T, dir string) {
	t.Helper()
	day := time.Now().Add(-24 * time.Hour)
	files, err := filepath.Glob(filepath.Join(dir, "uploads", "*"))
	if err != nil || len(files) == 0 {
		t.Fatalf("find uploads: %d, error %v", len(files), err)
	}
	for _, f := range files {
		if err := os.Chtimes(f, day, day); err != nil {
			t.Fatal(err)
		}
	}
}

func add(t *testing.T, store *local.Store, u blobs.Upload, more string) blobs.Upload {
	t.Helper()
	next, err := store.Append(t.Context(), u, bytes.NewReader([]byte(more)))
	if err != nil {
		t.Fatalf("append: %v", err)
	}
	return next
}

func wantObject(t *testing.T, store *local.Store, key string, want []byte) {
	t.Helper()
	r, err := store.Open(t.Context(), key, int64(len(want)))
	if err != nil {
		t.Fatalf("open: %v", err)
	}
	defer r.Close()
	got, err := io.ReadAll(r)
	if err != nil || !bytes.Equal(got, want) {
		t.Fatalf("object %s: got %d bytes, error %v, want %d", key, len(got), err, len(want))
	}
}
