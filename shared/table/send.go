package table

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"
)

// sends is how often a transaction with an unknown outcome is sent.
const sends = 4

// Send makes a transaction happen once. Where its outcome is not known it is
// sent again under the same token. From then on a conflict is no answer either:
// it may be one with its own first try. An error that is Known means that nothing
// happened; after any other it may have.
func Send(ctx context.Context, s Store, tx Tx) error {
	doubt := false
	for n := 1; ; n++ {
		err := s.Transact(ctx, tx)
		sure := err == nil || Known(err) && !(doubt && errors.Is(err, ErrConflict))
		if sure || n == sends || Pause(ctx, n) != nil {
			return certain(err, sure)
		}
		doubt = true
	}
}

// certain keeps an error that leaves in doubt what happened from looking like
// one that does not.
func certain(err error, sure bool) error {
	if sure || !Known(err) {
		return err
	}
	return fmt.Errorf("outcome unknown: %v", err)
}

// Known says whether the error of a transaction means that nothing happened.
func Known(err error) bool { return LostRace(err) || errors.Is(err, ErrLimit) }

// LostRace says whether a transaction failed because others were faster.
func LostRace(err error) bool {
	var c *ConditionError
	return errors.As(err, &c) || errors.Is(err, ErrConflict)
}

// Pause waits a moment that grows with n, the number of times that something was
// tried, at random so that rivals part. Errors: that of ctx.
func Pause(ctx context.Context, n int) error {
	most := time.Millisecond << min(n, 6)
	select {
	case <-time.After(rand.N(most)):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
