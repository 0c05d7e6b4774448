package dynamo_test

import (
	"context"
	"fmt"
	"sync/atomic"
	"testing"

	"github.com/berthregistry/berth/shared/table"
	"github.com/berthregistry/berth/shared/table/dynamo"
)

// BenchmarkStore measures the driver and the engine together, for one caller
// and for sixteen.
func BenchmarkStore(b *testing.B) {
	store := newStore(b, engine(b))
	var n atomic.Int64
	fresh := func() table.Key {
		return table.Key{Partition: "bench", Sort: fmt.Sprintf("item#%012d", n.Add(1))}
	}
	many := keys(100)
	for _, k := range append(many, keyA) {
		mustDo(b, store, table.Put(k, table.S("digest", "sha256:1"), table.B("body", make([]byte, 1024))))
	}
	for _, bench := range []struct {
		name string
		op   func(context.Context) error
	}{
		{"Get", func(ctx context.Context) error {
			_, err := store.Get(ctx, keyA)
			return err
		}},
		{"GetMany100", func(ctx context.Context) error {
			_, err := store.GetMany(ctx, many, "digest")
			return err
		}},
		{"Query100", func(ctx context.Context) error {
			_, err := store.Query(ctx, table.Query{Partition: many[0].Partition, Prefix: "blob#", Limit: 100})
			return err
		}},
		{"Put1", func(ctx context.Context) error {
			return store.Transact(ctx, table.Tx{Token: table.NewToken(), Actions: []table.Action{table.Put(fresh(), table.S("a", "b"))}})
		}},
		{"Transact3", func(ctx context.Context) error {
			return store.Transact(ctx, table.Tx{Token: table.NewToken(), Actions: []table.Action{
				table.Put(fresh(), table.S("a", "b")).When(table.Absent()),
				table.Update(fresh()).Adding("n", 1),
				table.Check(keyA, table.Exists()),
			}})
		}},
	} {
		for _, callers := range []int{1, 16} {
			b.Run(fmt.Sprintf("%s/%d", bench.name, callers), func(b *testing.B) { measure(b, callers, bench.op) })
		}
	}
}

// measure shares b.N operations out among the callers.
func measure(b *testing.B, callers int, op func(context.Context) error) {
	var left atomic.Int64
	left.Store(int64(b.N))
	done := make(chan error, callers)
	for range callers {
		go func() {
			for left.Add(-1) >= 0 {
				if err := op(b.Context()); err != nil {
					done <- err
					return
				}
			}
			done <- nil
		}()
	}
	for range callers {
		if err := <-done; err != nil {
			b.Error(err)
		}
	}
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "ops/s")
}

func mustDo(b *testing.B, store *dynamo.Store, actions ...table.Action) {
	b.Helper()
	if err := store.Transact(b.Context(), table.Tx{Token: table.NewToken(), Actions: actions}); err != nil {
		b.Fatal(err)
	}
}
