package main

import (
	"context"
	"time"

	"github.com/berthregistry/berth/shared/announce"
	"github.com/berthregistry/berth/shared/table"
)

const (
	// firstPause and longPause are how long to wait after changes could not be
	// told, at first and at most. The pause doubles in between.
	firstPause = 100 * time.Millisecond
	longPause  = time.Minute
	// patientTries is how often that is tried before the changes are read anew.
	// The stream then drops those that it has kept for its life, so that one
	// which cannot ever be told does not keep back the others for longer.
	patientTries = 20
	// breath is how long changes gather after some were told: each run costs
	// commits, which take their turn with those of clients. Who changes something
	// after a quiet moment does not wait for it.
	breath = 40 * time.Millisecond
)

// full is a run that is told without taking breath: there is more.
const full = 50

// follow has all changes of the table told until ctx ends.
func (h *herald) follow(ctx context.Context, a *announce.Announcer) {
	for n := 0; ctx.Err() == nil; n++ {
		err := h.data.table.Changes(ctx, consumer, func(ctx context.Context, run []table.Change) error {
			n = 0
			err := h.tell(ctx, a, run)
			if err == nil && len(run) < full {
				// What is told comes again after a crash here.
				sleep(ctx, breath)
			}
			return err
		})
		if ctx.Err() == nil {
			h.log.ErrorContext(ctx, "what happens is not told", "error", err)
			pause(ctx, n)
		}
	}
}

// tell has a run of changes told, and goes on where it was when some could not
// be. A crash anywhere has the whole run come again: all that are told know
// repeats.
func (h *herald) tell(ctx context.Context, a *announce.Announcer, run []table.Change) error {
	for n := 0; ; n++ {
		done, err := a.Announce(ctx, run)
		if err == nil || n == patientTries || ctx.Err() != nil {
			return err
		}
		if done > 0 {
			n = 0
		}
		run = run[done:]
		h.log.WarnContext(ctx, "what happens is told later", "changes", len(run), "error", err)
		pause(ctx, n)
	}
}

// pause waits for longer the more often something was tried.
func pause(ctx context.Context, n int) {
	sleep(ctx, min(firstPause<<min(n, 20), longPause))
}

func sleep(ctx context.Context, d time.Duration) {
	select {
	case <-time.After(d):
	case <-ctx.Done():
	}
}
