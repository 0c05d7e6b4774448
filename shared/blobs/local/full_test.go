package local_test

import (
	"bytes"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/berthregistry/berth/shared/blobs"
	"github.com/berthregistry/berth/shared/blobs/blobstest"
)

const mib = 1 << 20

// limitFiles has the kernel refuse to let files of this process grow beyond
// size, which to a writer looks like a full disk: some bytes, then an error.
func limitFiles(t *testing.T, size uint64) (lift func()) {
	t.Helper()
	signal.Ignore(syscall.SIGXFSZ)
	t.Cleanup(func() { signal.Reset(syscall.SIGXFSZ) })
	var was syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_FSIZE, &was); err != nil {
		t.Fatal(err)
	}
	lift = func() {
		if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &was); err != nil {
			t.Error(err)
		}
	}
	if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &syscall.Rlimit{Cur: size, Max: was.Max}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(lift)
	return lift
}

func TestAppendWithoutRoom(t *testing.T) {
	dir := t.TempDir()
	store := openIn(t, dir)
	body := blobstest.Bytes(1, 4*mib)
	u, err := store.Append(t.Context(), blobs.Upload{Key: "a"}, bytes.NewReader(body[:mib]))
	if err != nil {
		t.Fatal(err)
	}
	lift := limitFiles(t, 2*mib+100)
	next, err := store.Append(t.Context(), u, bytes.NewReader(body[mib:]))
	if err == nil || next.Size != 2*mib+100 {
		t.Fatalf("append beyond the limit: got size %d, error %v, want %d bytes stored", next.Size, err, 2*mib+100)
	}
	// Full is full, and changes nothing.
	again, err := store.Append(t.Context(), next, bytes.NewReader(body[next.Size:]))
	if err == nil || again.Size != next.Size || !bytes.Equal(again.State, next.State) {
		t.Fatalf("append to a full disk: got size %d, error %v", again.Size, err)
	}
	// The earlier state forks; its copy finds room for as much, or none.
	fork, err := store.Append(t.Context(), u, bytes.NewReader(body[mib:]))
	if err == nil || fork.Size != 2*mib+100 {
		t.Fatalf("fork on a full disk: got size %d, error %v", fork.Size, err)
	}
	lift()
	for _, u := range []blobs.Upload{again, fork} {
		if u, err = store.Append(t.Context(), u, bytes.NewReader(body[u.Size:])); err != nil {
			t.Fatalf("append when there is room again: %v", err)
		}
		if err := store.Complete(t.Context(), u); err != nil {
			t.Fatalf("complete: %v", err)
		}
	}
	wantObject(t, store, "a", body)
}

// TestAppendWithoutAnyRoom leaves no file that no state names. It runs in a process
// of its own: the Go command has tests write down which files they open, and if
// that meets a limit of no bytes at all the whole package has failed.
func TestAppendWithoutAnyRoom(t *testing.T) {
	if os.Getenv("BERTH_TEST_NO_ROOM") == "" {
		alone := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestAppendWithoutAnyRoom$", "-test.v")
		alone.Env = append(os.Environ(), "BERTH_TEST_NO_ROOM=1")
		out, err := alone.CombinedOutput()
		if err != nil || !bytes.Contains(out, []byte("--- PASS: TestAppendWithoutAnyRoom")) {
			t.Errorf("%v\n%s", err, out)
		}
		return
	}
	dir := t.TempDir()
	store := openIn(t, dir)
	limitFiles(t, 0)
	u := blobs.Upload{Key: "a"}
	next, err := store.Append(t.Context(), u, bytes.NewReader([]byte("abc")))
	if err == nil || next.Size != 0 || next.State != nil {
		t.Errorf("append: got size %d, error %v, want the state before", next.Size, err)
	}
	wantEmpty(t, filepath.Join(dir, "uploads"))
}

func TestPutWithoutRoom(t *testing.T) {
	dir := t.TempDir()
	store := openIn(t, dir)
	body := blobstest.Bytes(1, mib)
	lift := limitFiles(t, mib-1)
	if err := store.Put(t.Context(), "a", body); err == nil {
		t.Fatal("put beyond the limit: got no error")
	}
	if _, err := os.Stat(filepath.Join(dir, "objects", "a")); !os.IsNotExist(err) {
		t.Fatalf("half an object is visible: %v", err)
	}
	wantEmpty(t, filepath.Join(dir, "uploads"))
	lift()
	if err := store.Put(t.Context(), "a", body); err != nil {
		t.Fatal(err)
	}
	wantObject(t, store, "a", body)
}

func wantEmpty(t *testing.T, dir string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil || len(entries) != 0 {
		t.Errorf("%s: got %d files, error %v, want none", dir, len(entries), err)
	}
}
