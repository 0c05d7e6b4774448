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
