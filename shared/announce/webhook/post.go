package webhook

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"sync"

	"github.com/berthregistry/berth/shared/announce"
	"github.com/berthregistry/berth/shared/table"
)

// Options are what a Post is made of.
type Options struct {
	// Table keeps what is not taken yet. Events are of changes with numbers for
	// IDs, as those of package table/local.
	Table table.Store
	// Hooks may be none. No two of them have the same ID.
	Hooks []Hook
	// Idle is set where nothing is sent, and the post only has letters to show
	// and to put back for the next one on the table. It has no Hooks then.
	Idle bool
	// Transport carries requests; NewTransport makes it if it is nil.
	Transport http.RoundTripper
	Log       *slog.Logger
}

// A Post brings events to hooks. What a hook does not take for a day becomes a
// letter, which is kept for LetterLife. It is safe for concurrent use.
type Post struct {
	table   table.Store
	log     *slog.Logger
	idle    bool
	boxes   []*Outbox
	byHook  map[string]*Outbox
	letters sync.Mutex // held by whoever sends letters again
}

// Open opens a post, of which there is one for a table at a time. It notes the
// hooks in the table before anything is kept for them, so that what a hook that
// is gone by the next start was owed is found.
func Open(ctx context.Context, o Options) (*Post, error) {
	if o.Transport == nil {
		o.Transport = NewTransport()
	}
	p := &Post{table: o.Table, log: o.Log, idle: o.Idle, byHook: map[string]*Outbox{}}
	for _, h := range o.Hooks {
		id := h.ID()
		if p.byHook[id] != nil {
			return nil, fmt.Errorf("two webhooks at %s have the same URL but for credentials and query", h.Place())
		}
		box := newOutbox(h, o)
		p.boxes, p.byHook[id] = append(p.boxes, box), box
		note := table.Put(hookKey(id), table.S(attrPlace, h.Place()))
		if err := table.Send(ctx, o.Table, table.Tx{Token: table.NewToken(), Actions: []table.Action{note}}); err != nil {
			return nil, fmt.Errorf("note a webhook: %w", err)
		}
	}
	return p, nil
}

// Publishers are the outboxes of the hooks, for an Announcer.
func (p *Post) Publishers() []announce.Publisher {
	var all []announce.Publisher
	for _, box := range p.boxes {
		all = append(all, box)
	}
	return all
}

// Run sends what is kept until ctx ends. Requests under way are then given a
// moment to be answered. It is called once.
func (p *Post) Run(ctx context.Context) {
	var running sync.WaitGroup
	for _, box := range p.boxes {
		running.Go(func() { box.run(ctx) })
	}
	if err := p.retire(ctx); err != nil && ctx.Err() == nil {
		p.log.ErrorContext(ctx, "events of former webhooks stay where they are", "error", err)
	}
	running.Wait()
}

// retire makes letters of what hooks were owed that are no longer set. Cut short,
// it goes on at the next start.
func (p *Post) retire(ctx context.Context) error {
	for item, err := range all(ctx, p.table, table.Query{Partition: hooksPartition, Prefix: hookPrefix}) {
		if err != nil {
			return fmt.Errorf("list webhooks: %w", err)
		}
		id := item.Sort[len(hookPrefix):]
		if p.byHook[id] != nil {
			continue
		}
		if err := p.retireHook(ctx, id, item.Str(attrPlace)); err != nil {
			return err
		}
	}
	return nil
}

func (p *Post) retireHook(ctx context.Context, id, place string) error {
	moved := 0
	for item, err := range all(ctx, p.table, table.Query{Partition: hookPrefix + id, Prefix: eventPrefix}) {
		if err == nil {
			err = bury(ctx, p.table, item, place, "its webhook is not set any more")
		}
		if err != nil {
			return fmt.Errorf("make letters of what a webhook was owed: %w", err)
		}
		moved++
	}
	if moved > 0 {
		p.log.WarnContext(ctx, "a webhook is not set any more, and its events are letters", "hook", id, "place", place, "events", moved)
	}
	// A crash before this finds nothing to move the next time.
	err := table.Send(ctx, p.table, table.Tx{Token: table.NewToken(), Actions: []table.Action{table.Delete(hookKey(id))}})
	if err != nil {
		return fmt.Errorf("forget a former webhook: %w", err)
	}
	return nil
}
