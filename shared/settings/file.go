package settings

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"reflect"
	"sync/atomic"
	"time"

	"github.com/berthregistry/berth/shared/follow"
	"github.com/berthregistry/berth/shared/registry"
)

// A File is a settings file in force. It is safe for concurrent use.
type File struct {
	path    string
	log     *slog.Logger
	poll    time.Duration
	started Settings
	file    *follow.File
	current atomic.Pointer[Settings]
}

// Open reads the settings file at path. An error in it is returned; later ones
// are only logged.
func Open(path string, log *slog.Logger) (*File, error) {
	f := &File{path: path, log: log, poll: follow.Poll, file: follow.New(path)}
	s, err := f.parse()
	if err != nil {
		return nil, err
	}
	f.started = *s
	f.current.Store(s)
	return f, nil
}

// Rules returns what holds for a repository now.
func (f *File) Rules(repo string) registry.Rules { return f.current.Load().Rules(repo) }

// Limits returns the limits as they were when the file was opened.
func (f *File) Limits() registry.Limits { return f.started.Limits.ForRegistry() }

// Webhooks returns the webhooks as they were when the file was opened.
func (f *File) Webhooks() []Webhook { return f.started.Webhooks }

// Follow keeps the settings up with the file until ctx ends: at each signal
// from reload, which may be nil, and when the file's time or size has changed.
// A file that cannot be read or has an error in it leaves the settings as they
// were; the log says so once. It is called once.
func (f *File) Follow(ctx context.Context, reload <-chan os.Signal) {
	f.file.Follow(ctx, f.poll, reload, f.reload)
}

func (f *File) reload(ctx context.Context) {
	s, err := f.parse()
	if err != nil {
		f.log.ErrorContext(ctx, "settings not taken, the old ones stay in force", "error", err)
		return
	}
	f.current.Store(s)
	f.log.InfoContext(ctx, "settings taken", "file", f.path, "repositories", len(s.Repositories))
	if s.Limits.ForRegistry() != f.Limits() {
		f.log.WarnContext(ctx, "changed limits wait for a restart", "file", f.path)
	}
	if !reflect.DeepEqual(s.Webhooks, f.Webhooks()) {
		f.log.WarnContext(ctx, "changed webhooks wait for a restart", "file", f.path)
	}
}

func (f *File) parse() (*Settings, error) {
	text, err := os.ReadFile(f.path)
	if err != nil {
		return nil, fmt.Errorf("read settings: %w", err)
	}
	s, err := Parse(f.path, text)
	if err == nil {
		s.beside(f.path)
	}
	return s, err
}
