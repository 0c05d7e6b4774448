package announce

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"

	"github.com/berthregistry/berth/shared/registry"
	"github.com/berthregistry/berth/shared/table"
)

// An Announcer tells of changes of the table. It keeps nothing between calls.
type Announcer struct {
	// Source is the URI of this registry, as events have it: at most 1 KiB.
	Source string
	// Registry says how subjects stand. It is one that is not bound by For.
	Registry *registry.Registry
	// To are told of everything, each by itself: that one fails does not keep it
	// from the others.
	To  []Publisher
	Log *slog.Logger
}

// Announce tells of changes in their order. done is how many of them, from the
// first on, need not come again: those that mean nothing to those outside count
// as done. It is len(changes) if, and only if, err is nil; else err says why it
// stopped. Changes behind done may have been told of as well, and come again.
func (a *Announcer) Announce(ctx context.Context, changes []table.Change) (done int, err error) {
	var all []news
	for i, c := range changes {
		if h, ok := registry.Happened(c); ok {
			all = append(all, news{h, i})
		}
	}
	for some := range slices.Chunk(all, MaxEvents) {
		if done, err := a.announce(ctx, changes, some); err != nil {
			return done, err
		}
	}
	return len(changes), nil
}

// news is what happened, and which change says so.
type news struct {
	registry.Happening
	change int
}

// announce is Announce for so much news as may be published at once.
func (a *Announcer) announce(ctx context.Context, changes []table.Change, some []news) (done int, err error) {
	standings := a.standings(ctx, some)
	var b batch
	for _, n := range some {
		e, err := a.event(n.Happening, standings)
		if err != nil {
			// What came before is told first, so that what can't be told keeps
			// nothing else waiting.
			done, flushed := a.flush(ctx, &b, n.change)
			return done, errors.Join(flushed, fmt.Errorf("tell of %s in %s: %w", n.Kind, n.Repo, err))
		}
		e.Change = changes[n.change].ID
		if b.add(n.change, e); b.full() {
			if done, err := a.flush(ctx, &b, n.change+1); err != nil {
				return done, err
			}
		}
	}
	return a.flush(ctx, &b, len(changes))
}

// flush publishes a batch and returns how many changes are done: all up to end,
// or those before the first that somebody has not taken.
func (a *Announcer) flush(ctx context.Context, b *batch, end int) (int, error) {
	defer b.reset()
	if len(b.events) == 0 {
		return end, nil
	}
	var errs []error
	first := len(b.events) - 1
	for _, to := range a.To {
		err := to.Publish(ctx, b.events)
		var some *Unpublished
		switch {
		case err == nil:
			continue
		case errors.As(err, &some) && len(some.Failed) > 0:
			first = max(0, min(first, some.Failed[0]))
		default:
			first = 0
		}
		errs = append(errs, err)
	}
	if len(errs) > 0 {
		return b.changes[first], fmt.Errorf("publish %d events: %w", len(b.events), errors.Join(errs...))
	}
	a.Log.DebugContext(ctx, "announced", "events", len(b.events))
	return end, nil
}

// maxBatch bounds the data of the events that are published at once, in bytes.
const maxBatch = 1 << 20

// A batch is what is published at once.
type batch struct {
	events  []Event
	changes []int // which change each event tells of
	size    int
}

func (b *batch) add(change int, e Event) {
	b.events, b.changes = append(b.events, e), append(b.changes, change)
	b.size += len(e.Data)
}

func (b *batch) full() bool { return len(b.events) == MaxEvents || b.size >= maxBatch }

func (b *batch) reset() { *b = batch{} }
