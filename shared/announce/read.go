package announce

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/berthregistry/berth/shared/table"
)

// Read calls each with the events of a repository behind a position, in their
// order, until there are no more or it returns false. position is that of the
// event, from which one can go on; event is JSON on one line, and part of a page
// of the table that it keeps in memory.
func (l *Log) Read(ctx context.Context, repo string, after int64, each func(position int64, event string) bool) error {
	now := l.now()
	r := reader{at: min(max(after, forgotten(now), 0), maxPosition), now: now, each: each}
	for more := true; more; {
		page, err := l.table.Query(ctx, table.Query{
			Partition: logPartition(repo), Prefix: runPrefix, After: runKey(repo, r.at).Sort,
		})
		if err != nil {
			return fmt.Errorf("read events of %s: %w", repo, err)
		}
		more = r.page(page)
	}
	return nil
}

// forgotten is a position up to which all has expired: no event has one from before
// it was told. The table may remove such events days later, and until then it would
// take long to read past them.
func forgotten(now time.Time) int64 {
	return now.Add(-Keep - time.Second).UnixMicro() // the table tells expiries by the second
}

// A reader goes through the runs of a repository.
type reader struct {
	at   int64 // what lies behind is to be read
	now  time.Time
	each func(int64, string) bool

	// sure is up to where nothing can have been overlooked: when the last query
	// began, all up to there had been added.
	sure int64
}

// page reads a page and says whether there may be more to read.
func (r *reader) page(p table.Page) (more bool) {
	for _, run := range p.Items {
		last := run.Num(attrPosition)
		if run.Num(attrPrevious) > r.at && last > r.sure {
			// What was added before this run is not on the page: it was added while
			// the query had passed its place already, or it is gone for good. The
			// next query knows.
			r.sure = last
			return true
		}
		if run.Expires.After(r.now) && !r.run(run) {
			return false
		}
		r.at = last
	}
	return p.More
}

// run calls each with the events of a run. A reader may have ended within it
// before.
func (r *reader) run(run table.Item) (more bool) {
	position := run.Num(attrFirst)
	for event := range strings.SplitSeq(run.Str(attrEvents), "\n") {
		if position > r.at && !r.each(position, event) {
			return false
		}
		position++
	}
	return true
}
