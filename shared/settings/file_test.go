package settings

import (
	"bytes"
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/berthregistry/berth/shared/registry"
)

// A followed file and what it logs.
type followed struct {
	*File
	path   string
	log    *lines
	reload chan os.Signal
}

type lines struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(p)
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.String()
}

// following opens a file and follows it.
func following(t *testing.T, poll time.Duration) followed {
	t.Helper()
	f := followed{path: filepath.Join(t.TempDir(), "berth.yaml"), log: &lines{}, reload: make(chan os.Signal)}
	f.write(t, header("off"))
	file, err := Open(f.path, slog.New(slog.NewTextHandler(f.log, nil)))
	if err != nil {
		t.Fatal(err)
	}
	f.File = file
	f.poll = poll
	ctx, stop := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	wg.Go(func() { file.Follow(ctx, f.reload) })
	t.Cleanup(func() { stop(); wg.Wait() })
	return f
}

func header(mode string) string {
	return "repositories: [{pattern: a, referrers-header: " + mode + "}]\n"
}

func (f followed) write(t *testing.T, text string) {
	t.Helper()
	if err := os.WriteFile(f.path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func (f followed) mode() registry.HeaderMode { return f.Rules("a").ReferrersHeader }

func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(10 * time.Second); !ok(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("not within ten seconds: %s", what)
		}
	}
}

func TestFollowTakesAChangedFile(t *testing.T) {
	f := following(t, 5*time.Millisecond)
	f.write(t, header("absent-only"))
	eventually(t, "the new mode holds", func() bool { return f.mode() == registry.HeaderAbsentOnly })

	// As editors do it: a new file takes the old one's place.
	beside := f.path + "~"
	if err := os.WriteFile(beside, []byte(header("on-request")), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(beside, f.path); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the renamed file holds", func() bool { return f.mode() == registry.HeaderOnRequest })
}

func TestFollowReloadsAtASignal(t *testing.T) {
	f := following(t, time.Hour)
	f.write(t, header("always"))
	f.reload <- os.Interrupt // any signal will do
	eventually(t, "the new mode holds", func() bool { return f.mode() == registry.HeaderAlways })
}

func TestBrokenFileLeavesOldSettings(t *testing.T) {
	f := following(t, 5*time.Millisecond)
	f.write(t, header("sometimes"))
	eventually(t, "the error is logged", func() bool { return strings.Contains(f.log.String(), "berth.yaml:1:47") })
	if got := f.mode(); got != registry.HeaderOff {
		t.Errorf("mode: got %s, want the old one", got)
	}
	if err := os.Remove(f.path); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the missing file is logged", func() bool { return strings.Contains(f.log.String(), "no such file") })
	time.Sleep(50 * time.Millisecond) // ten more looks
	if got := strings.Count(f.log.String(), "level=ERROR"); got != 2 {
		t.Errorf("%d errors logged, want one for each state:\n%s", got, f.log)
	}

	f.write(t, header("always"))
	eventually(t, "the mended file holds", func() bool { return f.mode() == registry.HeaderAlways })
}

func TestChangedLimitsWait(t *testing.T) {
	f := following(t, time.Hour)
	f.write(t, "limits: {tags-per-push: 12}\n")
	f.reload <- os.Interrupt
	eventually(t, "the log says so", func() bool { return strings.Contains(f.log.String(), "changed limits wait for a restart") })
	if got, want := f.Limits(), registry.DefaultLimits; got != want {
		t.Errorf("limits: got %+v, want %+v", got, want)
	}
}

func TestOpenRefusesABrokenFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "berth.yaml")
	if _, err := Open(path, slog.New(slog.DiscardHandler)); err == nil {
		t.Error("a missing file was opened")
	}
	if err := os.WriteFile(path, []byte("x: 1"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(path, slog.New(slog.DiscardHandler)); err == nil || !strings.Contains(err.Error(), path+":1:1: ") {
		t.Errorf("got %v, want an error that says where", err)
	}
}
