package ledger

import (
	"context"
	"sync"
	"time"
)

// A Witness counts failures in the memory of one process, and goes by what the
// ledger has counted as well. It is for who may read the table only. It is safe
// for concurrent use.
type Witness struct {
	ledger *Ledger

	mu      sync.Mutex
	tallies map[string]tally
}

// maxTallies bounds the memory of a witness.
const maxTallies = 10_000

// Witness returns a limiter that writes nothing.
func (l *Ledger) Witness() *Witness { return &Witness{ledger: l, tallies: map[string]tally{}} }

// Blocked is like the ledger's.
func (w *Witness) Blocked(ctx context.Context, names ...string) (time.Duration, error) {
	wait, err := w.ledger.Blocked(ctx, names...)
	if err != nil {
		return 0, err
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, name := range names {
		wait = max(wait, w.tallies[name].blocked(name, w.ledger.now()))
	}
	return wait, nil
}

// Failed is like the ledger's. It never fails.
func (w *Witness) Failed(_ context.Context, names ...string) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	now := w.ledger.now()
	for _, name := range countable(names) {
		t := w.tallies[name]
		switch {
		case t.blocked(name, now) > 0:
			continue
		case t.over(name, now):
			w.makeRoom(now)
			t = tally{since: now}
		}
		t.count++
		t.last = now
		w.tallies[name] = t
	}
	return nil
}

// makeRoom forgets tallies until there is room for one: those that are over,
// or else any, which are not likely to be those of one who tries a lot.
func (w *Witness) makeRoom(now time.Time) {
	if len(w.tallies) < maxTallies {
		return
	}
	for name, t := range w.tallies {
		if t.over(name, now) {
			delete(w.tallies, name)
		}
	}
	for name := range w.tallies {
		if len(w.tallies) < maxTallies {
			return
		}
		delete(w.tallies, name)
	}
}
