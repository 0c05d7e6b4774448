package webhook

import (
	"math/rand/v2"
	"time"
)

const (
	// firstDelay and maxDelay are how long an event waits after it was sent in
	// vain, at first and at most. In between the delay doubles.
	firstDelay = time.Second
	maxDelay   = time.Hour
	// tryFor is how long an event is sent, from the first time on.
	tryFor = 24 * time.Hour
	// minTries keeps events from being given up because this machine slept for a
	// day: it is reached after some nine minutes.
	minTries = 10
	// maxWish is the longest that a hook may ask to be left alone for.
	maxWish = 24 * time.Hour
)

// delay is how long an event waits that was sent in vain so many times. It is a
// little different each time, so that those which failed together part.
func delay(tries int) time.Duration {
	d := min(firstDelay<<min(tries-1, 20), maxDelay)
	return d - d/10 + rand.N(d/5)
}

// exhausted says whether an event has been sent for long enough.
func (e entry) exhausted(now time.Time) bool {
	return e.tries >= minTries && now.Sub(e.first) >= tryFor
}

// failed is the entry after one more failure at a time. The wish is how long the
// hook asks to be left alone.
func (e entry) failed(now time.Time, wish time.Duration) entry {
	if e.tries == 0 {
		e.first = now
	}
	e.tries++
	e.next = now.Add(max(delay(e.tries), min(wish, maxWish)))
	return e
}
