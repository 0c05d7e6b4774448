// Package table is the port to everything in Berth that changes: an ordered
// item store with conditional transactions and a change stream.
//
// It is DynamoDB's model and no more, so that the rules above it run unchanged
// on DynamoDB and on the embedded store of `berth serve`, and a run on a laptop
// is evidence about production. Items live under a partition key and a sort
// key; a partition is ordered by the bytes of its sort keys; nothing spans
// partitions but a transaction. The suite in tabletest is the contract in
// executable form: a driver is what passes it.
package table

import (
	"context"
	"time"
)

// Store holds items. Implementations are safe for concurrent use.
//
// Reads are strongly consistent: a read that starts after a transaction has
// been answered sees what that transaction wrote.
type Store interface {
	// Get returns the item under key, or ErrAbsent.
	Get(ctx context.Context, key Key) (Item, error)

	// GetMany returns those of at most MaxKeys distinct keys that exist. With
	// names given, the items carry only these attributes, and neither Version
	// nor Expires can be relied on.
	GetMany(ctx context.Context, keys []Key, names ...string) (map[Key]Item, error)

	// Query returns one page of a partition in ascending order of sort keys.
	Query(ctx context.Context, q Query) (Page, error)

	// Transact makes all actions happen, or none.
	//
	// It returns a *ConditionError when a condition did not hold, ErrLimit
	// when the transaction is one that no driver would take, ErrConflict when
	// other transactions kept getting in the way. After each of these nothing
	// has happened. After any other error it is not known whether the
	// transaction happened: a time-out is not a failure. The caller then sends
	// the same Tx again, with the same token: within TokenLife a driver
	// answers nil for a transaction that already happened and does not do it
	// twice.
	Transact(ctx context.Context, tx Tx) error
}

// A Key names an item. Neither part may be empty. Partition holds at most
// MaxPartitionKey bytes, Sort at most MaxSortKey.
type Key struct {
	Partition, Sort string
}

// An Item is what a key leads to.
type Item struct {
	Key

	// Version is the token of the transaction that last wrote the item. It is
	// never reused, so an item that was deleted and written anew differs.
	Version string

	// Expires is when the item may be removed by the store itself; zero means
	// never. Removal lags, on DynamoDB by days: readers check the time
	// themselves, and take removal as a broom, never as a safety condition.
	// It has a resolution of one second.
	Expires time.Time

	Attrs
}

// A Query asks for a page of the items of one partition whose sort keys begin
// with Prefix and lie after After.
type Query struct {
	Partition string

	// Prefix must not be empty.
	Prefix string

	// After is exclusive. If not empty it begins with Prefix. It need not
	// exist.
	After string

	// Limit bounds the items of the page. Zero leaves that to MaxPage.
	Limit int
}

// A Page is a run of items. A page ends at the query's limit or soon after
// MaxPage bytes, whichever comes first, but is never empty while More is set.
type Page struct {
	Items []Item

	// More says that there may be items after the last one: ask again with
	// After set to the last sort key.
	More bool
}

// DynamoDB's limits, kept by every driver.
const (
	MaxPartitionKey = 2048      // bytes
	MaxSortKey      = 1024      // bytes
	MaxItem         = 400 << 10 // bytes, attribute names included
	MaxActions      = 100       // actions in a transaction
	MaxTx           = 4 << 20   // bytes of all items of a transaction
	MaxKeys         = 100       // keys in one GetMany
	MaxPage         = 1 << 20   // bytes of a query page
)

// TokenLife is how long a driver recognises a transaction that it has done.
const TokenLife = 10 * time.Minute
