package login

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"slices"
	"strings"
	"sync"
	"time"
	"unicode"

	"github.com/berthregistry/berth/shared/access/ledger"
)

// Bounds of a file of users.
const (
	maxFile  = 1 << 20 // bytes
	maxUsers = 10_000
)

// An entry is a user in the file.
type entry struct {
	name string
	text string // the hash as it is written
	hash hash
}

// entries are all users of a file.
type entries struct {
	byName map[string]entry
	names  []string // sorted
}

// decoy picks an entry by a random number that belongs to a name: the same for
// the same name.
func (es *entries) decoy(random []byte) entry {
	if len(es.names) == 0 {
		return entry{}
	}
	n := binary.BigEndian.Uint64(random) % uint64(len(es.names))
	return es.byName[es.names[n]]
}

// A file is a file of users that is read again when it has changed. It is safe
// for concurrent use.
type file struct {
	path string
	log  *slog.Logger
	now  func() time.Time

	mu     sync.Mutex
	known  *entries
	looked time.Time
	read   stamp // of the text that was read last, good or bad
}

// A stamp tells one state of a file from another.
type stamp struct {
	size  int64
	mtime time.Time
}

const (
	// lookEvery is how often the file is looked at, at most.
	lookEvery = time.Second
	// settle is how old a change must be for its time to tell it from the next:
	// some file systems have a clock of two seconds.
	settle = 2 * time.Second
)

func openFile(path string, log *slog.Logger, now func() time.Time) (*file, error) {
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	f := &file{path: path, log: log, now: now, looked: now()}
	f.read = f.stamp()
	var err error
	if f.known, err = load(path); err != nil {
		return nil, err
	}
	return f, nil
}

// users returns the users that the file has, or had before there was an error
// in it.
func (f *file) users(ctx context.Context) *entries {
	f.mu.Lock()
	defer f.mu.Unlock()
	now := f.now()
	if now.Sub(f.looked) < lookEvery {
		return f.known
	}
	f.looked = now
	if at := f.stamp(); at != f.read {
		f.reload(ctx, at)
	}
	return f.known
}

func (f *file) reload(ctx context.Context, at stamp) {
	f.read = at
	known, err := load(f.path)
	if err != nil {
		f.log.ErrorContext(ctx, "users not taken, the old ones stay", "error", err)
		return
	}
	f.known = known
	f.log.InfoContext(ctx, "users taken", "file", f.path, "users", len(known.names))
}

// stamp returns the present state of the file. One that has just changed may
// change again without showing it, so that is a state of its own, which makes
// the file be read once more. A missing file is a state like any other.
func (f *file) stamp() stamp {
	info, err := os.Stat(f.path)
	switch {
	case err != nil:
		return stamp{}
	case f.now().Sub(info.ModTime()).Abs() < settle:
		return stamp{size: -1, mtime: info.ModTime()}
	}
	return stamp{info.Size(), info.ModTime()}
}

// load reads a file of users.
func load(path string) (*entries, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("read users: %w", err)
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	switch {
	case err != nil:
		return nil, fmt.Errorf("read users: %w", err)
	case len(text) > maxFile:
		return nil, fmt.Errorf("%s: a file of users has at most %d bytes", path, maxFile)
	}
	return parse(path, text)
}

// parse reads the text of a file of users. Errors begin with name and line, and
// have nothing of the hash.
func parse(name string, text []byte) (*entries, error) {
	es := &entries{byName: map[string]entry{}}
	n := 0
	for line := range bytes.Lines(text) {
		n++
		line := strings.TrimSpace(string(line))
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		if err := es.add(line); err != nil {
			return nil, fmt.Errorf("%s:%d: %w", name, n, err)
		}
	}
	slices.Sort(es.names)
	return es, nil
}

func (es *entries) add(line string) error {
	name, text, ok := strings.Cut(line, ":")
	if !ok {
		return errors.New("a user is a name and a hash, with a colon between them")
	}
	if err := checkName(name); err != nil {
		return err
	}
	if _, twice := es.byName[name]; twice {
		return errors.New("the user is there already")
	}
	if len(es.names) == maxUsers {
		return fmt.Errorf("more than %d users", maxUsers)
	}
	h, err := parseHash(text)
	if err != nil {
		return err
	}
	es.byName[name] = entry{name: name, text: text, hash: h}
	es.names = append(es.names, name)
	return nil
}

// checkName refuses names that a log or a policy could not tell from something
// else.
func checkName(name string) error {
	odd := func(c rune) bool { return !unicode.IsPrint(c) || c == ' ' || c == '*' || c == unicode.ReplacementChar }
	switch {
	case name == "" || len(name) > maxUser || strings.IndexFunc(name, odd) >= 0:
		return fmt.Errorf("a user's name has 1 to %d bytes, without spaces, stars or what cannot be printed", maxUser)
	case reserved(name) || ledger.IsID(name):
		return errors.New("the name is not free: this is how others log in than users")
	}
	return nil
}

// reserved says whether a name is that of a way to log in. See package
// federate.
func reserved(name string) bool { return name == "oidc" || name == "aws" }
