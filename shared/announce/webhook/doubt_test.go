package webhook

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/berthregistry/berth/shared/announce"
	"github.com/berthregistry/berth/shared/table/tabletest"
)

// An event that was kept though the table said that it was not is sent all the same
// when it comes again, and before what comes behind it.
func TestKeptThoughItFailed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, real := newReceiver(t, func(announce.Event, int) reply { return reply{} }), openTable(t)
		failures := 4 // as often as it is tried
		d := openPost(t, real, r, testHook(t))
		d.boxes[0].table = tabletest.NewFaulty(real, func(c tabletest.Call) tabletest.Fault {
			if c.Method == tabletest.Transact && failures > 0 {
				failures--
				return tabletest.FailAfter
			}
			return tabletest.Proceed
		})
		d.start()
		synctest.Wait() // it has read what there is: nothing
		one, two := []announce.Event{event("a:1", 1)}, []announce.Event{event("a:1", 2)}
		if err := d.Publishers()[0].Publish(t.Context(), one); err == nil {
			t.Fatal("the table has not failed")
		}
		d.publish(one...)
		d.publish(two...)
		time.Sleep(time.Minute)
		inOrder(t, r, 2, 1)
		d.stop()
	})
}
