// Package queue keeps the events that functions are sent and nobody waits for,
// and delivers them as AWS Lambda does: at least once, in no order, tried again
// when the function fails, and given up in the end.
//
// Where AWS leaves open what happens, this package takes what is harder for the
// function: an event that comes twice comes twice at the same time. Two things
// it does not: a queue on AWS loses events when it grows for long, and tries
// less often then.
package queue

import (
	"cmp"
	"context"
	"log/slog"
	"sync"
	"time"
)

// A Config describes the queue of one function. Invoke and MaxAge are required.
type Config struct {
	// Invoke hands an event to the function and says whether that has failed. An
	// error means that the event did not reach it, as when it is throttled. It must
	// be safe for concurrent use.
	Invoke func(ctx context.Context, event []byte) (failed bool, err error)

	Retries int           // of an event that the function fails at
	MaxAge  time.Duration // an older event is not tried again

	Repeat func() bool          // a fault: true delivers an event twice; nil: never
	Delay  func() time.Duration // a fault: how long an event is held back; nil: not at all

	// Retry is the pause before an event is tried again that the function failed
	// at, and twice as much before the next time: 1 min if 0, as Lambda has it.
	Retry time.Duration
	// Backoff is the pause after an event did not reach the function, doubled by
	// each time that follows: 1 s if 0, and never above 5 min.
	Backoff time.Duration

	Log *slog.Logger // nil: none
}

const longestPause = 5 * time.Minute

// A Queue delivers events until it is closed. Its methods are safe for
// concurrent use.
type Queue struct {
	Config
	ctx     context.Context
	stop    context.CancelFunc
	running sync.WaitGroup

	mu      sync.Mutex
	stats   Stats
	waiting map[*event]struct{}
}

// An event is one delivery on its way. What is further down belongs to deliver.
type event struct {
	payload []byte
	sent    time.Time

	failures, unreached int           // attempts that came to nothing
	next                time.Duration // until the next attempt
}

// New returns the queue that c describes.
func New(c Config) *Queue {
	c.Retry = cmp.Or(c.Retry, time.Minute)
	c.Backoff = cmp.Or(c.Backoff, time.Second)
	c.Log = cmp.Or(c.Log, slog.New(slog.DiscardHandler))
	q := &Queue{Config: c, waiting: map[*event]struct{}{}}
	q.ctx, q.stop = context.WithCancel(context.Background())
	return q
}

// Send takes an event, which must not be changed any more.
func (q *Queue) Send(payload []byte) {
	times := 1
	if q.Repeat != nil && q.Repeat() {
		times = 2
	}
	q.count(func(s *Stats) { s.Received++ })
	for range times {
		e := &event{payload: payload, sent: time.Now()}
		q.note(e)
		q.running.Go(func() {
			defer q.forget(e)
			q.deliver(e)
		})
	}
}

// Close stops. What is still to be delivered is lost.
func (q *Queue) Close() {
	q.stop()
	q.running.Wait()
}

// deliver brings an event to its end: the function has succeeded, or it is
// given up.
func (q *Queue) deliver(e *event) {
	if q.Delay != nil && !q.pause(q.Delay()) {
		return
	}
	for q.attempt(e) && q.pause(e.next) {
	}
}

// attempt tries once, and reports whether to do so again.
func (q *Queue) attempt(e *event) bool {
	failed, err := q.Invoke(q.ctx, e.payload)
	switch {
	case q.ctx.Err() != nil:
		return false
	case err != nil:
		q.count(func(s *Stats) { s.Unreached++ })
		q.Log.Warn("the event did not reach the function", "err", err)
		e.next = min(q.Backoff<<min(e.unreached, 20), longestPause)
		e.unreached++
	case failed:
		q.count(func(s *Stats) { s.Failed++ })
		e.failures++
		e.next = q.Retry * time.Duration(e.failures)
	default:
		q.count(func(s *Stats) { s.Delivered++ })
		return false
	}
	if why := q.hopeless(e); why != "" {
		q.count(func(s *Stats) { s.Dropped++ })
		q.Log.Error("an event is given up", "condition", why, "age", time.Since(e.sent))
		return false
	}
	return true
}

// hopeless says in Lambda's words why an event is not tried again, if so.
func (q *Queue) hopeless(e *event) string {
	switch {
	case e.failures > q.Retries:
		return "RetriesExhausted"
	case time.Since(e.sent)+e.next > q.MaxAge:
		return "EventAgeExceeded"
	}
	return ""
}

// pause waits, and reports whether the queue is still open then.
func (q *Queue) pause(d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-q.ctx.Done():
		return false
	case <-timer.C:
		return true
	}
}
