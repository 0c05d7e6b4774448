package s3_test

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/berthregistry/berth/shared/blobs"
	"github.com/berthregistry/berth/shared/blobs/s3"
)

// TestMain lets the test binary be the process that TestMemory measures.
func TestMain(m *testing.M) {
	if os.Getenv("BERTH_TEST_PUSH_PREFIX") == "" {
		os.Exit(m.Run())
	}
	if err := push(os.Getenv("BERTH_TEST_PUSH_PREFIX")); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

const clients, partSize = 8, 8 << 20

// TestMemory measures what a process needs in which several clients push at
// once: two parts each, and what the SDK and the program need by themselves.
func TestMemory(t *testing.T) {
	s := testService(t)
	if runtime.GOOS != "linux" {
		t.Skip("peak memory is read from Linux's /proc")
	}
	if raceDetector() {
		t.Skip("the race detector needs many times the memory it watches")
	}
	prefix := newPrefix()
	s.cleanUp(t, prefix)
	cmd := exec.CommandContext(t.Context(), os.Args[0])
	cmd.Env = append(os.Environ(), "BERTH_TEST_PUSH_PREFIX="+prefix)
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("push: %v", err)
	}
	got, err := strconv.Atoi(strings.TrimSpace(string(out)))
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("peak resident memory: %d KiB", got)
	if allowed := (2*clients*partSize + 64<<20) >> 10; got > allowed {
		t.Errorf("peak resident memory: got %d KiB, want at most %d", got, allowed)
	}
}

func raceDetector() bool {
	info, ok := debug.ReadBuildInfo()
	return ok && slices.Contains(info.Settings, debug.BuildSetting{Key: "-race", Value: "true"})
}

// push is the process that is measured. It prints its peak resident memory in
// KiB.
func push(prefix string) error {
	s, err := serviceFromEnv()
	if err != nil {
		return err
	}
	store := s3.New(s.client(), s.bucket, prefix, s3.WithPartSize(partSize))
	errs := make([]error, clients)
	var wg sync.WaitGroup
	for i := range errs {
		wg.Go(func() {
			u := blobs.Upload{Key: fmt.Sprintf("layer-%d", i)}
			if u, errs[i] = store.Append(context.Background(), u, io.LimitReader(zeros{}, 100<<20)); errs[i] == nil {
				errs[i] = store.Complete(context.Background(), u)
			}
		})
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
	_, peak, _ := strings.Cut(string(status), "VmHWM:")
	fmt.Println(strings.Fields(peak)[0])
	return nil
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { clear(p); return len(p), nil }
