package follow_test

import (
	"context"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/berthregistry/berth/shared/follow"
)

// follower follows a file that it has written, and says when it is to be read.
func follower(t *testing.T, poll time.Duration) (path string, reload chan os.Signal, read chan string) {
	t.Helper()
	path, reload, read = filepath.Join(t.TempDir(), "file"), make(chan os.Signal), make(chan string, 10)
	write(t, path, "first")
	file := follow.New(path)
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		file.Follow(ctx, poll, reload, func(context.Context) {
			text, _ := os.ReadFile(path) // nothing, where there is no file
			read <- string(text)
		})
	}()
	t.Cleanup(func() { stop(); <-ended })
	return path, reload, read
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func next(t *testing.T, read chan string, want string) {
	t.Helper()
	select {
	case got := <-read:
		if got != want {
			t.Errorf("read %q, want %q", got, want)
		}
	case <-time.After(10 * time.Second):
		t.Fatalf("%q was not read", want)
	}
}

func TestChangesAreRead(t *testing.T) {
	path, _, read := follower(t, 5*time.Millisecond)
	write(t, path, "second")
	next(t, read, "second")
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	next(t, read, "")
	write(t, path, "the third")
	next(t, read, "the third")
	select {
	case got := <-read:
		t.Errorf("%q was read again, and nothing had changed", got)
	case <-time.After(50 * time.Millisecond):
	}
}

func TestSignalsAreFollowed(t *testing.T) {
	path, reload, read := follower(t, time.Hour)
	reload <- os.Interrupt
	next(t, read, "first")
	write(t, path, "second")
	reload <- os.Interrupt
	next(t, read, "second")
}
