package webhook

import (
	"context"
	"errors"
	"time"

	"github.com/berthregistry/berth/shared/table"
)

// errGone is why an event is not even sent.
var errGone = errors.New("it said that it is gone (410)")

// note writes down what became of an event: it is removed if the hook took it,
// becomes a letter if it will not be taken, and else waits. Without a verdict the
// hook was not asked, since it is gone.
func (r *runner) note(ctx context.Context, item table.Item, e entry, v *verdict) (next entry, settled bool, err error) {
	if v == nil {
		return e, true, r.giveUp(ctx, item, e, errGone)
	}
	if v.err == nil {
		return e, true, r.write(ctx, table.Delete(item.Key))
	}
	now := time.Now()
	next = e.failed(now, v.wish)
	switch {
	case v.gone:
		r.gone.Store(true)
		return next, true, r.giveUp(ctx, item, next, errGone)
	case next.exhausted(now):
		return next, true, r.giveUp(ctx, item, next, v.err)
	}
	again := table.Update(item.Key, table.N(attrTries, int64(next.tries)),
		table.N(attrFirst, next.first.UnixMilli()), table.N(attrNext, next.next.UnixMilli()))
	err = r.write(ctx, again.When(table.Exists()))
	if isCondition(err) {
		return next, true, nil // who removed the item has seen to the event
	}
	return next, false, err
}

func (r *runner) giveUp(ctx context.Context, item table.Item, e entry, why error) error {
	item.Attrs = item.With(table.N(attrTries, int64(e.tries)))
	if err := bury(ctx, r.table, item, r.hook.Place(), why.Error()); err != nil {
		return err
	}
	r.log.ErrorContext(ctx, "a webhook has not taken an event, which is a letter now", "event", idOf(e.event), "tries", e.tries, "error", why)
	return nil
}

func (r *runner) write(ctx context.Context, a table.Action) error {
	return table.Send(ctx, r.table, table.Tx{Token: table.NewToken(), Actions: []table.Action{a}})
}

// stumble is the result where the table fails: the event is sent again, and how
// often is known to this process only.
func (r *runner) stumble(ctx context.Context, e entry, err error) result {
	if ctx.Err() == nil {
		r.log.ErrorContext(ctx, "webhook", "error", err)
	}
	return result{entry: e.failed(time.Now(), 0)}
}

// isCondition says whether a write was too late.
func isCondition(err error) bool {
	var c *table.ConditionError
	return errors.As(err, &c)
}
