package webhook

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/berthregistry/berth/shared/announce"
	"github.com/berthregistry/berth/shared/table/tabletest"
)

// What is published is sent once, in order within its line.
func TestEventsAreSentInOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newReceiver(t, nil)
		d := openPost(t, openTable(t), r, testHook(t)).start()
		byLine := map[string][]string{}
		for n := range 300 {
			e := event(fmt.Sprintf("team/app:%d", n%20), n)
			byLine[e.PartitionKey] = append(byLine[e.PartitionKey], e.ID)
			d.publish(e)
		}
		synctest.Wait()
		time.Sleep(time.Minute)
		if n := r.requests(); n != 300 || len(d.waiting()) != 0 {
			t.Errorf("%d requests and %d events left, want 300 and none", n, len(d.waiting()))
		}
		got := r.got()
		for line, want := range byLine {
			var have []string
			for _, id := range got {
				if slices.Contains(want, id) {
					have = append(have, id)
				}
			}
			if !slices.Equal(have, want) {
				t.Errorf("%s: got %v, want %v", line, have, want)
			}
		}
		if r.most > atOnce {
			t.Errorf("%d requests at once", r.most)
		}
		d.stop()
		d.logsNoSecret()
	})
}

// An event that is published again while it waits is found; how often it was sent
// in vain still counts.
func TestRepeatsAreFound(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newReceiver(t, func(_ announce.Event, before int) reply {
			if before < 3 {
				return reply{status: 500}
			}
			return reply{}
		})
		d := openPost(t, openTable(t), r, testHook(t)).start()
		batch := []announce.Event{event("a:1", 1), event("a:2", 2)}
		d.publish(batch...)
		time.Sleep(time.Second / 2)
		d.publish(append(batch, event("a:3", 3), batch[1])...)
		d.publish(batch[0])
		if got := len(d.waiting()); got != 3 {
			t.Errorf("%d events wait, want 3", got)
		}
		time.Sleep(10 * time.Minute)
		if got := len(r.got()); r.requests() != 12 || got != 3 || len(d.waiting()) != 0 {
			t.Errorf("%d requests, %d taken, want four for each of 3", r.requests(), got)
		}
	})
}

// One that is refused is sent for a day, more and more seldom, and keeps back
// those of its line only. Then it is a letter, and can be sent again.
func TestADayOfRefusals(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var bad atomic.Bool
		bad.Store(true)
		r := newReceiver(t, func(e announce.Event, _ int) reply {
			if bad.Load() && e.ID == event("", 1).ID {
				return reply{status: 400}
			}
			return reply{}
		})
		d := openPost(t, openTable(t), r, testHook(t)).start()
		d.publish(event("a:1", 1), event("a:1", 2), event("b:1", 3))
		time.Sleep(20 * time.Hour)
		if got := r.got(); !slices.Equal(got, ids(event("", 3))) || len(d.lettersNow()) != 0 {
			t.Errorf("after 20 hours got %v, %d letters", got, len(d.lettersNow()))
		}
		time.Sleep(8 * time.Hour)
		letters := d.lettersNow()
		if len(letters) != 1 || letters[0].Event.ID != event("", 1).ID || letters[0].Reason != "it answered 400 Bad Request" ||
			letters[0].Place != "https://hook.example" || letters[0].Tries < 30 || letters[0].Tries > 45 {
			t.Fatalf("after 28 hours the letters are %+v", letters)
		}
		if got := r.got(); !slices.Equal(got, ids(event("", 3), event("", 2))) {
			t.Errorf("after 28 hours got %v", got)
		}
		checkDelays(t, r)
		bad.Store(false)
		out, err := d.Redrive(t.Context(), nil, "")
		if err != nil || out != (Redriven{Sent: 1}) {
			t.Errorf("redriven: %+v, %v", out, err)
		}
		time.Sleep(time.Second)
		if got := r.got(); len(got) != 3 || len(d.lettersNow()) != 0 || len(d.waiting()) != 0 {
			t.Errorf("after the redrive got %v, letters %v", got, d.lettersNow())
		}
		d.stop()
		d.logsNoSecret()
	})
}

