package announce

import (
	"context"
	"fmt"
)

// A Publisher brings events to where they are wanted.
type Publisher interface {
	// Publish takes events, at most MaxEvents, and returns nil when all are
	// durable at the receiver: they need not come again. Otherwise it returns an
	// *Unpublished that says which are not, or another error if that may be said
	// of all. Events come again after a failure and after a crash, those that
	// were taken too; they are told by their id. It is called by one caller at a
	// time.
	Publish(ctx context.Context, events []Event) error
}

// MaxEvents bounds what a Publisher gets at once.
const MaxEvents = 100

// Unpublished is the error of a Publisher that has taken some events only.
type Unpublished struct {
	Failed []int // their indexes, ascending, never empty
	Err    error
}

func (u *Unpublished) Error() string {
	return fmt.Sprintf("%d events not published, the first is %d: %v", len(u.Failed), u.Failed[0], u.Err)
}

func (u *Unpublished) Unwrap() error { return u.Err }
