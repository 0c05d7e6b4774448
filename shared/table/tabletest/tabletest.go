// Package tabletest is the contract of the table port in executable form, and
// two wrappers for the tests of those who stand on a table: Counting and
// Faulty.
//
// A driver is what passes Run, and RunStream if it has a stream. Every test
// works in partitions of its own with random names, so that a table which is
// shared, slow and never cleaned will do.
package tabletest

import (
	"context"
	"crypto/rand"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/berthregistry/berth/shared/table"
)

// Run holds the stores that open returns to the contract of table.Store. Each
// subtest opens one; it may be the same for all.
func Run(t *testing.T, open func(t *testing.T) table.Store) {
	for _, group := range []struct {
		name  string
		tests []test
	}{
		{"Item", itemTests},
		{"Update", updateTests},
		{"Condition", conditionTests},
		{"Limit", limitTests},
		{"Query", queryTests},
		{"GetMany", manyTests},
		{"Token", tokenTests},
		{"Race", raceTests},
	} {
		t.Run(group.name, func(t *testing.T) {
			for _, test := range group.tests {
				t.Run(test.name, func(t *testing.T) { test.run(newFixture(t, open(t))) })
			}
		})
	}
}

type test struct {
	name string
	run  func(*fixture)
}

// A fixture is a store and a partition of it that belongs to one test.
type fixture struct {
	*testing.T
	store     table.Store
	partition string
}

func newFixture(t *testing.T, store table.Store) *fixture {
	return &fixture{T: t, store: store, partition: "tabletest#" + rand.Text()}
}

func (f *fixture) key(sort string) table.Key {
	return table.Key{Partition: f.partition, Sort: sort}
}

// do makes the actions happen and returns the token under which they did.
func (f *fixture) do(actions ...table.Action) string {
	f.Helper()
	tx := table.Tx{Token: table.NewToken(), Actions: actions}
	if err := f.send(tx); err != nil {
		f.Fatalf("Transact(%d actions): %v", len(actions), err)
	}
	return tx.Token
}

// try sends the actions once, under a new token.
func (f *fixture) try(actions ...table.Action) error {
	return f.store.Transact(f.Context(), table.Tx{Token: table.NewToken(), Actions: actions})
}

// send sends the transaction until it is no longer answered with a conflict,
// which is what every caller under contention has to do.
func (f *fixture) send(tx table.Tx) error {
	for {
		err := f.store.Transact(f.Context(), tx)
		if !errors.Is(err, table.ErrConflict) || f.Context().Err() != nil {
			return err
		}
	}
}

func (f *fixture) get(sort string) table.Item {
	f.Helper()
	item, err := f.store.Get(f.Context(), f.key(sort))
	if err != nil {
		f.Fatalf("Get(%.60q): %v", sort, err)
	}
	return item
}

func (f *fixture) query(q table.Query) table.Page {
	f.Helper()
	q.Partition = f.partition
	page, err := f.store.Query(f.Context(), q)
	if err != nil {
		f.Fatalf("Query(%+v): %v", q, err)
	}
	return page
}

// wantItem fails unless the item is there with exactly these attributes.
func (f *fixture) wantItem(sort string, want ...table.Attr) {
	f.Helper()
	item := f.get(sort)
	if item.Key != f.key(sort) {
		f.Errorf("key: got %v, want %v", item.Key, f.key(sort))
	}
	f.wantAttrs(item.Attrs, want...)
}

func (f *fixture) wantAttrs(got table.Attrs, want ...table.Attr) {
	f.Helper()
	if !sameAttrs(got, want) {
		f.Errorf("attributes: got %.200v, want %.200v", got, want)
	}
}

func (f *fixture) wantAbsent(sort string) {
	f.Helper()
	if item, err := f.store.Get(f.Context(), f.key(sort)); !errors.Is(err, table.ErrAbsent) {
		f.Errorf("Get(%q): got %v, %v, want ErrAbsent", sort, item, err)
	}
}

// wantFailed fails unless err says that exactly the conditions of these
// actions did not hold.
func (f *fixture) wantFailed(err error, actions ...int) {
	f.Helper()
	var failed *table.ConditionError
	if !errors.As(err, &failed) {
		f.Errorf("got %v, want a ConditionError of %v", err, actions)
	} else if !slices.Equal(failed.Failed, actions) {
		f.Errorf("failed actions: got %v, want %v", failed.Failed, actions)
	}
}

func (f *fixture) wantLimit(err error) {
	f.Helper()
	if !errors.Is(err, table.ErrLimit) {
		f.Errorf("got %v, want ErrLimit", err)
	}
}

// sameAttrs compares attributes as sets.
func sameAttrs(a, b table.Attrs) bool {
	if len(a) != len(b) {
		return false
	}
	for _, x := range a {
		if y, ok := b.Lookup(x.Name); !ok || !x.Equal(y) {
			return false
		}
	}
	return true
}

// ended returns a context that is cancelled.
func ended(t *testing.T) context.Context {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	return ctx
}

// filler is a string attribute of n bytes.
func filler(n int) table.Attr { return table.S("filler", strings.Repeat("x", n)) }
