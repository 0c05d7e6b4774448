package dynamo

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodbstreams"
	"github.com/aws/aws-sdk-go-v2/service/dynamodbstreams/types"

	"github.com/berthregistry/berth/shared/table"
)

// A Span is a run of records in one shard of a stream, as a dead letter of
// Lambda names it: by the sequence numbers of its first and its last.
type Span struct{ Stream, Shard, First, Last string }

// A TrimmedError says that the stream no longer has the beginning of a span, or
// any of it.
type TrimmedError struct {
	Since time.Time // of the first change that is still there; zero if none is
}

func (e *TrimmedError) Error() string {
	if e.Since.IsZero() {
		return fmt.Sprintf("the stream has none of it any more: it keeps a change for %v", table.StreamLife)
	}
	return fmt.Sprintf("the stream has it only from %s on: it keeps a change for %v", e.Since.UTC().Format(time.RFC3339), table.StreamLife)
}

// maxEmpty is how many answers without a record are taken before the end of a
// span counts as not there. Between two records of a busy table there are some.
const maxEmpty = 100

// Again delivers the changes of a span once more, in their order, whoever has
// read them before. It stops when deliver fails. Those that are there are
// delivered also if it returns a *TrimmedError, or says of some that they could
// not be read. A *TrimmedError that is not wrapped is all that went wrong.
func (s *Store) Again(ctx context.Context, span Span, deliver func(context.Context, []table.Change) error) error {
	if s.streams == nil {
		return errors.New("changes again: the store was made without a stream client")
	}
	r := &repetition{Store: s, Span: span, trimmed: &TrimmedError{}}
	if err := r.seek(ctx, types.ShardIteratorTypeAtSequenceNumber); err != nil {
		return err
	}
	if err := r.run(ctx, deliver); err != nil {
		return err
	}
	switch {
	case r.trimmed == nil:
		return r.unread
	case r.unread == nil:
		return r.trimmed // not joined, which would wrap it
	}
	return errors.Join(r.unread, r.trimmed)
}

// A repetition is one call of Again.
type repetition struct {
	*Store
	Span
	iterator *string       // nil at the end
	trimmed  *TrimmedError // nil once the first record was seen
	begun    bool          // some record was seen
	unread   error         // of the records that were left out
}

// run reads to the end of the span.
func (r *repetition) run(ctx context.Context, deliver func(context.Context, []table.Change) error) error {
	idle := backoff{first: idleFirst, most: idleMost}
	for empty := 0; r.iterator != nil; {
		changes, err := r.read(ctx)
		switch {
		case err != nil:
			return err
		case len(changes) > 0:
			empty = 0
			idle.reset()
			err = deliver(ctx, changes)
		case empty == maxEmpty:
			err = fmt.Errorf("shard %s: %d answers without the end of the span", r.Shard, maxEmpty)
		case r.iterator != nil:
			empty++
			err = idle.wait(ctx)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// seek places the iterator. A shard that is gone is at its end.
func (r *repetition) seek(ctx context.Context, at types.ShardIteratorType) error {
	in := &dynamodbstreams.GetShardIteratorInput{StreamArn: &r.Stream, ShardId: &r.Shard, ShardIteratorType: at}
	if at == types.ShardIteratorTypeAtSequenceNumber {
		in.SequenceNumber = &r.First
	}
	out, err := r.streams.GetShardIterator(ctx, in)
	if err != nil {
		return r.setBack(ctx, at, err)
	}
	r.iterator = out.ShardIterator
	return nil
}

// setBack goes on with what the stream still has, if an error says that the rest
// is gone, and else returns it.
func (r *repetition) setBack(ctx context.Context, at types.ShardIteratorType, err error) error {
	if _, gone := errors.AsType[*types.ResourceNotFoundException](err); gone {
		r.iterator = nil
		return nil
	}
	if _, trimmed := errors.AsType[*types.TrimmedDataAccessException](err); trimmed && !r.begun && at != types.ShardIteratorTypeTrimHorizon {
		return r.seek(ctx, types.ShardIteratorTypeTrimHorizon)
	}
	return fmt.Errorf("read shard %s again: %w", r.Shard, err)
}

// read returns the changes of one answer that are in the span.
func (r *repetition) read(ctx context.Context) ([]table.Change, error) {
	out, err := r.streams.GetRecords(ctx, &dynamodbstreams.GetRecordsInput{ShardIterator: r.iterator})
	if err != nil {
		return nil, r.setBack(ctx, "", err)
	}
	r.iterator = out.NextShardIterator
	var changes []table.Change
	for _, record := range out.Records {
		at := compareSequences(sequence(record, ""), r.Last)
		if at > 0 {
			r.iterator = nil
			break
		}
		if at == 0 {
			r.iterator = nil
		}
		changes = r.take(record, changes)
	}
	return changes, nil
}

// take adds the change of a record that is in the span, and notes what is
// missing before it.
func (r *repetition) take(record types.Record, changes []table.Change) []table.Change {
	if !r.begun && record.Dynamodb != nil {
		r.begun = true
		r.trimmed.Since = aws.ToTime(record.Dynamodb.ApproximateCreationDateTime)
		if compareSequences(sequence(record, ""), r.First) <= 0 {
			r.trimmed = nil
		}
	}
	change, err := Change(record)
	switch {
	case err != nil:
		r.unread = errors.Join(r.unread, err)
	case !strings.HasPrefix(change.Key.Partition, ConsumerPrefix):
		changes = append(changes, change)
	}
	return changes
}

// compareSequences compares sequence numbers, which are longer than any integer
// type and may begin with zeros.
func compareSequences(a, b string) int {
	a, b = strings.TrimLeft(a, "0"), strings.TrimLeft(b, "0")
	if len(a) != len(b) {
		return len(a) - len(b)
	}
	return strings.Compare(a, b)
}
