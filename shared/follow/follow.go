// Package follow reads a file again when it has changed.
package follow

import (
	"context"
	"os"
	"time"
)

// Poll is how often a file is looked at, as a rule.
const Poll = time.Second

// A File is a path, and what was there when it was last looked at.
type File struct {
	path string
	read stamp // of the text that was read last, good or bad
	seen stamp // at the last look
}

// A stamp tells one state of a file from another. That of a missing file is
// zero: a state like any other.
type stamp struct {
	size  int64
	mtime time.Time
}

// New notes the present state of the file at path. Whoever reads the text reads it
// afterwards: what is written between the two is then read again.
func New(path string) *File {
	at := stampOf(path)
	return &File{path: path, read: at, seen: at}
}

// Follow calls read until ctx ends: at each signal from reload, which may be nil,
// and when the file's time or size has changed. It is called once.
func (f *File) Follow(ctx context.Context, poll time.Duration, reload <-chan os.Signal, read func(context.Context)) {
	tick := time.NewTicker(poll)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-reload:
		case <-tick.C:
			if !f.changed() {
				continue
			}
		}
		f.read = stampOf(f.path) // before the text
		read(ctx)
	}
}

// changed says whether the file has changed and has then been left alone from one
// look to the next. An editor that empties a file and then fills it would
// otherwise put an empty one in force for a moment.
func (f *File) changed() bool {
	now := stampOf(f.path)
	settled := now == f.seen
	f.seen = now
	return settled && now != f.read
}

func stampOf(path string) stamp {
	info, err := os.Stat(path)
	if err != nil {
		return stamp{}
	}
	return stamp{info.Size(), info.ModTime()}
}
