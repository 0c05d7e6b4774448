package main

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"sync/atomic"

	"github.com/berthregistry/berth/shared/access"
	"github.com/berthregistry/berth/shared/access/document"
	"github.com/berthregistry/berth/shared/access/ledger"
	"github.com/berthregistry/berth/shared/follow"
)

// A policyFile is a policy in force that is kept in a file. It is safe for
// concurrent use.
type policyFile struct {
	path    string
	log     *slog.Logger
	file    *follow.File
	current atomic.Pointer[writtenPolicy]
}

type writtenPolicy struct {
	text   []byte
	policy *access.Policy
}

// openPolicy reads the policy at path. An error in it is returned; later ones
// are only logged.
func openPolicy(path string, log *slog.Logger) (*policyFile, error) {
	f := &policyFile{path: path, log: log, file: follow.New(path)}
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
		return &s, nil
	}
}

// follow keeps the policy up with the file until ctx ends: at each signal from
// reload, and when the file's time or size has changed. A file that cannot be
// read or has an error in it leaves the policy as it was; the log says so once.
// It is called once.
func (f *policyFile) follow(ctx context.Context, reload <-chan os.Signal) {
	f.file.Follow(ctx, follow.Poll, reload, f.reload)
}

func (f *policyFile) reload(ctx context.Context) {
	w, err := f.parse()
	if err != nil {
		f.log.ErrorContext(ctx, "policy not taken, the old one stays in force", "error", err)
		return
	}
	f.current.Store(w)
	f.log.InfoContext(ctx, "policy taken", "file", f.path, "version", w.policy.Version(), "rules", len(w.policy.Rules))
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