// checkDelays holds the requests for the first event to the schedule.
func checkDelays(t *testing.T, r *receiver) {
	t.Helper()
	var at []time.Time
	for i, id := range r.came {
		if id == event("", 1).ID {
			at = append(at, r.times[i])
		}
	}
	for i := 1; i < len(at); i++ {
		want := min(time.Second<<min(i-1, 20), time.Hour)
		if got := at[i].Sub(at[i-1]); got < want*9/10 || got > want*11/10+time.Second {
			t.Errorf("between requests %d and %d are %v, want about %v", i, i+1, got, want)
		}
	}
}

// A machine that sleeps for days does not give up events that it had no time to
// send.
func TestSleepIsNoRefusal(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var down atomic.Bool
		down.Store(true)
		r := newReceiver(t, deafWhile(&down))
		s := openTable(t)
		d := openPost(t, s, r, testHook(t)).start()
		d.publish(event("a:1", 1))
		time.Sleep(2 * time.Second)
		d.stop()
		time.Sleep(72 * time.Hour)
		d = openPost(t, s, r, testHook(t)).start()
		time.Sleep(10 * time.Second)
		down.Store(false)
		time.Sleep(time.Hour)
		if got := r.got(); len(got) != 1 || len(d.lettersNow()) != 0 {
			t.Errorf("got %v, letters %v", got, d.lettersNow())
		}
	})
}

// Who answers 410 is not asked again, until a letter is put back.
func TestGone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var gone atomic.Bool
		gone.Store(true)
		r := newReceiver(t, func(announce.Event, int) reply {
			if gone.Load() {
				return reply{status: http.StatusGone}
			}
			return reply{}
		})
		d := openPost(t, openTable(t), r, testHook(t)).start()
		d.publish(event("a:1", 1))
		time.Sleep(time.Minute)
		d.publish(event("a:1", 2), event("b:1", 3))
		time.Sleep(time.Minute)
		if got := len(d.lettersNow()); got != 3 || r.requests() != 1 {
			t.Errorf("%d letters after %d requests, want 3 after one", got, r.requests())
		}
		gone.Store(false)
		if out, err := d.Redrive(t.Context(), []string{event("", 2).ID[:8]}, ""); err != nil || out.Sent != 1 {
			t.Errorf("redriven: %+v, %v", out, err)
		}
		d.publish(event("a:1", 4))
		time.Sleep(time.Minute)
		if got := r.got(); !slices.Equal(got, ids(event("", 2), event("", 4))) || len(d.lettersNow()) != 2 {
			t.Errorf("got %v, %d letters", got, len(d.lettersNow()))
		}
	})
}

// A hook that wants to be left alone is, whatever waits for it.
func TestRetryAfter(t *testing.T) {
	for name, c := range map[string]struct {
		header string
		quiet  time.Duration
	}{
		"seconds": {"1800", 30 * time.Minute},
		"date":    {"Sat, 01 Jan 2000 02:00:00 GMT", 2 * time.Hour},
		"ages":    {"4000000000", 24 * time.Hour},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newReceiver(t, func(e announce.Event, before int) reply {
					if e.ID == event("", 1).ID && before == 0 {
						return reply{status: http.StatusTooManyRequests, header: http.Header{"Retry-After": {c.header}}}
					}
					return reply{}
				})
				d := openPost(t, openTable(t), r, testHook(t)).start()
				d.publish(event("a:1", 1))
				time.Sleep(time.Second)
				d.publish(event("b:1", 2), event("c:1", 3))
				time.Sleep(c.quiet - time.Minute)
				if n := r.requests(); n != 1 {
					t.Errorf("%d requests in the quiet time, want the one before it", n)
				}
				time.Sleep(2 * time.Minute)
				if got := r.got(); len(got) != 3 {
					t.Errorf("after it got %v", got)
				}
			})
		})
	}
}

