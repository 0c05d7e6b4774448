package dynamo

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodbstreams"
	"github.com/aws/aws-sdk-go-v2/service/dynamodbstreams/types"

	"github.com/berthregistry/berth/shared/table"
)

// A shard is a piece of the stream. An item's changes are all in one shard, or
// in one and then in its children: DynamoDB ends every shard after some hours,
// and when it splits a partition.
type shard struct {
	id, parent string
	position
	iterator *string // the place in the stream behind position; nil if to be asked for
	unsaved  bool    // the table has an older position
}

// readable returns the shards to read now. A child waits until its parent is
// read to the end and that is saved, or else the changes of an item would come
// out of order. A parent that is no longer listed has been trimmed, and holds
// up nobody.
func (r *reader) readable() []*shard {
	var out []*shard
	for _, sh := range r.shards {
		parent, listed := r.shards[sh.parent]
		if !sh.finished() && (!listed || parent.finished()) {
			out = append(out, sh)
		}
	}
	slices.SortFunc(out, func(a, b *shard) int { return strings.Compare(a.id, b.id) })
	return out
}

func (sh *shard) finished() bool { return sh.done && !sh.unsaved }

// read reads from a shard once, delivers what is there and acknowledges it. It
// reports whether there was anything.
func (r *reader) read(ctx context.Context, sh *shard) (busy bool, err error) {
	// What could not be saved comes first: it was delivered, and need not be
	// so again.
	if err := r.settle(ctx, sh); err != nil || sh.done {
		return false, err
	}
	records, next, err := r.fetch(ctx, sh)
	if err != nil || sh.iterator == nil {
		return false, err
	}
	changes, at := r.take(ctx, sh.position, records)
	// Only the missing iterator says that a shard is at its end. An empty
	// answer does not, and its ending number is set early by some engines.
	at.done = next == nil
	if len(changes) > 0 {
		if err := r.deliver(ctx, changes); err != nil {
			r.refused = err
			return false, err
		}
	}
	// A crash here leaves the run delivered and not acknowledged: it is
	// delivered again.
	sh.unsaved = len(changes) > 0 || at.isNews(sh.position)
	sh.position, sh.iterator = at, next
	if sh.done {
		r.listAt = time.Time{} // its children may be new to us
	}
	return len(records) > 0 || sh.done, r.settle(ctx, sh)
}

// settle brings the position in the table up to that in memory.
func (r *reader) settle(ctx context.Context, sh *shard) error {
	if !sh.unsaved {
		return nil
	}
	if err := r.save(ctx, sh.id, sh.position); err != nil {
		return err
	}
	sh.unsaved = false
	return nil
}

// fetch asks for the records behind the shard's position, and for the iterator
// behind them. It leaves the shard without one if it has to begin again.
func (r *reader) fetch(ctx context.Context, sh *shard) ([]types.Record, *string, error) {
	if sh.iterator == nil {
		if err := r.seek(ctx, sh); err != nil || sh.iterator == nil {
			return nil, nil, err
		}
	}
	out, err := r.streams.GetRecords(ctx, &dynamodbstreams.GetRecordsInput{ShardIterator: sh.iterator})
	if err != nil {
		return nil, nil, r.setBack(ctx, sh, err)
	}
	return out.Records, out.NextShardIterator, nil
}

// take makes changes of records, and says where the consumer is after them.
//
// The consumers' own positions are left out, and nobody acknowledges a run of
// nothing else: the acknowledgement would be the next such record.
func (r *reader) take(ctx context.Context, at position, records []types.Record) ([]table.Change, position) {
	var changes []table.Change
	for _, record := range records {
		at.after = sequence(record, at.after)
		change, err := Change(record)
		switch {
		case err != nil:
			// To stop here would stop all consumers for good over one item
			// that somebody edited by hand.
			r.log.ErrorContext(ctx, "stream record left out", "consumer", r.consumer, "err", err)
		case change.At.Before(at.since), strings.HasPrefix(change.Key.Partition, ConsumerPrefix):
		default:
			changes = append(changes, change)
		}
	}
	return changes, at
}

func sequence(record types.Record, none string) string {
	if record.Dynamodb == nil || record.Dynamodb.SequenceNumber == nil {
		return none
	}
	return *record.Dynamodb.SequenceNumber
}

// seek asks for the iterator that begins behind the shard's position.
func (r *reader) seek(ctx context.Context, sh *shard) error {
	in := &dynamodbstreams.GetShardIteratorInput{
		StreamArn: &r.arn, ShardId: &sh.id, ShardIteratorType: types.ShardIteratorTypeTrimHorizon,
	}
	if sh.after != "" {
		in.ShardIteratorType = types.ShardIteratorTypeAfterSequenceNumber
		in.SequenceNumber = &sh.after
	}
	out, err := r.streams.GetShardIterator(ctx, in)
	if err != nil {
		return r.setBack(ctx, sh, err)
	}
	sh.iterator = out.ShardIterator
	return nil
}

// setBack makes the next read of a shard begin with a new iterator, and
// returns err unless that alone is the cure.
func (r *reader) setBack(ctx context.Context, sh *shard, err error) error {
	sh.iterator = nil
	if _, expired := errors.AsType[*types.ExpiredIteratorException](err); expired {
		return nil // left unused for 15 minutes, as on a machine that slept
	}
	if _, trimmed := errors.AsType[*types.TrimmedDataAccessException](err); trimmed && sh.after != "" {
		// Whatever is still there is newer than the position, so nothing comes
		// twice; but there may have been more.
		r.log.WarnContext(ctx, "the stream no longer reaches back to this consumer: changes may be lost",
			"consumer", r.consumer, "shard", sh.id, "life", table.StreamLife)
		sh.after = ""
		return nil
	}
	if _, gone := errors.AsType[*types.ResourceNotFoundException](err); gone {
		r.listAt = time.Time{}
	}
	return fmt.Errorf("shard %s: %w", sh.id, err)
}
