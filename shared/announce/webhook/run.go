package webhook

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/berthregistry/berth/shared/table"
)

// A runner sends what is in an outbox. What it knows is a part of what is in the
// table and can be read again at any time.
type runner struct {
	*Outbox
	lines *lines
	busy  int // requests under way
	done  chan result
	ill   bool // the last request failed
	// quiet is until when the hook asked to be left alone.
	quiet   time.Time
	failing bool // the table could not be read
}

// A result is what became of an event that was taken from its line.
type result struct {
	entry
	settled bool     // it is in the outbox no more
	verdict *verdict // nil if the hook was not asked
}

// run sends until ctx ends, and returns when all requests are over.
func (o *Outbox) run(ctx context.Context) {
	r := &runner{Outbox: o, lines: newLines(), done: make(chan result)}
	for ctx.Err() == nil {
		r.receive()
		r.refill(ctx)
		r.start(ctx)
		r.wait(ctx)
	}
	for ; r.busy > 0; r.busy-- {
		<-r.done
	}
}

// receive takes over what was kept since the last time. While the table has more
// than is known here, that would overtake what comes before it in its line: it is
// found in the table, in its turn.
func (r *runner) receive() {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, e := range r.inbox {
		if r.more = r.more || r.lines.size >= r.window; r.more {
			break
		}
		r.lines.add(e)
	}
	r.inbox = nil
}

// refill reads the table again, from the first event on, once there is room for
// what was left there.
func (r *runner) refill(ctx context.Context) {
	r.mu.Lock()
	wanted := r.more && r.lines.size <= r.window/2
	r.more = r.more && !wanted // what is kept from here on is told
	r.mu.Unlock()
	if !wanted {
		return
	}
	r.lines.forget()
	more, err := r.read(ctx)
	if r.failing = err != nil; r.failing && ctx.Err() == nil {
		r.log.ErrorContext(ctx, "read what a webhook is owed", "error", err)
		r.quiet = time.Now().Add(firstDelay) // and again
	}
	if more || r.failing {
		r.mu.Lock()
		r.more = true
		r.mu.Unlock()
	}
}

// read reads until the window is full. It says whether there is more.
func (r *runner) read(ctx context.Context) (more bool, err error) {
	for item, err := range all(ctx, r.table, table.Query{Partition: hookPrefix + r.id, Prefix: eventPrefix}) {
		if err != nil {
			return false, err
		}
		if r.lines.size >= r.window {
			return true, nil
		}
		r.lines.add(entryOf(item))
	}
	return false, nil
}

// start sends what is due. To a hook that fails one request at a time is enough.
func (r *runner) start(ctx context.Context) {
	most := atOnce
	if r.ill {
		most = 1
	}
	now := time.Now()
	for r.busy < most && !now.Before(r.quiet) {
		at, ok := r.lines.next()
		if !ok || at.After(now) {
			return
		}
		e := r.lines.take()
		r.busy++
		go func() { r.done <- r.deliver(ctx, e) }()
	}
}

// wait returns when there may be something to do.
func (r *runner) wait(ctx context.Context) {
	var alarm <-chan time.Time
	if until := r.pause(); until >= 0 {
		timer := time.NewTimer(until)
		defer timer.Stop()
		alarm = timer.C
	}
	select {
	case <-ctx.Done():
	case <-r.kick:
	case <-alarm:
	case x := <-r.done:
		r.busy--
		r.lines.done(x.entry, !x.settled)
		if x.verdict != nil {
			r.look(ctx, *x.verdict)
		}
	}
}

// pause is how long there is nothing to do unless something comes, negative for
// ever.
func (r *runner) pause() time.Duration {
	at, ok := r.lines.next()
	if r.failing {
		at, ok = r.quiet, true
	}
	if !ok || r.busy >= atOnce || r.ill && r.busy > 0 {
		return -1
	}
	if at.Before(r.quiet) {
		at = r.quiet
	}
	return max(time.Until(at), 0)
}

// look learns from an answer how the hook is. The log is told when that changes.
func (r *runner) look(ctx context.Context, v verdict) {
	if v.wish > 0 {
		r.quiet = time.Now().Add(v.wish)
	}
	switch failed := v.err != nil; {
	case failed && !r.ill:
		r.log.WarnContext(ctx, "a webhook does not take events", "error", v.err, "waiting", r.lines.size)
	case !failed && r.ill:
		r.log.InfoContext(ctx, "a webhook takes events again", "waiting", r.lines.size)
	}
	r.ill = v.err != nil
}

// deliver sends an event once and notes what became of it.
func (r *runner) deliver(ctx context.Context, e entry) result {
	item, err := r.table.Get(ctx, eventKey(r.id, e.event))
	switch {
	case errors.Is(err, table.ErrAbsent):
		return result{entry: e, settled: true}
	case err != nil:
		return r.stumble(ctx, e, fmt.Errorf("read an event: %w", err))
	}
	if r.gone.Load() {
		return r.close(ctx, item, e, nil)
	}
	v := r.send(ctx, e.event, item.Bin(attrEvent))
	return r.close(ctx, item, e, &v)
}

// close notes what became of an event, also when the process is to end. A crash
// before that has the event sent again.
func (r *runner) close(ctx context.Context, item table.Item, e entry, v *verdict) result {
	ctx = context.WithoutCancel(ctx)
	next, settled, err := r.note(ctx, item, e, v)
	if err != nil {
		return r.stumble(ctx, e, fmt.Errorf("note what became of an event: %w", err))
	}
	return result{next, settled, v}
}
