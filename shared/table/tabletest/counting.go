package tabletest

import (
	"context"
	"sync"

	"github.com/berthregistry/berth/shared/table"
)

// Counting is a store that counts what is asked of it, failures included. It
// is safe for concurrent use.
type Counting struct {
	store table.Store

	mu     sync.Mutex
	counts Counts
}

var _ table.Store = (*Counting)(nil)

// Counts says how often each method was called.
type Counts struct {
	Gets      int
	GetManys  int
	Keys      int // in all calls of GetMany together
	Queries   int
	Transacts int
	Actions   int // in all calls of Transact together
}

// NewCounting returns a store that hands every call on to store.
func NewCounting(store table.Store) *Counting { return &Counting{store: store} }

// Counts returns what was counted since the last Reset.
func (c *Counting) Counts() Counts {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.counts
}

// Reset returns what was counted and begins again at zero.
func (c *Counting) Reset() Counts {
	c.mu.Lock()
	defer c.mu.Unlock()
	counts := c.counts
	c.counts = Counts{}
	return counts
}

func (c *Counting) add(n Counts) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.counts.Gets += n.Gets
	c.counts.GetManys += n.GetManys
	c.counts.Keys += n.Keys
	c.counts.Queries += n.Queries
	c.counts.Transacts += n.Transacts
	c.counts.Actions += n.Actions
}

// Get implements table.Store.
func (c *Counting) Get(ctx context.Context, key table.Key) (table.Item, error) {
	c.add(Counts{Gets: 1})
	return c.store.Get(ctx, key)
}

// GetMany implements table.Store.
func (c *Counting) GetMany(ctx context.Context, keys []table.Key, names ...string) (map[table.Key]table.Item, error) {
	c.add(Counts{GetManys: 1, Keys: len(keys)})
	return c.store.GetMany(ctx, keys, names...)
}

// Query implements table.Store.
func (c *Counting) Query(ctx context.Context, q table.Query) (table.Page, error) {
	c.add(Counts{Queries: 1})
	return c.store.Query(ctx, q)
}

// Transact implements table.Store.
func (c *Counting) Transact(ctx context.Context, tx table.Tx) error {
	c.add(Counts{Transacts: 1, Actions: len(tx.Actions)})
	return c.store.Transact(ctx, tx)
}
