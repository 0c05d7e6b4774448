package main

import (
	"context"
	"errors"
	"sync"

	"github.com/berthregistry/berth/shared/table"
)

// A bill is what AWS would meter of some requests.
type bill struct {
	gateway     float64 // steps of 512 KB that passed the HTTP API
	invocations float64

	reads, writes         float64 // calls of the table
	readUnits, writeUnits float64

	s3Calls           float64 // made by functions
	s3Bytes           float64 // that functions sent or received
	s3Reads, s3Writes float64 // as S3 bills them, those of clients too
	copied            float64 // bytes that S3 copied while a function waited

	told float64 // events on the bus, in steps of 64 KB
}

// times is the bill of n such things.
func (b bill) times(n float64) bill {
	return bill{
		b.gateway * n, b.invocations * n, b.reads * n, b.writes * n, b.readUnits * n, b.writeUnits * n,
		b.s3Calls * n, b.s3Bytes * n, b.s3Reads * n, b.s3Writes * n, b.copied * n,
		b.told * n,
	}
}

// plus is the bill of both.
func (b bill) plus(o bill) bill {
	return bill{
		b.gateway + o.gateway, b.invocations + o.invocations, b.reads + o.reads, b.writes + o.writes,
		b.readUnits + o.readUnits, b.writeUnits + o.writeUnits,
		b.s3Calls + o.s3Calls, b.s3Bytes + o.s3Bytes, b.s3Reads + o.s3Reads, b.s3Writes + o.s3Writes,
		b.copied + o.copied, b.told + o.told,
	}
}

// meter is the bill in the making. It is safe for concurrent use.
type meter struct {
	mu   sync.Mutex
	bill bill
}

func (m *meter) add(f func(*bill)) {
	m.mu.Lock()
	defer m.mu.Unlock()
	f(&m.bill)
}

// take returns the bill and begins a new one.
func (m *meter) take() bill {
	m.mu.Lock()
	defer m.mu.Unlock()
	b := m.bill
	m.bill = bill{}
	return b
}

// meteredTable counts in DynamoDB's units what passes through it: a strongly
// consistent read costs one for each 4 KB begun, of a missing item too; what a
// transaction writes or checks costs two for each KB begun, of the item before
// or after, whichever is larger.
type meteredTable struct {
	table.Store
	meter *meter
}

const (
	readUnit  = 4 << 10
	writeUnit = 1 << 10
)

func units(bytes, unit int) float64 { return float64(max(1, (bytes+unit-1)/unit)) }

func (t meteredTable) Get(ctx context.Context, key table.Key) (table.Item, error) {
	it, err := t.Store.Get(ctx, key)
	t.meter.add(func(b *bill) {
		b.reads++
		b.readUnits += units(sizeOf(it), readUnit)
	})
	return it, err
}

// sizeOf is 0 of what is absent.
func sizeOf(it table.Item) int {
	if it.Partition == "" {
		return 0
	}
	return it.Size()
}

// GetMany costs as much as whole items, also where only some attributes are
// asked for.
func (t meteredTable) GetMany(ctx context.Context, keys []table.Key, names ...string) (map[table.Key]table.Item, error) {
	whole, err := t.Store.GetMany(ctx, keys)
	if err != nil {
		return nil, err
	}
	t.meter.add(func(b *bill) {
		b.reads++
		for _, key := range keys {
			b.readUnits += units(sizeOf(whole[key]), readUnit)
		}
	})
	return t.Store.GetMany(ctx, keys, names...)
}

func (t meteredTable) Query(ctx context.Context, q table.Query) (table.Page, error) {
	page, err := t.Store.Query(ctx, q)
	size := 0
	for _, it := range page.Items {
		size += it.Size()
	}
	t.meter.add(func(b *bill) {
		b.reads++
		b.readUnits += units(size, readUnit)
	})
	return page, err
}

func (t meteredTable) Transact(ctx context.Context, tx table.Tx) error {
	before, err := t.sizes(ctx, tx)
	if err != nil {
		return err
	}
	outcome := t.Store.Transact(ctx, tx)
	after, err := t.sizes(ctx, tx)
	if err != nil {
		return err
	}
	t.meter.add(func(b *bill) {
		b.writes++
		for i := range tx.Actions {
			b.writeUnits += 2 * units(max(before[i], after[i]), writeUnit)
		}
	})
	return outcome
}

func (t meteredTable) sizes(ctx context.Context, tx table.Tx) ([]int, error) {
	sizes := make([]int, len(tx.Actions))
	for i, a := range tx.Actions {
		it, err := t.Store.Get(ctx, a.Key)
		if err != nil && !errors.Is(err, table.ErrAbsent) {
			return nil, err
		}
		sizes[i] = sizeOf(it)
	}
	return sizes, nil
}
