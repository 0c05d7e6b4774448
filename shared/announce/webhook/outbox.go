package webhook

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/berthregistry/berth/shared/announce"
	"github.com/berthregistry/berth/shared/table"
)

// An Outbox keeps the events that one hook is owed, in the table, and sends
// them. What is in it survives whatever ends the process.
type Outbox struct {
	hook   Hook
	id     string
	table  table.Store
	client *http.Client
	log    *slog.Logger
	window int // of events that are known at once

	mu    sync.Mutex
	inbox []entry       // kept, and not known to run yet
	more  bool          // the table has more than run knows
	kick  chan struct{} // there is something in the inbox

	// gone is set when the hook says that it is for ever.
	gone atomic.Bool
}

var _ announce.Publisher = (*Outbox)(nil)

// maxWindow bounds the events that are held in memory for one hook, without
// what is in them: some 20 MB.
const maxWindow = 50_000

func newOutbox(h Hook, o Options) *Outbox {
	id := h.ID()
	return &Outbox{
		hook: h, id: id, table: o.Table, client: newClient(o.Transport), window: maxWindow,
		more: true, kick: make(chan struct{}, 1),
		log: o.Log.With("hook", id, "place", h.Place()),
	}
}

// maxPut bounds the events of one transaction, in bytes.
const maxPut = table.MaxTx / 2

// Publish implements announce.Publisher. Events are durable in the table when it
// returns. One that is there already is left as it is: how often it was sent in
// vain still counts.
func (o *Outbox) Publish(ctx context.Context, events []announce.Event) error {
	for start := 0; start < len(events); {
		end, actions, err := o.puts(events, start)
		if err == nil {
			err = o.keep(ctx, actions)
		}
		if err != nil {
			// A crash or an error here leaves those before start, which come
			// again and are found.
			return &announce.Unpublished{Failed: from(start, len(events)), Err: fmt.Errorf("keep for webhook %s: %w", o.id, err)}
		}
		start = end
	}
	return nil
}

// from lists the numbers from start up to end.
func from(start, end int) []int {
	var out []int
	for i := start; i < end; i++ {
		out = append(out, i)
	}
	return out
}

// puts makes actions of as many events as fit a transaction, at least one, and
// says where the rest begins. Those that the hook does not want are passed over.
func (o *Outbox) puts(events []announce.Event, start int) (end int, actions []table.Action, err error) {
	size := 0
	for end = start; end < len(events) && len(actions) < table.MaxActions && size < maxPut; end++ {
		e := events[end]
		if o.hook.Wants != nil && !o.hook.Wants(e) {
			continue
		}
		name, err := eventName(e)
		if err != nil {
			return 0, nil, err
		}
		key := eventKey(o.id, name)
		if slices.ContainsFunc(actions, func(a table.Action) bool { return a.Key == key }) {
			continue // no transaction takes it twice
		}
		body, err := e.JSON()
		if err != nil {
			return 0, nil, err
		}
		size += len(body)
		actions = append(actions, table.Put(key, table.B(attrEvent, body), table.S(attrLine, e.PartitionKey)).When(table.Absent()))
	}
	return end, actions, nil
}

// keep does what puts made, but for those that are there already.
func (o *Outbox) keep(ctx context.Context, actions []table.Action) error {
	for len(actions) > 0 {
		err := table.Send(ctx, o.table, table.Tx{Token: table.NewToken(), Actions: actions})
		var there *table.ConditionError
		switch {
		case errors.As(err, &there):
			for _, i := range slices.Backward(there.Failed) {
				actions = slices.Delete(actions, i, i+1)
			}
			// Perhaps run was never told of them: the table kept them and failed.
			o.reread()
		case err != nil:
			return err
		default:
			o.tell(actions)
			return nil
		}
	}
	return nil
}

// tell lets run know of what is kept. What finds no room is read from the table
// when there is some.
func (o *Outbox) tell(actions []table.Action) {
	o.mu.Lock()
	for _, a := range actions {
		if o.more = o.more || len(o.inbox) >= o.window; o.more {
			break
		}
		o.inbox = append(o.inbox, entry{event: a.Key.Sort[len(eventPrefix):], line: a.Set.Str(attrLine)})
	}
	o.mu.Unlock()
	o.wake()
}

// reread has run look into the table for what it was not told of.
func (o *Outbox) reread() {
	o.mu.Lock()
	o.more = true
	o.mu.Unlock()
	o.wake()
}

func (o *Outbox) wake() {
	select {
	case o.kick <- struct{}{}:
	default: // it is told already
	}
}

// An entry is an event that waits, without what is in it.
type entry struct {
	event       string // its name
	line        string
	tries       int
	first, next time.Time // zero before it was sent
}

// entryOf reads an entry from the table.
func entryOf(item table.Item) entry {
	e := entry{event: item.Sort[len(eventPrefix):], line: item.Str(attrLine), tries: int(item.Num(attrTries))}
	if e.tries > 0 {
		// Written while the clock was ahead, they may be a year away.
		now := time.Now()
		e.first = earlier(time.UnixMilli(item.Num(attrFirst)), now)
		e.next = earlier(time.UnixMilli(item.Num(attrNext)), now.Add(maxDelay))
	}
	return e
}

func earlier(a, b time.Time) time.Time {
	if a.Before(b) {
		return a
	}
	return b
}
