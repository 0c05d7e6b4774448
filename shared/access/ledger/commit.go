package ledger

import (
	"context"
	"errors"

	"github.com/berthregistry/berth/shared/table"
)

// rounds is how often something is decided anew because others were faster.
const rounds = 12

// errBusy is the error after too many rounds.
var errBusy = errors.New("too many changes of the same thing at once")

// decide repeats a step that reads and then commits, as long as it loses to
// others.
func decide(ctx context.Context, step func() error) error {
	for n := 1; n <= rounds; n++ {
		if err := step(); !table.LostRace(err) {
			return err
		}
		if err := table.Pause(ctx, n); err != nil {
			return err
		}
	}
	return errBusy
}

// commit makes a transaction happen once; see table.Send.
func (l *Ledger) commit(ctx context.Context, tx table.Tx) error { return table.Send(ctx, l.table, tx) }

func (l *Ledger) write(ctx context.Context, actions ...table.Action) error {
	return l.commit(ctx, table.Tx{Token: table.NewToken(), Actions: actions})
}
