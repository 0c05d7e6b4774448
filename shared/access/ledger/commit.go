package ledger

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/berthregistry/berth/shared/table"
)

// How often a transaction is sent while nobody knows what became of it, and how
// often something is decided anew because others were faster.
const (
	sends  = 4
	rounds = 12
)

// errBusy is the error after too many rounds.
var errBusy = errors.New("too many changes of the same thing at once")

// decide repeats a step that reads and then commits, as long as it loses to
// others.
func decide(ctx context.Context, step func() error) error {
	for n := 1; n <= rounds; n++ {
		if err := step(); !lostRace(err) {
			return err
		}
		if err := pause(ctx, n); err != nil {
			return err
		}
	}
	return errBusy
}

// commit makes the actions happen as one. Where the outcome is not known the
// transaction is sent again under its token, and is done once all the same.
// From then on a conflict is no answer: it may be one with its own first try.
func (l *Ledger) commit(ctx context.Context, tx table.Tx) error {
	doubt := false
	for n := 1; ; n++ {
		err := l.table.Transact(ctx, tx)
		if err == nil || known(err) && !(doubt && errors.Is(err, table.ErrConflict)) {
			return err
		}
		if n == sends || pause(ctx, n) != nil {
			return fmt.Errorf("outcome unknown: %v", err) // it must not look like one of the known
		}
		doubt = true
	}
}

func (l *Ledger) write(ctx context.Context, actions ...table.Action) error {
	return l.commit(ctx, table.Tx{Token: table.NewToken(), Actions: actions})
}

// known says whether the error of a transaction means that nothing happened.
func known(err error) bool { return lostRace(err) || errors.Is(err, table.ErrLimit) }

// lostRace says whether a transaction failed because others were faster.
func lostRace(err error) bool {
	var c *table.ConditionError
	return errors.As(err, &c) || errors.Is(err, table.ErrConflict)
}

// pause waits a moment that grows with n, at random so that rivals part.
func pause(ctx context.Context, n int) error {
	select {
	case <-time.After(rand.N(time.Millisecond << min(n, 6))):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
