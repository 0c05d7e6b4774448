package announce

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/berthregistry/berth/shared/table"
)

// Keep is how long the Log has an event.
const Keep = 24 * time.Hour

// A Log keeps the events of the last day in the table, in one order for each
// repository, so that somebody who was away can go on where they were. It is a
// Publisher, and safe for concurrent use, also by many processes on one table.
//
// Each event has a position: the microsecond in which it was told, or one more
// than that of the event before, whichever is later. An item holds the position
// of the newest, and whoever adds events replaces it in the same transaction, on
// condition that it is as they have read it. So events become visible in the
// order of their positions, whatever the clocks of several writers say and
// however late one of them is: behind what somebody has read nothing appears any
// more, and a reader needs no memory but one number.
//
// A run of events is one item, since a query may meet a transaction half-way and
// see the second of its items without the first. It names the one before it, by
// which Read finds out that a query has met several transactions in that way. An
// event that is published again, after a failure or a crash, is there twice.
type Log struct {
	table table.Store
	now   func() time.Time
	added bells
}

var _ Publisher = (*Log)(nil)

// NewLog returns the log that is in a table.
func NewLog(t table.Store, now func() time.Time) *Log { return &Log{table: t, now: now} }

// Keys of the log in the table. Both kinds expire.
//
//	events#<repo>
//	  head              the position of the newest event
//	  at#<position>     a run of events, by the position of its last one

func logPartition(repo string) string { return "events#" + repo }

func headKey(repo string) table.Key {
	return table.Key{Partition: logPartition(repo), Sort: "head"}
}

const runPrefix = "at#"

// maxPosition is the last that has no more digits than the keys have room for,
// in the year 2286.
const maxPosition = 1e16 - 1

func runKey(repo string, last int64) table.Key {
	return table.Key{Partition: logPartition(repo), Sort: fmt.Sprintf("%s%016d", runPrefix, last)}
}

// Attributes of the items.
const (
	attrPosition = "position" // of the newest event, of all or of a run
	attrFirst    = "first"    // position of the first event of a run
	attrPrevious = "previous" // position of the last event before it, 0 if there was none of late
	attrEvents   = "events"   // each as JSON, on a line of its own
)

// Head returns the position of the newest event of a repository, 0 if none was
// told of late. Events that are told from now on have greater ones.
func (l *Log) Head(ctx context.Context, repo string) (int64, error) {
	item, err := l.head(ctx, repo)
	return item.Num(attrPosition), err
}

// head returns the item with the newest position, a zero one if there is none.
// That it has expired does not matter: it only has to be there as long as events
// are that it is the newest of.
func (l *Log) head(ctx context.Context, repo string) (table.Item, error) {
	item, err := l.table.Get(ctx, headKey(repo))
	if err != nil && !errors.Is(err, table.ErrAbsent) {
		return table.Item{}, fmt.Errorf("read the newest position of %s: %w", repo, err)
	}
	return item, nil
}
