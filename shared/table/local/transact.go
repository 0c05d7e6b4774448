package local

import (
	"context"
	"fmt"
	"math"
	"slices"

	"github.com/berthregistry/berth/shared/table"
)

// Transact implements table.Store. It never returns ErrConflict: transactions
// are done one after the other.
func (s *Store) Transact(ctx context.Context, tx table.Tx) error {
	if err := tx.Validate(); err != nil {
		return err
	}
	size, do := transaction(tx)
	return s.submit(ctx, size, do)
}

// transaction does what can be done before it is the writer's turn.
func transaction(tx table.Tx) (size int, do func(*group) error) {
	steps := make([]step, len(tx.Actions))
	for i, a := range tx.Actions {
		steps[i] = newStep(a, tx.Token)
		size += len(steps[i].newRaw)
	}
	return size, func(g *group) error { return g.transact(tx.Token, steps) }
}

// A step is an action and what it meets and makes.
type step struct {
	table.Action
	key []byte

	old    *table.Item // nil if absent
	oldRaw []byte

	new    *table.Item // nil if the action does not leave one
	newRaw []byte
}

// newStep makes what a put makes: it does not depend on what it meets.
func newStep(a table.Action, token string) step {
	st := step{Action: a, key: encodeKey(a.Key)}
	if a.Op == table.OpPut {
		st.make(table.Item{Key: a.Key, Version: token, Expires: a.Expires, Attrs: a.Set})
	}
	return st
}

func (st *step) make(item table.Item) {
	st.new, st.newRaw = &item, appendItem(nil, item)
}

// transact looks at all items, then works out all new ones, then writes. Only
// the last can't be refused any more.
func (g *group) transact(token string, steps []step) error {
	if g.store.tokens.has(token) {
		return nil
	}
	done, err := g.look(token, steps)
	if err != nil || done {
		return err
	}
	for i := range steps {
		if steps[i].Op == table.OpUpdate {
			if err := steps[i].update(token); err != nil {
				return err
			}
		}
	}
	for i := range steps {
		g.apply(&steps[i])
	}
	g.store.tokens.add(token, g.now)
	g.tokens = append(g.tokens, token)
	return nil
}

// look reads the items and checks the conditions. Done says that an item bears
// the transaction's token: it happened before, whole as always.
func (g *group) look(token string, steps []step) (done bool, err error) {
	var failed []int
	for i := range steps {
		st := &steps[i]
		if st.oldRaw = g.items.Get(st.key); st.oldRaw != nil {
			old, err := decodeItem(st.Key, st.oldRaw)
			if err != nil {
				return false, err
			}
			st.old = &old
			if old.Version == token && st.Op != table.OpCheck {
				return true, nil
			}
		}
		if !st.If.Holds(st.old) {
			failed = append(failed, i)
		}
	}
	if failed != nil {
		return false, &table.ConditionError{Failed: failed}
	}
	return false, nil
}

// update works out what an update makes of what it meets.
func (st *step) update(token string) error {
	item := table.Item{Key: st.Key, Version: token, Expires: st.Expires}
	if st.old != nil {
		item.Attrs = slices.Clone(st.old.Attrs)
		if st.Expires.IsZero() {
			item.Expires = st.old.Expires
		}
	}
	for _, name := range st.Unset {
		item.Attrs = item.Without(name)
	}
	for _, a := range st.Set {
		item.Attrs = item.With(a)
	}
	for _, a := range st.Add {
		sum, err := add(item.Attrs, a)
		if err != nil {
			return fmt.Errorf("update %v: %w", st.Key, err)
		}
		item.Attrs = item.With(sum)
	}
	if n := item.Size(); n > table.MaxItem {
		return fmt.Errorf("update %v: %w: item of %d bytes", st.Key, table.ErrLimit, n)
	}
	st.make(item)
	return nil
}

// add returns a added to the number of that name.
func add(attrs table.Attrs, a table.Attr) (table.Attr, error) {
	old, ok := attrs.Lookup(a.Name)
	if !ok {
		return a, nil
	}
	x, y := old.Num(), a.Num()
	switch {
	case old.Kind != table.KindN:
		return a, fmt.Errorf("%w: attribute %q is no number", table.ErrLimit, a.Name)
	case y > 0 && x > math.MaxInt64-y, y < 0 && x < math.MinInt64-y:
		return a, fmt.Errorf("%w: attribute %q grows beyond 64 bits", table.ErrLimit, a.Name)
	}
	return table.N(a.Name, x+y), nil
}

// apply writes what a step makes: the item, its place in the index of
// expiries, and the change.
func (g *group) apply(st *step) {
	switch {
	case st.Op == table.OpCheck || st.old == nil && st.new == nil:
		return
	case st.new == nil:
		g.delete(g.items, st.key)
	default:
		g.put(g.items, st.key, st.newRaw)
	}
	g.index(st)
	g.append(record{key: st.key, old: st.oldRaw, new: st.newRaw, at: g.now})
}

// index moves the item to where its expiry belongs.
func (g *group) index(st *step) {
	expires := func(item *table.Item) []byte {
		if item == nil || item.Expires.IsZero() {
			return nil
		}
		return encodeExpiry(item.Expires, st.key)
	}
	before, after := expires(st.old), expires(st.new)
	if slices.Equal(before, after) {
		return
	}
	if before != nil {
		g.delete(g.expiries, before)
	}
	if after != nil {
		g.put(g.expiries, after, nil)
	}
}
