package tabletest

import (
	"context"
	"errors"
	"sync/atomic"

	"github.com/berthregistry/berth/shared/table"
)

// ErrFault is the error of every call that a Faulty store fails. Like a
// time-out it does not tell whether the call happened.
var ErrFault = errors.New("injected fault")

// A Fault is what a Faulty store does with a call.
type Fault int

// The faults.
const (
	// Proceed hands the call on.
	Proceed Fault = iota
	// FailBefore returns ErrFault, and nothing has happened.
	FailBefore
	// FailAfter hands the call on and returns ErrFault whatever the answer:
	// what was asked may have happened.
	FailAfter
)

// A Method is one of table.Store's.
type Method string

// The methods.
const (
	Get      Method = "Get"
	GetMany  Method = "GetMany"
	Query    Method = "Query"
	Transact Method = "Transact"
)

// A Call is one call of a Faulty store.
type Call struct {
	N      int // how many calls there were before, of all methods together
	Method Method
	Key    table.Key // of a Get
	Tx     table.Tx  // of a Transact
}

// Faulty is a store whose calls fail where a hook wants it. It is safe for
// concurrent use.
type Faulty struct {
	store table.Store
	hook  func(Call) Fault
	calls atomic.Int64
}

var _ table.Store = (*Faulty)(nil)

// NewFaulty returns a store that asks hook about each call before it is handed
// on to store. The hook is called from many goroutines.
func NewFaulty(store table.Store, hook func(Call) Fault) *Faulty {
	return &Faulty{store: store, hook: hook}
}

// Get implements table.Store.
func (f *Faulty) Get(ctx context.Context, key table.Key) (table.Item, error) {
	return through(f, Call{Method: Get, Key: key}, func() (table.Item, error) { return f.store.Get(ctx, key) })
}

// GetMany implements table.Store.
func (f *Faulty) GetMany(ctx context.Context, keys []table.Key, names ...string) (map[table.Key]table.Item, error) {
	return through(f, Call{Method: GetMany}, func() (map[table.Key]table.Item, error) {
		return f.store.GetMany(ctx, keys, names...)
	})
}

// Query implements table.Store.
func (f *Faulty) Query(ctx context.Context, q table.Query) (table.Page, error) {
	return through(f, Call{Method: Query}, func() (table.Page, error) { return f.store.Query(ctx, q) })
}

// Transact implements table.Store.
func (f *Faulty) Transact(ctx context.Context, tx table.Tx) error {
	_, err := through(f, Call{Method: Transact, Tx: tx}, func() (struct{}, error) {
		return struct{}{}, f.store.Transact(ctx, tx)
	})
	return err
}

// through does a call as the hook says. A failed call returns no answer.
func through[T any](f *Faulty, c Call, do func() (T, error)) (answer T, err error) {
	c.N = int(f.calls.Add(1) - 1)
	switch f.hook(c) {
	case FailBefore:
		return answer, ErrFault
	case FailAfter:
		_, _ = do()
		return answer, ErrFault
	}
	return do()
}
