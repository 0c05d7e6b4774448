package settings

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"sync/atomic"
	"time"

	"github.com/berthregistry/berth/shared/registry"
)

// A File is a settings file in force. It is safe for concurrent use.
type File struct {
	path    string
	log     *slog.Logger
	poll    time.Duration
	started Limits
	current atomic.Pointer[Settings]

	// Follow's own.
	read stamp // of the text that was read last, good or bad
	seen stamp // at the last look
}

// A stamp tells one state of a file from another.
type stamp struct {
	size  int64
	mtime time.Time
}

// poll is how often a file is looked at.
const poll = time.Second

// Open reads the settings file at path. An error in it is returned; later ones
// are only logged.
func Open(path string, log *slog.Logger) (*File, error) {
	f := &File{path: path, log: log, poll: poll}
	at, err := f.stamp()
	if err != nil {
		return nil, err
	}
	s, err := f.parse()
	if err != nil {
		return nil, err
	}
	f.read, f.seen = at, at
	f.started = s.Limits
	f.current.Store(s)
	return f, nil
}

// Rules returns what holds for a repository now.
func (f *File) Rules(repo string) registry.Rules { return f.current.Load().Rules(repo) }

// Limits returns the limits as they were when the file was opened.
func (f *File) Limits() registry.Limits { return f.started.ForRegistry() }

// Follow keeps the settings up with the file until ctx ends: at each signal
// from reload, which may be nil, and when the file's time or size has changed.
// A file that cannot be read or has an error in it leaves the settings as they
// were; the log says so once. It is called once.
func (f *File) Follow(ctx context.Context, reload <-chan os.Signal) {
	tick := time.NewTicker(f.poll)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-reload:
			f.reload(ctx)
		case <-tick.C:
			f.look(ctx)
		}
	}
}

// look reads the file if it has changed and has then been left alone from one
// look to the next. An editor that empties a file and then fills it would
// otherwise put the defaults in force for a moment.
func (f *File) look(ctx context.Context) {
	now, err := f.stamp()
	if err != nil {
		now = stamp{} // a missing file is a state like any other
	}
	settled := now == f.seen
	f.seen = now
	if settled && now != f.read {
		f.reload(ctx)
	}
}

func (f *File) reload(ctx context.Context) {
	f.read, _ = f.stamp() // before the text: what is written between the two is read again
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
}

func (f *File) stamp() (stamp, error) {
	info, err := os.Stat(f.path)
	if err != nil {
		return stamp{}, fmt.Errorf("find settings: %w", err)
	}
	return stamp{info.Size(), info.ModTime()}, nil
}

func (f *File) parse() (*Settings, error) {
	text, err := os.ReadFile(f.path)
	if err != nil {
		return nil, fmt.Errorf("read settings: %w", err)
	}
	return Parse(f.path, text)
}
