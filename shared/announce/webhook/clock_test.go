package webhook

import (
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/berthregistry/berth/shared/announce"
	"github.com/berthregistry/berth/shared/table"
)

// What is committed together has one time, and a clock may be set back: neither
// changes the order within a line.
func TestOrderIsNotOfClocks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var ill atomic.Bool
		ill.Store(true)
		r := newReceiver(t, func(announce.Event, int) reply {
			if ill.Load() {
				return reply{status: 503}
			}
			return reply{}
		})
		d := openPost(t, openTable(t), r, testHook(t)).start()
		events := []announce.Event{event("a:1", 9), event("a:1", 10), event("a:1", 11), event("a:1", 12)}
		events[1].ID = strings.Repeat("f", 64)
		events[2].Time = events[1].Time
		events[3].Time = events[0].Time.Add(-time.Hour)
		d.publish(events...)
		synctest.Wait()
		ill.Store(false)
		time.Sleep(time.Hour)
		if got, want := r.got(), ids(events...); !slices.Equal(got, want) {
			t.Errorf("got %v, want %v", got, want)
		}
	})
}

// What was sent in vain while the clock was ahead is not put off for as long once
// that is set right.
func TestTheClockWasAhead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newReceiver(t, nil)
		d := openPost(t, openTable(t), r, testHook(t))
		d.publish(event("a:1", 1))
		ahead := time.Now().AddDate(1, 0, 0).UnixMilli()
		late := table.Update(eventKey(testHook(t).ID(), d.waiting()[0]),
			table.N(attrTries, 20), table.N(attrFirst, ahead), table.N(attrNext, ahead))
		if err := table.Send(t.Context(), d.table, table.Tx{Token: table.NewToken(), Actions: []table.Action{late}}); err != nil {
			t.Fatal(err)
		}
		d.start()
		time.Sleep(2 * maxDelay)
		if got := r.got(); !slices.Equal(got, ids(event("a:1", 1))) {
			t.Errorf("got %v after %v", got, 2*maxDelay)
		}
	})
}
