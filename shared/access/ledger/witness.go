package ledger

import (
	"context"
	"maps"
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

// makeRoom sees to it that there is room for one more tally. Where there is
// none, those go that count no more, and then any that block nobody, until a
// tenth is free: going through all of them must be rare.
func (w *Witness) makeRoom(now time.Time) {
	if len(w.tallies) < maxTallies {
		return
	}
	maps.DeleteFunc(w.tallies, func(name string, t tally) bool { return t.over(name, now) })
	maps.DeleteFunc(w.tallies, func(name string, t tally) bool {
		return len(w.tallies) > maxTallies*9/10 && t.blocked(name, now) == 0
	})
	if len(w.tallies) >= maxTallies { // thousands of addresses are at it: begin again
		clear(w.tallies)
	}
}
