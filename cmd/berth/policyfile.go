package main

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"sync/atomic"
	"time"

	"github.com/berthregistry/berth/shared/access"
	"github.com/berthregistry/berth/shared/access/document"
	"github.com/berthregistry/berth/shared/access/ledger"
)

// A policyFile is a policy in force that is kept in a file. It is safe for
// concurrent use.
type policyFile struct {
	path    string
	log     *slog.Logger
	poll    time.Duration
	current atomic.Pointer[writtenPolicy]

	// follow's own.
	read stamp // of the text that was read last, good or bad
	seen stamp // at the last look
}

type writtenPolicy struct {
	text   []byte
	policy *access.Policy
}

// A stamp tells one state of a file from another.
type stamp struct {
	size  int64
	mtime time.Time
}

// policyPoll is how often the file is looked at.
const policyPoll = time.Second

// openPolicy reads the policy at path. An error in it is returned; later ones
// are only logged.
func openPolicy(path string, log *slog.Logger) (*policyFile, error) {
	f := &policyFile{path: path, log: log, poll: policyPoll}
	f.read = f.stamp()
	f.seen = f.read
	w, err := f.parse()
	if err != nil {
		return nil, err
	}
	f.current.Store(w)
	return f, nil
}

// text returns what is in force as it was written, and the file's name.
func (f *policyFile) text() ([]byte, string) { return f.current.Load().text, f.path }

// state returns what is in force: the policy of the file, and all else of the
// ledger's.
func (f *policyFile) state(l *ledger.Ledger) func(context.Context) (*ledger.State, error) {
	return func(ctx context.Context) (*ledger.State, error) {
		kept, err := l.State(ctx)
		if err != nil {
			return nil, err
		}
		s := *kept
		s.Policy = f.current.Load().policy
		s.PolicyVersion = s.Policy.Version()
		return &s, nil
	}
}

// follow keeps the policy up with the file until ctx ends: at each signal from
// reload, and when the file's time or size has changed. A file that cannot be
// read or has an error in it leaves the policy as it was; the log says so once.
// It is called once.
func (f *policyFile) follow(ctx context.Context, reload <-chan os.Signal) {
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
// look to the next: an editor that empties a file and then fills it would shut
// everybody out for a moment.
func (f *policyFile) look(ctx context.Context) {
	now := f.stamp()
	settled := now == f.seen
	f.seen = now
	if settled && now != f.read {
		f.reload(ctx)
	}
}

func (f *policyFile) reload(ctx context.Context) {
	f.read = f.stamp() // before the text: what is written between the two is read again
	w, err := f.parse()
	if err != nil {
		f.log.ErrorContext(ctx, "policy not taken, the old one stays in force", "error", err)
		return
	}
	f.current.Store(w)
	f.log.InfoContext(ctx, "policy taken", "file", f.path, "version", w.policy.Version(), "rules", len(w.policy.Rules))
}

// stamp is zero for a missing file: a state like any other.
func (f *policyFile) stamp() stamp {
	info, err := os.Stat(f.path)
	if err != nil {
		return stamp{}
	}
	return stamp{info.Size(), info.ModTime()}
}

func (f *policyFile) parse() (*writtenPolicy, error) {
	text, err := os.ReadFile(f.path)
	if err != nil {
		return nil, fmt.Errorf("read the policy: %w", err)
	}
	p, err := document.Parse(f.path, text)
	if err != nil {
		return nil, err
	}
	return &writtenPolicy{text, p}, nil
}
