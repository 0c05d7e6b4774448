package mirror

import (
	"context"
	"time"

	"github.com/berthregistry/berth/shared/transfer"
)

// tries is how often a request about a manifest is made where its connection is
// cut. What a registry answers is tried again by the repository's client.
const tries = 5

// firstWait is before the second try; before each further one it is twice as
// long.
const firstWait = 200 * time.Millisecond

// again calls do until its connection holds.
func again(ctx context.Context, do func() error) error {
	for n, wait := 1, firstWait; ; n, wait = n+1, 2*wait {
		err := do()
		if err == nil || n == tries || !transfer.IsCut(err) {
			return err
		}
		timer := time.NewTimer(wait)
		select {
		case <-ctx.Done():
			timer.Stop()
			return ctx.Err()
		case <-timer.C:
		}
	}
}
