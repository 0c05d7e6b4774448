package dynamo

import (
	"context"
	"math/rand/v2"
	"time"
)

// A backoff spaces attempts out. Each pause is drawn between nothing and a
// bound that doubles from first to most, so that those who met once do not
// meet again at the same moment.
type backoff struct {
	first, most time.Duration
	bound       time.Duration
}

// wait pauses, or returns why ctx ended.
func (b *backoff) wait(ctx context.Context) error {
	b.bound = min(max(b.first, 2*b.bound), b.most)
	timer := time.NewTimer(rand.N(b.bound))
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-timer.C:
		return nil
	}
}

// reset makes the next pause a first one.
func (b *backoff) reset() { b.bound = 0 }
