package stream

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodbstreams/types"
)

// A shard is a piece of the stream. The changes of one item are in one shard, or
// in one and then in its children.
//
// Its fields belong to the goroutine of follow while there is one, and else to
// that of Run.
type shard struct {
	id, parent string
	following  bool // there is a goroutine for it; belongs to Run
	place      place

	lost     bool     // the stream says that there is no such shard; list finds out
	iterator string   // nothing: to be asked for
	latest   bool     // it comes from the end at which a new mapping begins: nothing behind it is too old
	read     string   // sequence number of the last record read, be it not delivered yet
	pending  []record // read, and to be delivered
	atEnd    bool     // there is nothing more to read
	failures int      // since the last success
}

// list takes stock of the shards. Those that the stream no longer has are
// forgotten once they are not being read.
func (m *Mapping) list(ctx context.Context) error {
	listed, err := m.source.shards(ctx)
	if err != nil {
		return err
	}
	shards := make(map[string]*shard, len(listed))
	for _, l := range listed {
		id := aws.ToString(l.ShardId)
		sh, known := m.shards[id]
		if known && !sh.following {
			sh.lost = false
		}
		if !known {
			at := m.savedPlace(id)
			sh = &shard{id: id, parent: aws.ToString(l.ParentShardId), place: at, read: at.After}
		}
		shards[id] = sh
	}
	for id, sh := range m.shards {
		if sh.following {
			shards[id] = sh
		}
	}
	first := m.shards == nil
	if first && m.StartingPosition == Latest && m.saved.Shards == nil {
		if err := m.seekLatest(ctx, shards); err != nil {
			return err
		}
	}
	if err := m.save(shards); err != nil {
		return err
	}
	m.shards = shards
	if first {
		close(m.ready)
	}
	return nil
}

// seekLatest places a new mapping at the end of every shard that has no
// children, and behind all others.
//
// The stream gives no sequence number for its end. Until a record has brought
// one, the place is an iterator and, should that be lost, a time: a second
// early, as clocks differ and a change too many is better than one too few.
func (m *Mapping) seekLatest(ctx context.Context, shards map[string]*shard) error {
	since := time.Now().Add(-time.Second).Truncate(time.Second)
	for _, sh := range shards {
		sh.place = place{Since: since}
	}
	for _, sh := range shards {
		if parent, ok := shards[sh.parent]; ok {
			parent.place = place{Done: true}
		}
	}
	for _, sh := range shards {
		if sh.place.Done {
			continue
		}
		var err error
		if sh.iterator, err = m.source.iterator(ctx, sh.id, "", types.ShardIteratorTypeLatest); err != nil {
			return err
		}
		sh.latest = true
	}
	return nil
}

// readable returns the shards that may be read and are not. A child waits until
// its parent is read to the end: else the changes of an item would come out of
// order. A parent that the stream no longer has holds up nobody.
func (m *Mapping) readable() []*shard {
	var out []*shard
	for _, sh := range m.shards {
		parent, listed := m.shards[sh.parent]
		if !sh.following && !sh.lost && !sh.place.Done && (!listed || !parent.following && parent.place.Done) {
			out = append(out, sh)
		}
	}
	slices.SortFunc(out, func(a, b *shard) int { return strings.Compare(a.id, b.id) })
	return out
}

// follow reads a shard to its end, or until ctx ends or the shard is gone.
func (m *Mapping) follow(ctx context.Context, sh *shard) {
	for ctx.Err() == nil && !sh.place.Done && !sh.lost {
		batch, err := m.gather(ctx, sh)
		if err != nil {
			m.trouble(ctx, sh, err)
			continue
		}
		if m.deliver(ctx, sh, batch) == nil {
			m.settle(ctx, sh)
		}
	}
	m.setAge(sh, time.Time{})
	select {
	case m.ended <- sh:
	case <-ctx.Done():
	}
}

// trouble waits after the stream has refused something.
func (m *Mapping) trouble(ctx context.Context, sh *shard, err error) {
	if ctx.Err() != nil {
		return
	}
	m.Log.WarnContext(ctx, "read shard", "shard", sh.id, "err", err)
	_, sh.lost = errors.AsType[*types.ResourceNotFoundException](err)
	sh.failures++
	m.backOff(ctx, sh)
}

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
