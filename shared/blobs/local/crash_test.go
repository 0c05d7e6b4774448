package local_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/hex"
	"fmt"
	"hash/fnv"
	"io"
	"io/fs"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/berthregistry/berth/shared/blobs"
	"github.com/berthregistry/berth/shared/blobs/blobstest"
	"github.com/berthregistry/berth/shared/blobs/local"
)

// TestCrash kills a process again and again while it writes, and looks each
// time at what it left: all that it acknowledged, whole, and nothing half.
// A kill leaves the kernel's memory alone; that files and folders are synced
// before they are acknowledged is not what this can show.
func TestCrash(t *testing.T) {
	dir := t.TempDir()
	for round := range 24 {
		acknowledged := killedRun(t, dir, round)
		store := openIn(t, dir)
		wantAcknowledged(t, store, acknowledged)
		if t.Failed() {
			t.Fatalf("round %d failed", round)
		}
	}
	if _, err := openIn(t, dir).Sweep(t.Context(), time.Now().Add(time.Hour)); err != nil {
		t.Error(err)
	}
	wantEmpty(t, filepath.Join(dir, "uploads"))
	wantOnlyWhole(t, dir)
}

// killedRun runs this test binary as a writer, kills it at some moment, and
// returns the lines that it got out.
func killedRun(t *testing.T, dir string, round int) []string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), os.Args[0])
	cmd.Env = append(os.Environ(), "BERTH_TEST_WRITE_TO="+dir, fmt.Sprintf("BERTH_TEST_ROUND=%d", round))
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	r := bufio.NewReader(out)
	first, err := r.ReadString('\n')
	if err != nil {
		t.Fatalf("writer wrote nothing: %v", err)
	}
	lines := []string{first}
	time.AfterFunc(time.Duration(rand.IntN(150))*time.Millisecond, func() { cmd.Process.Kill() })
	for {
		line, err := r.ReadString('\n')
		if err != nil { // a line that was cut off acknowledges nothing
			break
		}
		lines = append(lines, line)
	}
	if err := cmd.Wait(); err == nil || !strings.Contains(err.Error(), "killed") {
		t.Fatalf("writer ended by itself: %v", err)
	}
	return lines
}

// wantAcknowledged checks each thing that a writer was told, by its last word
// on the key, and finishes the uploads that it could not.
func wantAcknowledged(t *testing.T, store *local.Store, lines []string) {
	t.Helper()
	last := map[string][]string{}
	for _, line := range lines {
		fields := strings.Fields(line)
		last[fields[1]] = fields
	}
	for key, said := range last {
		if said[0] == "append" {
			if err := finish(t, store, key, said[2], said[3]); err != nil {
				t.Errorf("finish %s at %s: %v", key, said[2], err)
				continue
			}
		}
		r, err := store.Open(t.Context(), key, int64(len(bodyOf(key))))
		if err != nil {
			t.Errorf("%s was acknowledged: %v", key, err)
			continue
		}
		wantBody(t, key, r)
	}
}

func finish(t *testing.T, store *local.Store, key, size, state string) error {
	u := blobs.Upload{Key: key}
	var err error
	if u.Size, err = strconv.ParseInt(size, 10, 64); err != nil {
		return err
	}
	if u.State, err = hex.DecodeString(state); err != nil {
		return err
	}
	if u, err = store.Append(t.Context(), u, bytes.NewReader(bodyOf(key)[u.Size:])); err != nil {
		return err
	}
	return store.Complete(t.Context(), u)
}

// wantOnlyWhole checks every file among the objects, acknowledged or not.
func wantOnlyWhole(t *testing.T, dir string) {
	t.Helper()
	objects := os.DirFS(filepath.Join(dir, "objects"))
	err := fs.WalkDir(objects, ".", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		f, err := objects.Open(path)
		if err == nil {
			wantBody(t, path, f)
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
}

func wantBody(t *testing.T, key string, r io.ReadCloser) {
	t.Helper()
	defer r.Close()
	got, err := io.ReadAll(r)
	if want := bodyOf(key); err != nil || !bytes.Equal(got, want) {
		t.Errorf("%s: got %d bytes, error %v, want %d others", key, len(got), err, len(want))
	}
}

// bodyOf is what the object of a key holds. The key says how much.
func bodyOf(key string) []byte {
	size, err := strconv.Atoi(key[strings.LastIndex(key, "-")+1:])
	if err != nil {
		panic(err) // the tests make all keys
	}
	h := fnv.New64a()
	h.Write([]byte(key))
	return blobstest.Bytes(h.Sum64(), size)
}

// write is the process that gets killed: four clients that put and upload as
// fast as they can, and say so when something was acknowledged.
func write(dir string, round string) error {
	store, err := local.Open(dir)
	if err != nil {
		return err
	}
	var mu sync.Mutex
	say := func(format string, args ...any) {
		mu.Lock()
		defer mu.Unlock()
		fmt.Printf(format+"\n", args...)
	}
	errs := make(chan error)
	for client := range 4 {
		go func() {
			for i := 0; ; i++ {
				name := fmt.Sprintf("r%s-%d-%d", round, client, i)
				if err := writeOne(store, name, say); err != nil {
					errs <- err
				}
			}
		}()
	}
	return <-errs
}

// writeOne puts one object and uploads another, in pieces of random size.
func writeOne(store *local.Store, name string, say func(string, ...any)) error {
	ctx := context.Background()
	key := fmt.Sprintf("put/%s-%d", name, rand.IntN(200_000))
	if err := store.Put(ctx, key, bodyOf(key)); err != nil {
		return err
	}
	say("put %s", key)

	u := blobs.Upload{Key: fmt.Sprintf("upload/%s-%d", name, 1+rand.IntN(2_000_000))}
	for rest := bodyOf(u.Key); len(rest) > 0; {
		n := min(len(rest), 1+rand.IntN(700_000))
		var err error
		if u, err = store.Append(ctx, u, bytes.NewReader(rest[:n])); err != nil {
			return err
		}
		say("append %s %d %x", u.Key, u.Size, u.State)
		rest = rest[n:]
	}
	if err := store.Complete(ctx, u); err != nil {
		return err
	}
	say("complete %s", u.Key)
	return nil
}