// What does not fit into memory waits in the table, and overtakes nothing.
func TestMoreThanFitsIntoMemory(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var down atomic.Bool
		down.Store(true)
		r := newReceiver(t, deafWhile(&down))
		d := openPost(t, openTable(t), r, testHook(t))
		d.boxes[0].window = 16
		d.start()
		for n := range 100 {
			d.publish(event(fmt.Sprintf("a:%d", n%3), n))
			time.Sleep(time.Millisecond)
		}
		down.Store(false)
		for n := 100; n < 200; n++ {
			d.publish(event(fmt.Sprintf("a:%d", n%3), n))
			time.Sleep(10 * time.Millisecond)
		}
		time.Sleep(time.Hour)
		if len(d.waiting()) != 0 {
			t.Errorf("%d events were left", len(d.waiting()))
		}
		inOrder(t, r, 200, 3)
	})
}

// inOrder says whether n events came, those of each line in order.
func inOrder(t *testing.T, r *receiver, n, lines int) {
	t.Helper()
	got := r.got()
	if len(got) != n {
		t.Errorf("got %d events, want %d", len(got), n)
	}
	last := map[int]int{}
	for _, id := range got {
		var k int
		if _, err := fmt.Sscanf(id[:8], "%x", &k); err != nil {
			t.Fatal(err)
		}
		if k < last[k%lines] {
			t.Errorf("event %d came after event %d of the same line", k, last[k%lines])
		}
		last[k%lines] = k
	}
}

// Whatever the table does, and however often the process ends, all is sent.
func TestFaultsLoseNothing(t *testing.T) {
	for seed := range uint64(10) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { faults(t, rand.New(rand.NewPCG(seed, 6))) })
		})
	}
}

func faults(t *testing.T, dice *rand.Rand) {
	const n, lines = 60, 5
	ends := time.Now().Add(time.Minute)
	var mu sync.Mutex
	chance := func() int {
		mu.Lock()
		defer mu.Unlock()
		if time.Now().After(ends) {
			return 99
		}
		return dice.IntN(100)
	}
	r := newReceiver(t, func(announce.Event, int) reply {
		switch x := chance(); {
		case x < 10:
			return reply{status: -1}
		case x < 20:
			return reply{status: 503}
		}
		return reply{}
	})
	real := openTable(t)
	s := tabletest.NewFaulty(real, func(tabletest.Call) tabletest.Fault {
		switch x := chance(); {
		case x < 8:
			return tabletest.FailBefore
		case x < 16:
			return tabletest.FailAfter
		}
		return tabletest.Proceed
	})
	open := func() *desk {
		d := openPost(t, real, r, testHook(t))
		d.boxes[0].table, d.boxes[0].window = s, 20
		return d.start()
	}
	d := open()
	for i := range n {
		for d.Publishers()[0].Publish(t.Context(), []announce.Event{event(fmt.Sprintf("a:%d", i%lines), i)}) != nil {
			time.Sleep(time.Second)
		}
		if i%20 == 19 {
			d.stop()
			d = open()
		}
	}
	time.Sleep(12 * time.Hour)
	if left := d.waiting(); len(left) != 0 || len(d.lettersNow()) != 0 {
		t.Errorf("left %v, letters %v", left, d.lettersNow())
	}
	inOrder(t, r, n, lines)
	d.stop()
	d.logsNoSecret()
}

