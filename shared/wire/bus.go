package wire

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"

	"github.com/aws/smithy-go"

	"github.com/berthregistry/berth/shared/announce"
)

// EventSource is what rules of EventBridge know our events by.
const EventSource = "dev.berth"

// What EventBridge takes at once: entries, and bytes of all of them together,
// which must be less than 256 KiB.
const (
	maxEntries    = 10
	maxEntryBytes = 256<<10 - 1
	timeBytes     = 14 // what it counts for the time of an entry
)

// A bus is one of EventBridge, as the place where events go.
type bus struct {
	*caller
	url, name string
}

var _ announce.Publisher = (*bus)(nil)

func newBus(c Config) *bus {
	return &bus{newCaller(c, "events"), serviceURL(c.EventBridge, "events", c.Region) + "/", c.Bus}
}

// An entry is an event in the envelope of EventBridge.
type entry struct {
	Time         float64 // seconds since 1970
	Source       string
	DetailType   string
	Detail       string // the whole event
	EventBusName string
}

// size is what EventBridge counts.
func (e entry) size() int { return timeBytes + len(e.Source) + len(e.DetailType) + len(e.Detail) }

// Publish puts events on the bus, in their order. It stops at the first that is
// refused for good: what is behind it comes again anyway.
func (b *bus) Publish(ctx context.Context, events []announce.Event) error {
	entries, err := b.entries(events)
	if err != nil {
		return err
	}
	for at := 0; at < len(entries); {
		next := at + fitting(entries[at:])
		if failed, err := b.put(ctx, entries[at:next]); err != nil {
			return unpublished(failed, at, next, len(entries), err)
		}
		at = next
	}
	return nil
}

func (b *bus) entries(events []announce.Event) ([]entry, error) {
	entries := make([]entry, len(events))
	for i, e := range events {
		detail, err := e.JSON()
		if err != nil {
			return nil, err
		}
		entries[i] = entry{
			Time: float64(e.Time.UnixMilli()) / 1e3, Source: EventSource, DetailType: e.Type, Detail: string(detail), EventBusName: b.name,
		}
	}
	return entries, nil
}

// fitting is how many entries, from the first one on, are sent at once. One
// alone always is: if it is too large, EventBridge says so.
func fitting(entries []entry) int {
	size := entries[0].size()
	for n := 1; n < min(len(entries), maxEntries); n++ {
		if size += entries[n].size(); size > maxEntryBytes {
			return n
		}
	}
	return min(len(entries), maxEntries)
}

// unpublished says that some of the entries from at to next have failed, and all
// behind those were not tried.
func unpublished(failed []int, at, next, end int, err error) error {
	u := &announce.Unpublished{Err: fmt.Errorf("put events: %w", err)}
	for _, i := range failed {
		u.Failed = append(u.Failed, at+i)
	}
	for i := next; i < end; i++ {
		u.Failed = append(u.Failed, i)
	}
	return u
}

// put sends entries, and again those that were refused for the moment. It
// returns the indexes of those that were refused for good, and why. One whose
// answer was lost comes twice.
func (b *bus) put(ctx context.Context, entries []entry) ([]int, error) {
	left := make([]int, len(entries))
	for i := range left {
		left[i] = i
	}
	for attempt := 1; ; attempt++ {
		refused, err := b.send(ctx, entries, left)
		if err == nil || !b.again(ctx, attempt, err) {
			return refused, err
		}
		left = refused
	}
}

// send sends some of the entries once. It returns those that were not taken, and
// why the first of them was not.
func (b *bus) send(ctx context.Context, entries []entry, which []int) ([]int, error) {
	var request struct{ Entries []entry }
	for _, i := range which {
		request.Entries = append(request.Entries, entries[i])
	}
	payload, err := json.Marshal(request)
	if err != nil {
		return which, fmt.Errorf("write request: %w", err)
	}
	body, err := b.call(ctx, "PutEvents", payload)
	if err != nil {
		return which, err
	}
	var answer struct{ Entries []outcome }
	if err := json.Unmarshal(body, &answer); err != nil {
		return which, fmt.Errorf("read answer: %w", err)
	}
	if len(answer.Entries) != len(which) {
		return which, fmt.Errorf("the answer speaks of %d entries, and %d were put", len(answer.Entries), len(which))
	}
	return refusedOf(answer.Entries, which)
}

// call has EventBridge do something once.
func (b *bus) call(ctx context.Context, operation string, payload []byte) ([]byte, error) {
	header := http.Header{"Content-Type": {"application/x-amz-json-1.1"}, "X-Amz-Target": {"AWSEvents." + operation}}
	return b.post(ctx, b.url, header, payload, http.StatusOK)
}

// FindBus fails unless the bus is there. EventBridge takes events for one that is
// not without a word, and they are gone: whoever names a bus by hand asks before.
// A function need not, since its role may put events on one bus that there is.
func FindBus(ctx context.Context, c Config) error {
	b := newBus(c)
	payload, err := json.Marshal(struct{ Name string }{b.name})
	if err != nil {
		return fmt.Errorf("write request: %w", err)
	}
	for attempt := 1; ; attempt++ {
		_, err := b.call(ctx, "DescribeEventBus", payload)
		switch {
		case err == nil:
			return nil
		case !b.again(ctx, attempt, err):
			return fmt.Errorf("find the bus %s: %w", b.name, err)
		}
	}
}

// An outcome is what became of one entry.
type outcome struct{ EventID, ErrorCode, ErrorMessage string }

func refusedOf(outcomes []outcome, which []int) (refused []int, err error) {
	for i, o := range outcomes {
		if o.ErrorCode == "" && o.EventID != "" {
			continue
		}
		if refused = append(refused, which[i]); err == nil {
			err = &entryError{smithy.GenericAPIError{Code: o.ErrorCode, Message: o.ErrorMessage}}
		}
	}
	return refused, err
}

// An entryError is why an entry was refused, in a call that went well.
type entryError struct{ smithy.GenericAPIError }

// RetryableError implements what the SDK's retryer asks for.
func (e *entryError) RetryableError() bool {
	switch e.Code {
	case "ThrottlingException", "InternalFailure", "InternalException":
		return true
	}
	return false
}
