package layout_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/berthregistry/berth/shared/layout"
	"golang.org/x/sys/unix"
)

// smallDisk is a folder with room for so many bytes.
func smallDisk(t *testing.T, size string) (dir string, enlarge func(size string)) {
	t.Helper()
	dir = t.TempDir()
	if err := unix.Mount("tmpfs", dir, "tmpfs", 0, "size="+size); err != nil {
		if os.Getenv("BERTH_TEST_REQUIRE") == "1" {
			t.Fatalf("mount a small disk: %v", err)
		}
		t.Skipf("only root has small disks: %v", err)
	}
	t.Cleanup(func() {
		if err := unix.Unmount(dir, unix.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	return dir, func(size string) {
		if err := unix.Mount("tmpfs", dir, "tmpfs", unix.MS_REMOUNT, "size="+size); err != nil {
			t.Fatal(err)
		}
	}
}

// A full disk is an error that says so, and what has arrived is gone on with
// when there is room.
func TestFull(t *testing.T) {
	b := blobs{}
	image := b.image(t, noise(1, 3<<20))
	layer := b.put("x", noise(1, 3<<20))
	for name, format := range formats {
		t.Run(name, func(t *testing.T) {
			dir, enlarge := smallDisk(t, "1m")
			path := filepath.Join(dir, "image")
			w := create(t, path, format, b)
			s, err := w.Sink(t.Context(), layer)
			if err != nil {
				t.Fatal(err)
			}
			err = writeRest(s, noise(1, 3<<20))
			if !errors.Is(err, syscall.ENOSPC) || !strings.Contains(err.Error(), "no room for "+path) {
				t.Errorf("write to a full disk: got %v, want %v and the path", err, syscall.ENOSPC)
			}
			if err := errors.Join(s.Close(), w.Close()); err != nil {
				t.Error(err)
			}
			if _, err := layout.Open(path); err == nil {
				t.Error("what is half written was opened")
			}
			enlarge("20m")
			w = create(t, path, format, b)
			if n := writeBlob(t, w, layer.Digest, noise(1, 3<<20), 3<<20); n < 500_000 {
				t.Errorf("got %d bytes from before, want what there was room for", n)
			}
			fill(t, w, b, puts{{image, []string{"1"}}})
			finish(t, w)
			wantBlobs(t, open(t, path), image, b)
		})
	}
}

// With no room for what is written last, all that came before it is kept.
func TestFullAtCommit(t *testing.T) {
	b := blobs{}
	image := b.image(t, noise(1, 500_000))
	for name, format := range formats {
		t.Run(name, func(t *testing.T) {
			dir, enlarge := smallDisk(t, "1m")
			path := filepath.Join(dir, "image")
			w := create(t, path, format, b)
			fill(t, w, b, puts{{image, []string{"1"}}})
			if err := os.WriteFile(filepath.Join(dir, "filler"), nil, 0o666); err != nil {
				t.Fatal(err)
			}
			for f, err := os.OpenFile(filepath.Join(dir, "filler"), os.O_WRONLY, 0); err == nil; {
				_, err = f.Write(make([]byte, 4096))
			}
			err := w.Commit()
			if !errors.Is(err, syscall.ENOSPC) || !strings.Contains(err.Error(), path) {
				t.Errorf("commit on a full disk: got %v, want %v and the path", err, syscall.ENOSPC)
			}
			if _, err := layout.Open(path); err == nil {
				t.Error("what is half written was opened")
			}
			enlarge("20m")
			finish(t, w)
			wantResolved(t, open(t, path), "1", image)
			wantBlobs(t, open(t, path), image, b)
		})
	}
}