// What a hook was owed that is no longer set becomes letters at the next start,
// and is owed again when the hook is back.
func TestFormerHooks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		down := newReceiver(t, func(announce.Event, int) reply { return reply{status: -1} })
		s := openTable(t)
		d := openPost(t, s, down, testHook(t)).start()
		d.publish(event("a:1", 1), event("a:1", 2))
		time.Sleep(time.Minute)
		d.stop()

		other := testHook(t)
		other.URL = mustURL(t, "https://other.example/")
		d = openPost(t, s, down, other).start()
		time.Sleep(time.Minute)
		if got := d.lettersNow(); len(got) != 2 || !strings.Contains(got[0].Reason, "not set any more") || len(d.waiting()) != 0 {
			t.Errorf("letters %+v", got)
		}
		if out, err := d.Redrive(t.Context(), nil, ""); err != nil || out != (Redriven{Left: 2}) {
			t.Errorf("redriven for a hook that is not set: %+v, %v", out, err)
		}
		d.stop()

		// With the folder at hand it is put back for the next start.
		idle := openPost(t, s, down)
		if out, err := idle.Redrive(t.Context(), nil, ""); err != nil || out != (Redriven{Sent: 2}) {
			t.Errorf("redriven without a post that sends: %+v, %v", out, err)
		}
		r := newReceiver(t, nil)
		back := testHook(t)
		back.URL = mustURL(t, hookURL) // other credentials would do as well
		d = openPost(t, s, r, back).start()
		time.Sleep(time.Minute)
		if got := r.got(); !slices.Equal(got, ids(event("", 1), event("", 2))) || len(d.lettersNow()) != 0 {
			t.Errorf("got %v", got)
		}
	})
}

func TestHooksGetWhatTheyWant(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newReceiver(t, nil)
		h := testHook(t)
		h.Wants = func(e announce.Event) bool { return strings.HasPrefix(e.Subject, "a:") }
		d := openPost(t, openTable(t), r, h).start()
		d.publish(event("a:1", 1), event("b:1", 2), event("a:2", 3))
		time.Sleep(time.Minute)
		if got := r.got(); len(got) != 2 || slices.Contains(got, event("", 2).ID) {
			t.Errorf("got %v", got)
		}
	})
}

// The same URL with another password is the same hook.
func TestHooksAreToldByTheirPlace(t *testing.T) {
	one, two := testHook(t), testHook(t)
	two.URL = mustURL(t, "https://HOOK.example/in/hush?key=other")
	if one.ID() != two.ID() {
		t.Error("a hook with other credentials is another")
	}
	_, err := Open(t.Context(), Options{Table: openTable(t), Hooks: []Hook{one, two}, Log: slog.New(slog.DiscardHandler)})
	if err == nil || strings.Contains(err.Error(), "hush") {
		t.Errorf("got %v, want an error without a secret", err)
	}
}

// A request that is under way when the process is to end is waited for, for a
// moment.
func TestEndWaitsForRequests(t *testing.T) {
	for name, c := range map[string]struct {
		takes time.Duration
		taken int
	}{"soon": {3 * time.Second, 1}, "never": {time.Hour, 0}} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				slow := roundTripper(func(req *http.Request) (*http.Response, error) {
					select {
					case <-time.After(c.takes):
						return &http.Response{StatusCode: 204, Body: http.NoBody, Request: req}, nil
					case <-req.Context().Done():
						return nil, req.Context().Err()
					}
				})
				d := openPost(t, openTable(t), slow, testHook(t)).start()
				d.publish(event("a:1", 1), event("a:1", 2))
				time.Sleep(time.Second)
				began := time.Now()
				d.stop()
				if got := time.Since(began); got > grace {
					t.Errorf("the end took %v", got)
				}
				if left := len(d.waiting()); left != 2-c.taken {
					t.Errorf("%d events left, want %d", left, 2-c.taken)
				}
			})
		})
	}
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// A failure of the table is said of all that were not kept.
func TestPublishSaysWhatFailed(t *testing.T) {
	real := openTable(t)
	d := openPost(t, real, newReceiver(t, nil), testHook(t))
	d.boxes[0].table = tabletest.NewFaulty(real, func(c tabletest.Call) tabletest.Fault { return tabletest.FailBefore })
	err := d.Publishers()[0].Publish(t.Context(), []announce.Event{event("a:1", 1), event("a:1", 2)})
	var some *announce.Unpublished
	if !errors.As(err, &some) || !slices.Equal(some.Failed, []int{0, 1}) {
		t.Errorf("got %v", err)
	}
	if err := d.Publishers()[0].Publish(context.Background(), nil); err != nil {
		t.Errorf("of nothing: %v", err)
	}
}
