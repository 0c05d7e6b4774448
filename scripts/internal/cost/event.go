package main

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/berthregistry/berth/shared/announce"
	"github.com/berthregistry/berth/shared/registry"
	"github.com/berthregistry/berth/shared/table"
)

// eventStep is what EventBridge bills as one event, in bytes.
const eventStep = 64 << 10

// meteredBus counts what is put on it.
type meteredBus struct{ meter *meter }

func (b meteredBus) Publish(_ context.Context, events []announce.Event) error {
	for _, e := range events {
		text, err := e.JSON()
		if err != nil {
			return err
		}
		b.meter.add(func(b *bill) { b.told += units(len(text), eventStep) })
	}
	return nil
}

// countEvent counts what it takes to tell of a referrer that was attached before,
// in an invocation of its own: many at once cost less. The stream costs nothing
// where Lambda reads it.
func countEvent(ctx context.Context, items meteredTable) (bill, error) {
	page, err := items.Query(ctx, table.Query{Partition: "repo#" + repo, Prefix: "referrer#"})
	if err != nil {
		return bill{}, err
	}
	if len(page.Items) == 0 {
		return bill{}, fmt.Errorf("nothing refers to anything in %s", repo)
	}
	a := announce.Announcer{
		Source: "https://registry.example.com", Registry: registry.New(items, nil, registry.Options{}),
		To: []announce.Publisher{announce.NewLog(items, time.Now), meteredBus{items.meter}}, Log: slog.New(slog.DiscardHandler),
	}
	for range 2 { // the first event of a repository is another matter
		items.meter.take()
		attached := table.Change{ID: "a", Key: page.Items[0].Key, New: &page.Items[0], At: time.Now()}
		if _, err := a.Announce(ctx, []table.Change{attached}); err != nil {
			return bill{}, err
		}
		items.meter.add(func(b *bill) { b.invocations++ })
	}
	return items.meter.take(), nil
}
