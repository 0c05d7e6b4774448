package stream

import (
	"context"
	"errors"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodbstreams/types"
)

// settle notes what needs no delivery: records that were filtered out behind the
// last one delivered, and the end of the shard.
func (m *Mapping) settle(ctx context.Context, sh *shard) {
	if len(sh.pending) > 0 || sh.read == sh.place.After && !sh.atEnd {
		return
	}
	m.checkpoint(ctx, sh, sh.read, sh.atEnd)
}

// gather returns the next batch: a full one, or what is there when the batching
// window closes or the shard is at its end. It may be empty.
func (m *Mapping) gather(ctx context.Context, sh *shard) ([]record, error) {
	var window time.Time
	for {
		if len(sh.pending) > 0 && window.IsZero() {
			window = time.Now().Add(m.MaximumBatchingWindow)
		}
		n, full := m.fits(sh.pending)
		if full || sh.atEnd || n > 0 && !time.Now().Before(window) {
			batch := sh.pending[:n:n]
			sh.pending = sh.pending[n:]
			return batch, nil
		}
		some, err := m.fetch(ctx, sh)
		if err != nil {
			return nil, err
		}
		if len(sh.pending) == 0 {
			m.settle(ctx, sh)
		}
		if !some && !sh.atEnd {
			if err := pause(ctx, m.untilLook(window)); err != nil {
				return nil, err
			}
		}
	}
}

// untilLook is how long an empty shard is left alone: until the next look, or
// until the window closes.
func (m *Mapping) untilLook(window time.Time) time.Duration {
	if window.IsZero() {
		return m.Poll
	}
	return min(m.Poll, time.Until(window))
}

// fits returns how many of the records go into one batch, and whether no more
// would.
func (m *Mapping) fits(records []record) (n int, full bool) {
	size := envelope
	for n < len(records) && n < m.BatchSize {
		size += len(records[n].json) + 1
		if size > maxPayload && n > 0 {
			return n, true
		}
		n++
	}
	return n, n == m.BatchSize
}

// fetch reads once, and reports whether there was anything.
func (m *Mapping) fetch(ctx context.Context, sh *shard) (some bool, err error) {
	if sh.iterator == "" {
		sh.iterator, err = m.source.iterator(ctx, sh.id, sh.read, types.ShardIteratorTypeTrimHorizon)
		if err != nil {
			return false, m.setBack(ctx, sh, err)
		}
	}
	records, next, err := m.source.records(ctx, sh.iterator, m.BatchSize)
	if err != nil {
		return false, m.setBack(ctx, sh, err)
	}
	sh.failures = 0
	sh.iterator, sh.atEnd = aws.ToString(next), next == nil
	for _, r := range records {
		m.take(ctx, sh, r)
	}
	if len(sh.pending) > 0 {
		m.setAge(sh, sh.pending[0].created)
	}
	return len(records) > 0, nil
}

// take puts a record among the pending ones, unless it is none of the function's
// business.
func (m *Mapping) take(ctx context.Context, sh *shard, from types.Record) {
	r, err := encode(from, m.Stream)
	if err != nil {
		m.Log.ErrorContext(ctx, "stream record left out", "shard", sh.id, "err", err)
		return
	}
	sh.read = r.sequence
	switch {
	case !sh.latest && r.created.Before(sh.place.Since):
	case !m.passes(r):
		m.count(func(s *Stats) { s.Filtered++ })
	default:
		sh.pending = append(sh.pending, r)
	}
}

// setBack makes the next read begin with a new iterator, and returns err unless
// that alone is the cure.
func (m *Mapping) setBack(ctx context.Context, sh *shard, err error) error {
	sh.iterator, sh.latest = "", false
	if _, expired := errors.AsType[*types.ExpiredIteratorException](err); expired {
		return nil // left unused for 15 minutes, as by a batch that fails for long
	}
	if _, trimmed := errors.AsType[*types.TrimmedDataAccessException](err); trimmed && sh.read != "" {
		m.Log.WarnContext(ctx, "the stream no longer reaches back to this mapping: changes may be lost", "shard", sh.id)
		sh.read = ""
		return nil
	}
	return err
}

// pause waits for d, or returns why ctx ended.
func pause(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-timer.C:
		return nil
	}
}
