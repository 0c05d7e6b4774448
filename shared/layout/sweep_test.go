package layout_test

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/berthregistry/berth/shared/layout"
)

// What attempts left that nobody came back to goes after a week; what is wanted
// now, or is being written, stays.
func TestAbandoned(t *testing.T) {
	path := filepath.Join(t.TempDir(), "layout")
	b := blobs{}
	abandoned, recent, wanted, held := b.put("", noise(1, 100)), b.put("", noise(2, 100)), b.put("", noise(3, 100)), b.put("", noise(4, 100))
	w := create(t, path, layout.Folder, b)
	defer w.Close()
	for _, d := range b.all() {
		writeBlob(t, w, d.Digest, b[d.Digest], 60)
	}
	s, err := w.Sink(t.Context(), held)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	partial := filepath.Join(path, ".partial")
	mine := filepath.Join(partial, "notes")
	if err := os.WriteFile(mine, nil, 0o666); err != nil {
		t.Fatal(err)
	}
	long := time.Now().Add(-8 * 24 * time.Hour)
	for _, name := range []string{"sha256-" + abandoned.Digest.Encoded(), "sha256-" + wanted.Digest.Encoded(), "sha256-" + held.Digest.Encoded(), "notes"} {
		if err := os.Chtimes(filepath.Join(partial, name), long, long); err != nil {
			t.Fatal(err)
		}
	}
	other := create(t, path, layout.Folder, blobs{wanted.Digest: b[wanted.Digest]})
	if err := other.Close(); err != nil {
		t.Fatal(err)
	}
	wantNames(t, partial, "notes", "sha256-"+held.Digest.Encoded(), "sha256-"+recent.Digest.Encoded(), "sha256-"+wanted.Digest.Encoded())
}

// A folder may come from anybody.
func TestPartialFolderIsALinkToNothing(t *testing.T) {
	b := blobs{}
	image := b.image(t, noise(1, 100))
	path := inFolder(t, b.layoutFiles(t, image))
	if err := os.Symlink("nothing", filepath.Join(path, ".partial")); err != nil {
		t.Fatal(err)
	}
	w := create(t, path, layout.Folder, b)
	_, err := w.Sink(t.Context(), b.put("", noise(2, 100)))
	if !errors.Is(err, os.ErrNotExist) {
		t.Errorf("got %v, want that it is not there", err)
	}
}
