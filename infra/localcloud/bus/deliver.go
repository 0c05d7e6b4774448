package bus

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"time"
)

// A rawJSON is written as it is, as text that is JSON already.
type rawJSON string

func (r rawJSON) MarshalJSON() ([]byte, error) { return []byte(r), nil }

// envelope is an event as rules and targets see it.
func (b *Bus) envelope(t Taken) []byte {
	if t.Resources == nil {
		t.Resources = []string{}
	}
	// Strings, and an object that was read before, are always encoded.
	event, _ := json.Marshal(map[string]any{
		"version": "0", "id": t.ID, "detail-type": t.DetailType, "source": t.Source,
		"account": b.Account, "time": t.Time.Format("2006-01-02T15:04:05Z"), "region": b.Region,
		"resources": t.Resources, "detail": t.Detail,
	})
	return event
}

// route sends an event to the targets of all rules that it fits.
func (b *Bus) route(t Taken) {
	event := b.envelope(t)
	for _, r := range b.Rules {
		if r.Bus != t.Bus || !r.Pattern.Fits(event) {
			continue
		}
		for _, target := range r.Targets {
			b.start(r, delivery{target: target, event: event, since: t.At})
		}
	}
}

// start begins a delivery, and by the fault a second one at the same time.
func (b *Bus) start(r Rule, d delivery) {
	times := 1
	if b.Repeat != nil && b.Repeat() {
		times = 2
	}
	for range times {
		b.count(r, func(s *Stats) { s.Waiting++ })
		b.running.Go(func() {
			b.deliver(r, d)
			b.count(r, func(s *Stats) { s.Waiting-- })
		})
	}
}

// A delivery is an event on its way to a target.
type delivery struct {
	target Target
	event  []byte
	since  time.Time
}

// A Failure is why a target did not take an event.
type Failure struct {
	Code  string        // in EventBridge's words
	Err   error         // what happened
	Final bool          // it is of no use to try again
	After time.Duration // when to try again, at the earliest
}

func (f *Failure) Error() string { return f.Err.Error() }

func (f *Failure) Unwrap() error { return f.Err }

// deliver brings an event to a target, or gives it up.
func (b *Bus) deliver(r Rule, d delivery) {
	if b.Delay != nil && !pause(b.ctx, b.Delay()) {
		return
	}
	wait := b.Backoff
	for attempt := 0; ; attempt++ {
		failed := d.attempt(b.ctx)
		if b.ctx.Err() != nil {
			return
		}
		if failed == nil {
			b.count(r, func(s *Stats) { s.Delivered++ })
			return
		}
		b.count(r, func(s *Stats) { s.Failed++ })
		b.Log.Warn("a target did not take an event", "rule", r.ARN, "err", failed)
		next := max(wait, failed.After)
		if condition := d.hopeless(failed, attempt, next); condition != "" {
			b.giveUp(r, d, failed, attempt, condition)
			return
		}
		if !pause(b.ctx, next) {
			return
		}
		wait = min(2*wait, longestPause)
	}
}

// attempt tries once. It returns nil if the target has taken the event.
func (d delivery) attempt(ctx context.Context) *Failure {
	input, err := follow(d.event, d.target.InputPath)
	if err != nil {
		return &Failure{Code: "INVALID_JSON", Err: err, Final: true}
	}
	if err = d.target.Send(ctx, input); err == nil {
		return nil
	}
	if known, ok := errors.AsType[*Failure](err); ok {
		return known
	}
	return &Failure{Code: "INTERNAL_ERROR", Err: err}
}

// follow is what a path of members leads to.
func follow(event []byte, path []string) ([]byte, error) {
	for _, name := range path {
		var of map[string]json.RawMessage
		if err := json.Unmarshal(event, &of); err != nil || of[name] == nil {
			return nil, fmt.Errorf("follow the path of the input: there is no %q", name)
		}
		event = of[name]
	}
	return event, nil
}

// hopeless says in EventBridge's words why an event is not tried again after a
// pause, if so.
func (d delivery) hopeless(failed *Failure, attempt int, next time.Duration) string {
	switch {
	case failed.Final:
		return "NonRetryable"
	case attempt >= d.target.Retries:
		return "MaximumRetryAttempts"
	case time.Since(d.since)+next > d.target.MaxAge:
		return "MaximumEventAgeInSeconds"
	}
	return ""
}

func (b *Bus) giveUp(r Rule, d delivery, failed *Failure, attempt int, condition string) {
	b.Log.Error("an event is given up", "rule", r.ARN, "condition", condition, "err", failed)
	if d.target.Undelivered != nil {
		d.target.Undelivered(d.event, map[string]string{
			"RULE_ARN": r.ARN, "TARGET_ARN": d.target.ARN,
			"ERROR_CODE": failed.Code, "ERROR_MESSAGE": failed.Error(),
			"EXHAUSTED_RETRY_CONDITION": condition, "RETRY_ATTEMPTS": strconv.Itoa(attempt),
		})
	}
	b.count(r, func(s *Stats) { s.Undelivered++ })
}

// pause waits, and reports whether ctx has not ended.
func pause(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return true
	}
}
