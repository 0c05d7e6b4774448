// Package ledger keeps what the table holds about access: the policy in force,
// the keys that tokens are verified with, robots, and who has failed to log in.
//
// What every request needs, the State, is one read for many requests. Whatever
// else is here is read when it is asked for, so that a robot that was revoked
// is gone at once.
//
// Whoever can write the partition can let themselves in: they set the policy
// and the keys. Whoever can read it learns the policy and the names of robots,
// and no secret.
package ledger

import (
	"cmp"
	"errors"
	"log/slog"
	"time"

	"github.com/berthregistry/berth/shared/table"
)

// Options are what may be set about a ledger.
type Options struct {
	// Now is the time; time.Now if nil.
	Now func() time.Time
	// Fresh is how long a State is used before it is read again; 12 seconds if
	// zero.
	Fresh time.Duration
	// Log gets what goes wrong while an older State is still good. May be nil.
	Log *slog.Logger
}

// A Ledger reads and writes what a table holds about access. It is safe for
// concurrent use, and so are several on one table.
type Ledger struct {
	table  table.Store
	now    func() time.Time
	memory *memory
	today  diary
}

// New returns the ledger of a table.
func New(t table.Store, o Options) *Ledger {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	l := &Ledger{table: t, now: o.Now}
	l.memory = &memory{read: l.read, now: o.Now, fresh: cmp.Or(o.Fresh, defaultFresh), log: o.Log}
	return l
}

var (
	// ErrAbsent is returned for a robot or a policy that is not there.
	ErrAbsent = errors.New("not there")
	// ErrExists is returned where there is a robot of that name already.
	ErrExists = errors.New("exists already")
	// ErrChanged is returned where what was to be replaced is not what is there
	// any more.
	ErrChanged = errors.New("changed meanwhile")
	// ErrInvalid is wrapped by errors about what cannot be kept; their texts
	// say why, and may be shown to whoever asked.
	ErrInvalid = errors.New("invalid")
)
