package local_test

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/berthregistry/berth/shared/blobs"
	"github.com/berthregistry/berth/shared/blobs/local"
)

// TestMemory measures what a process needs in which sixteen clients push at
// once. The issue allows the whole registry 128 MiB.
func TestMemory(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("peak memory is read from Linux's /proc")
	}
	const allowed = 96 << 10 // KiB, also with the race detector's own needs
	cmd := exec.CommandContext(t.Context(), os.Args[0])
	cmd.Env = append(os.Environ(), "BERTH_TEST_PUSH_TO="+t.TempDir())
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("push: %v", err)
	}
	peak, err := strconv.ParseInt(strings.TrimSpace(string(out)), 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("peak resident memory: %d KiB", peak)
	if peak > allowed {
		t.Errorf("peak resident memory: got %d KiB, want at most %d", peak, allowed)
	}
}

// push is the process that is measured. It prints its peak resident memory.
func push(dir string) error {
	size := int64(48 << 20)
	if mib, err := strconv.Atoi(os.Getenv("BERTH_TEST_PUSH_MIB")); err == nil {
		size = int64(mib) << 20
	}
	store, err := local.Open(dir)
	if err != nil {
		return err
	}
	var wg sync.WaitGroup
	errs := make([]error, 16)
	for i := range errs {
		wg.Go(func() { errs[i] = pushOne(store, fmt.Sprintf("layer-%d", i), size) })
	}
	wg.Wait()
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return err
	}
	// Not the peak of getrusage: that begins with the parent's.
	_, peak, _ := strings.Cut(string(status), "VmHWM:")
	fmt.Println(strings.Fields(peak)[0])
	return nil
}

func pushOne(store *local.Store, key string, size int64) error {
	ctx := context.Background()
	u, err := store.Append(ctx, blobs.Upload{Key: key}, io.LimitReader(zeros{}, size))
	if err != nil {
		return err
	}
	return store.Complete(ctx, u)
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { clear(p); return len(p), nil }
