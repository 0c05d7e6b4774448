// Package news notes when it was told that something was attached: by a webhook,
// on a bus, and by the stream of the table, of which all the rest is made.
package news

import (
	"context"
	"encoding/json"
	"fmt"
	"sync"
	"time"
)

// Arrivals are when it was first told of each referrer, by its digest. They are
// safe for concurrent use.
type Arrivals struct {
	mu    sync.Mutex
	first map[string]time.Time
}

func (a *Arrivals) note(digest string, at time.Time) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.first == nil {
		a.first = map[string]time.Time{}
	}
	if _, told := a.first[digest]; !told {
		a.first[digest] = at
	}
}

// Await returns how long after each of these times it was told of the referrer
// with that digest, once it was told of all. Errors: ctx ended before that.
func (a *Arrivals) Await(ctx context.Context, answered map[string]time.Time) ([]time.Duration, error) {
	for {
		delays := a.since(answered)
		if len(delays) == len(answered) {
			return delays, nil
		}
		select {
		case <-ctx.Done():
			return nil, fmt.Errorf("nobody was told of %d of %d referrers: %w", len(answered)-len(delays), len(answered), ctx.Err())
		case <-time.After(10 * time.Millisecond):
		}
	}
}

func (a *Arrivals) since(answered map[string]time.Time) []time.Duration {
	a.mu.Lock()
	defer a.mu.Unlock()
	var delays []time.Duration
	for digest, at := range answered {
		if came, told := a.first[digest]; told {
			delays = append(delays, came.Sub(at))
		}
	}
	return delays
}

// attached is the type of the events that count here.
const attached = "dev.berth.referrer.attached"

// noteEvent notes a CloudEvent, if it is one that counts.
func (a *Arrivals) noteEvent(raw []byte, at time.Time) error {
	var event struct {
		Type string
		Data struct{ Referrer struct{ Digest string } }
	}
	if err := json.Unmarshal(raw, &event); err != nil {
		return fmt.Errorf("read an event: %w", err)
	}
	if event.Type == attached {
		a.note(event.Data.Referrer.Digest, at)
	}
	return nil
}
