package announce

import (
	"context"
	"errors"
	"fmt"
	"log/slog"

	"github.com/berthregistry/berth/shared/oci"
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
	var b batch
	for i, c := range changes {
		h, ok := registry.Happened(c)
		if !ok {
			continue
		}
		e, err := a.event(ctx, h, &b)
		if err != nil {
			// What came before is told first, so that what can't be told keeps
			// nothing else waiting.
			n, flushed := a.flush(ctx, &b, i)
			return n, errors.Join(flushed, fmt.Errorf("tell of %s in %s: %w", h.Kind, h.Repo, err))
		}
		e.Change = c.ID
		if b.add(i, e); b.full() {
			if n, err := a.flush(ctx, &b, i+1); err != nil {
				return n, err
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
	// standings are those that were read for this batch: much is attached to one
	// subject at once. Each is true of a moment after the changes were made,
	// which is all that events say.
	standings map[subjectKey]Standing
}

type subjectKey struct {
	repo   string
	digest oci.Digest
}

func (b *batch) add(change int, e Event) {
	b.events, b.changes = append(b.events, e), append(b.changes, change)
	b.size += len(e.Data)
}

func (b *batch) full() bool { return len(b.events) == MaxEvents || b.size >= maxBatch }

func (b *batch) reset() { *b = batch{} }
