package blobstest

import (
	"context"
	"fmt"
	"strings"
	"time"
)

// A Bucket is a store as lifecycle rules see it.
type Bucket interface {
	// Entries lists all that is there.
	Entries(ctx context.Context) ([]Entry, error)
	// Remove removes one for good.
	Remove(ctx context.Context, e Entry) error
}

// An Entry is one thing in a bucket: an object, an older version of one, or an
// upload in parts that is neither completed nor aborted.
type Entry struct {
	Key        string
	Upload     string    // its id, if it is an upload
	Noncurrent bool      // it is an older version, or was deleted
	Since      time.Time // when it was made, begun, or became noncurrent
	Tags       map[string]string
}

// Sweep does what S3 would have done by now by these rules, and returns what it
// has removed.
func Sweep(ctx context.Context, b Bucket, rules []LifecycleRule, now time.Time) ([]Entry, error) {
	entries, err := b.Entries(ctx)
	if err != nil {
		return nil, fmt.Errorf("sweep: %w", err)
	}
	var removed []Entry
	for _, e := range entries {
		if !e.isDue(rules, now) {
			continue
		}
		if err := b.Remove(ctx, e); err != nil {
			return removed, fmt.Errorf("sweep: %w", err)
		}
		removed = append(removed, e)
	}
	return removed, nil
}

// isDue reports whether any rule has the entry removed by now.
func (e Entry) isDue(rules []LifecycleRule, now time.Time) bool {
	for _, r := range rules {
		if days := r.daysOf(e); days > 0 && !now.Before(midnightAfter(e.Since, days)) {
			return true
		}
	}
	return false
}

// daysOf is for how long a rule leaves an entry alone, 0 if for good.
func (r LifecycleRule) daysOf(e Entry) int {
	if !strings.HasPrefix(e.Key, r.Prefix) {
		return 0
	}
	if e.Upload != "" {
		return r.Incomplete
	}
	for name, value := range r.Tags {
		if got, ok := e.Tags[name]; !ok || got != value {
			return 0
		}
	}
	if e.Noncurrent {
		return r.Noncurrent
	}
	return r.Current
}

// midnightAfter is when S3 does what is due after so many days: at the midnight
// that follows, in UTC.
func midnightAfter(since time.Time, days int) time.Time {
	const day = 24 * time.Hour
	return since.UTC().Add(time.Duration(days) * day).Truncate(day).Add(day)
}
