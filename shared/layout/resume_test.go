package layout_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/berthregistry/berth/shared/layout"
	"github.com/berthregistry/berth/shared/oci"
)

// What has arrived before a cut is not asked for again, and nobody takes it for
// an image.
func TestResume(t *testing.T) {
	b, manifests, top := scene(t)
	for name, format := range formats {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "image")
			there := map[oci.Digest]int{}
			for range 3 {
				w := create(t, path, format, b)
				for d, raw := range b {
					to := rand.IntN(len(raw) + 1)
					if n := writeBlob(t, w, d, raw, max(to, there[d])); n != there[d] {
						t.Errorf("%s: got %d bytes from before, want %d", d, n, there[d])
					}
					there[d] = max(to, there[d])
				}
				if err := w.Close(); err != nil {
					t.Fatal(err)
				}
				if image, err := layout.Open(path); err == nil {
					image.Close()
					t.Fatal("what is half written was opened")
				}
			}
			w := create(t, path, format, b)
			for d, raw := range b {
				if n := writeBlob(t, w, d, raw, len(raw)); n != there[d] {
					t.Errorf("%s: got %d bytes from before, want %d", d, n, there[d])
				}
			}
			fill(t, w, b, manifests)
			finish(t, w)
			image := open(t, path)
			wantResolved(t, image, "1", top)
			wantBlobs(t, image, top, b)
			wantNames(t, filepath.Dir(path), "image")
		})
	}
}

// What is wrong of it is written over.
func TestReset(t *testing.T) {
	b := blobs{}
	image := b.image(t, noise(1, 100_000))
	layer := b.put("x", noise(1, 100_000))
	for name, format := range formats {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "image")
			w := create(t, path, format, b)
			writeBlob(t, w, layer.Digest, noise(1, 100_000), 60_000)
			s, err := w.Sink(t.Context(), layer)
			if err != nil {
				t.Fatal(err)
			}
			if err := errors.Join(s.Reset(), writeRest(s, noise(2, 100_000)), s.Reset(), s.Close()); err != nil {
				t.Fatal(err)
			}
			if n := writeBlob(t, w, layer.Digest, noise(1, 100_000), 100_000); n != 0 {
				t.Errorf("got %d bytes after all were forgotten", n)
			}
			fill(t, w, b, puts{{image, []string{"1"}}})
			finish(t, w)
			wantBlobs(t, open(t, path), image, b)
		})
	}
}

// A blob that is there and damaged can be written again.
func TestResetWhole(t *testing.T) {
	b := blobs{}
	image := b.image(t, noise(1, 1000))
	layer := b.put("x", noise(1, 1000))
	path := inFolder(t, b.layoutFiles(t, image))
	at := filepath.Join(path, "blobs", "sha256", layer.Digest.Encoded())
	if err := os.WriteFile(at, noise(2, 1000), 0o666); err != nil {
		t.Fatal(err)
	}
	w := create(t, path, layout.Folder, b)
	s, err := w.Sink(t.Context(), layer)
	if err != nil {
		t.Fatal(err)
	}
	r, n, err := s.Prefix()
	if err != nil || n != 1000 {
		t.Fatalf("prefix: got %d bytes, error %v, want all", n, err)
	}
	if got, err := io.ReadAll(r); err != nil || !bytes.Equal(got, noise(2, 1000)) {
		t.Errorf("prefix: got other bytes, error %v", err)
	}
	if err := errors.Join(s.Reset(), writeRest(s, noise(1, 1000)), s.Commit(), s.Close(), w.Close()); err != nil {
		t.Fatal(err)
	}
	wantBlobs(t, open(t, path), image, b)
	wantNames(t, path, "blobs", "index.json", "oci-layout")
}

// An attempt goes on only with what was kept for the same blobs.
func TestAnotherArchive(t *testing.T) {
	one, two := blobs{}, blobs{}
	first, second := one.image(t, noise(1, 9000)), two.image(t, noise(1, 9000), noise(2, 10))
	path := filepath.Join(t.TempDir(), "image.tar")
	begin := func() {
		w := create(t, path, layout.OCIArchive, one)
		for d, raw := range one {
			writeBlob(t, w, d, raw, len(raw))
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
	}
	anew := func(b blobs, image oci.Descriptor) {
		t.Helper()
		w := create(t, path, layout.OCIArchive, b)
		for d, raw := range b {
			if n := writeBlob(t, w, d, raw, len(raw)); n != 0 {
				t.Errorf("%s: got %d bytes from before, want none", d, n)
			}
		}
		fill(t, w, b, puts{{image, []string{"1"}}})
		finish(t, w)
		wantBlobs(t, open(t, path), image, b)
		wantNames(t, filepath.Dir(path), "image.tar")
	}
	partial, journal := path+".partial", path+".partial.journal"
	for what, spoil := range map[string]func() error{
		"nothing":                     func() error { return nil },
		"the file is gone":            func() error { return os.Remove(partial) },
		"the file is cut":             func() error { return os.Truncate(partial, 5000) },
		"the journal is gone":         func() error { return os.Remove(journal) },
		"the journal is cut":          func() error { return os.Truncate(journal, 60) },
		"the journal is of something": func() error { return os.WriteFile(journal, noise(1, 331), 0o666) },
	} {
		begin()
		if err := spoil(); err != nil {
			t.Fatal(err)
		}
		if what == "nothing" {
			anew(two, second)
		} else {
			anew(one, first)
		}
	}
}

// Where nothing has arrived nothing is left.
func TestNothingArrived(t *testing.T) {
	b := blobs{}
	b.image(t, noise(1, 1000))
	for name, format := range formats {
		path := filepath.Join(t.TempDir(), "image")
		w := create(t, path, format, b)
		for d, raw := range b {
			writeBlob(t, w, d, raw, 0)
		}
		if format == layout.OCIArchive {
			wantError(t, "commit", w.Commit(), "is missing")
		}
		if err := w.Close(); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if format == layout.Folder {
			wantNames(t, path, "blobs", "oci-layout")
		} else {
			wantNames(t, filepath.Dir(path))
		}
	}
}

// Two who make the same archive would spoil it; in a folder the second waits.
func TestTwoWriters(t *testing.T) {
	b := blobs{}
	b.image(t, noise(1, 100_000))
	layer := b.put("x", noise(1, 100_000))
	path := filepath.Join(t.TempDir(), "image.tar")
	defer create(t, path, layout.OCIArchive, b).Close()
	second, err := layout.Create(path, layout.OCIArchive)
	if err != nil {
		t.Fatal(err)
	}
	wantError(t, "second archive", second.Prepare(t.Context(), b.all()), "is being written by another process")

	path = filepath.Join(t.TempDir(), "layout")
	one, two := create(t, path, layout.Folder, b), create(t, path, layout.Folder, b)
	s, err := one.Sink(t.Context(), layer)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	if _, err := two.Sink(ctx, layer); !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), "somebody else writes") {
		t.Errorf("sink of a blob that another writes: got %v, want %v", err, context.DeadlineExceeded)
	}
	waited := make(chan int)
	go func() { waited <- writeBlob(t, two, layer.Digest, noise(1, 100_000), 100_000) }()
	if err := errors.Join(writeRest(s, noise(1, 100_000)), s.Commit(), s.Close()); err != nil {
		t.Fatal(err)
	}
	if n := <-waited; n != 100_000 {
		t.Errorf("who waited got %d bytes, want all", n)
	}
	if err := errors.Join(one.Close(), two.Close()); err != nil {
		t.Error(err)
	}
	wantNames(t, path, "blobs", "oci-layout")
}
