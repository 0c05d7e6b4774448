package registry_test

import (
	"context"
	"fmt"
	"sync/atomic"
	"testing"

	"github.com/berthregistry/berth/shared/registry"
	"github.com/berthregistry/berth/shared/table"
)

// A weighing table counts the items that were read, their bytes, and the read
// units that DynamoDB would take: one for each 4 KiB begun, of an item or of all
// items of a query together.
type weighing struct {
	table.Store
	items, bytes, units atomic.Int64
}

func (w *weighing) weigh(items ...table.Item) {
	size := 0
	for _, item := range items {
		size += item.Size()
	}
	w.items.Add(int64(len(items)))
	w.bytes.Add(int64(size))
	w.units.Add(int64(max(1, (size+4095)/4096)))
}

func (w *weighing) Get(ctx context.Context, key table.Key) (table.Item, error) {
	item, err := w.Store.Get(ctx, key)
	w.weigh(item)
	return item, err
}

func (w *weighing) Query(ctx context.Context, q table.Query) (table.Page, error) {
	page, err := w.Store.Query(ctx, q)
	w.weigh(page.Items...)
	return page, err
}

// BenchmarkReferrers is what a list of a thousand costs who has it already, beside
// who has not.
func BenchmarkReferrers(b *testing.B) {
	tab, obj := stores(b)
	w := &weighing{Store: tab}
	tm := newTeamOn(b, w, obj, registry.Options{})
	config := tm.blob(100)
	subject := tm.mustPut("1", image(config, nil, nil))
	for n := range 1000 {
		tm.mustPut("", referrer(config, subject, fmt.Sprintf("application/vnd.t%d", n%4), n))
	}
	known := tm.fingerprint(subject.Digest, "")
	for name, has := range map[string]bool{"200": false, "304": true} {
		b.Run(name, func(b *testing.B) {
			w.items.Store(0)
			w.bytes.Store(0)
			w.units.Store(0)
			for b.Loop() {
				_, same, err := tm.reg.ReferrersUnless(b.Context(), tm.repo, subject.Digest, "",
					func(now string) bool { return has && now == known })
				if err != nil || same != has {
					b.Fatalf("the same: %v, %v", same, err)
				}
			}
			b.ReportMetric(float64(w.items.Load())/float64(b.N), "items/op")
			b.ReportMetric(float64(w.bytes.Load())/float64(b.N), "bytes/op")
			b.ReportMetric(float64(w.units.Load())/float64(b.N), "units/op")
		})
	}
}
