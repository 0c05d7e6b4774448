package layout_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/berthregistry/berth/shared/layout"
	"github.com/berthregistry/berth/shared/oci"
)

// TestMain lets the test binary be the process that is killed.
func TestMain(m *testing.M) {
	path := os.Getenv("BERTH_TEST_WRITE_TO")
	if path == "" {
		os.Exit(m.Run())
	}
	if err := copyKilled(path, formats[os.Getenv("BERTH_TEST_FORMAT")]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// TestKilled kills a process again and again while it writes, and looks each
// time at what it left, until one comes to its end.
func TestKilled(t *testing.T) {
	for name, format := range formats {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "image")
			kills := 0
			for killedRun(t, path, name) {
				if kills++; kills == 100 {
					t.Fatal("it never comes to its end")
				}
				if image, err := layout.Open(path); err == nil {
					// It was killed between its last step and its end.
					_, err := image.Resolve(t.Context(), "1")
					if err = errors.Join(err, image.Close()); err != nil {
						t.Fatalf("what is not whole was opened: %v", err)
					}
				}
				if format == layout.Folder {
					wantOnlyWhole(t, path)
				}
			}
			if kills == 0 {
				t.Error("it was never killed")
			}
			t.Logf("killed %d times", kills)
			b, image := killedImage(t)
			wantResolved(t, open(t, path), "1", image)
			wantBlobs(t, open(t, path), image, b)
			wantNames(t, filepath.Dir(path), "image")
		})
	}
}

// killedRun says whether it was killed before it came to its end.
func killedRun(t *testing.T, path, format string) bool {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), os.Args[0])
	// The race detector waits a second at the end, in which it would be killed.
	cmd.Env = append(os.Environ(), "BERTH_TEST_WRITE_TO="+path, "BERTH_TEST_FORMAT="+format, "GORACE=atexit_sleep_ms=0")
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	if _, err := bufio.NewReader(out).ReadString('\n'); err != nil {
		t.Fatalf("writer did not begin: %v", err)
	}
	stop := time.AfterFunc(time.Duration(rand.IntN(100))*time.Millisecond, func() { cmd.Process.Kill() })
	defer stop.Stop()
	err = cmd.Wait()
	var exit *exec.ExitError
	if err != nil && (!errors.As(err, &exit) || exit.Exited()) {
		t.Fatalf("writer failed: %v", err)
	}
	return err != nil
}

func killedImage(t testing.TB) (blobs, oci.Descriptor) {
	b := blobs{}
	layers := make([][]byte, 12)
	for i := range layers {
		layers[i] = noise(uint64(i), 100_000)
	}
	return b, b.image(t, layers...)
}

// copyKilled writes the image as slowly as a network would have it, and checks
// what is there of it.
func copyKilled(path string, format layout.Format) error {
	ctx := context.Background()
	b, image := killedImage(&testing.T{})
	w, err := layout.Create(path, format)
	if err != nil {
		return err
	}
	if err := errors.Join(w.SetName("team/app"), w.Prepare(ctx, b.all())); err != nil {
		return err
	}
	fmt.Println("begins")
	errs := make(chan error)
	for d, raw := range b {
		go func() { errs <- copySlowly(ctx, w, oci.Descriptor{Digest: d, Size: int64(len(raw))}, raw) }()
	}
	for range b {
		err = errors.Join(err, <-errs)
	}
	if err != nil {
		return err
	}
	return errors.Join(w.PutManifest(ctx, image, b[image.Digest], []string{"1"}), w.Commit(), w.Close())
}

func copySlowly(ctx context.Context, w *layout.Writer, d oci.Descriptor, raw []byte) error {
	if w.Has(d) {
		return nil
	}
	s, err := w.Sink(ctx, d)
	if err != nil {
		return err
	}
	r, n, err := s.Prefix()
	if err != nil {
		return err
	}
	had := make([]byte, n)
	if _, err := r.Read(had); n > 0 && err != nil || !slices.Equal(had, raw[:n]) {
		return fmt.Errorf("%d bytes of %s are others, or %v", n, d.Digest, err)
	}
	for n < d.Size {
		to := min(d.Size, n+1+rand.Int64N(2000))
		if _, err := s.Write(raw[n:to]); err != nil {
			return err
		}
		n = to
		time.Sleep(time.Millisecond)
	}
	return errors.Join(s.Commit(), s.Close())
}

// wantOnlyWhole checks every file among the blobs.
func wantOnlyWhole(t *testing.T, path string) {
	t.Helper()
	err := fs.WalkDir(os.DirFS(path), "blobs", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		raw, err := os.ReadFile(filepath.Join(path, name))
		if want := oci.Digest("sha256:" + d.Name()); err == nil && oci.SHA256.Sum(raw) != want {
			t.Errorf("%s holds %d other bytes", name, len(raw))
		}
		return err
	})
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		t.Error(err)
	}
}
