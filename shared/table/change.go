package table

import (
	"context"
	"time"
)

// A Change is one committed write to one item.
type Change struct {
	// ID is the same whenever this change is delivered, and no other change of
	// the same table has it.
	ID  string
	Key Key
	// Old is the item before the write, nil if it was created.
	Old *Item
	// New is the item after the write, nil if it was deleted.
	New *Item
	// Expired is set on a deletion that the store made by itself because the
	// item's time had come.
	Expired bool
	// At is about when the change was made.
	At time.Time
}

// A Stream hands out what has changed.
type Stream interface {
	// Changes calls deliver with runs of changes until ctx ends or deliver
	// fails, and returns the cause.
	//
	// Every change is delivered at least once; the changes of one item are
	// delivered in the order in which they were made. The changes of one
	// transaction are neither delivered together nor in any order. When
	// deliver returns nil the run is acknowledged for this consumer, durably:
	// the next call, in this process or another, goes on behind it. Otherwise
	// the run is delivered again by the next call, perhaps cut differently.
	//
	// A consumer that is new to the table starts with the changes made after
	// its first call began. Changes are kept for at least StreamLife. One
	// consumer name is used by one caller at a time.
	Changes(ctx context.Context, consumer string, deliver func(context.Context, []Change) error) error
}

// StreamLife is how long a change that was not yet acknowledged is kept.
const StreamLife = 24 * time.Hour
