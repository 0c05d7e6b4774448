package dynamo

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/middleware"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodbstreams"
	"github.com/aws/aws-sdk-go-v2/service/dynamodbstreams/types"

	"github.com/berthregistry/berth/shared/table"
)

// How long an idle consumer waits between looks at the stream, DynamoDB
// allowing five a second to each shard; how long after trouble; and how often
// it looks for shards that it does not know.
const (
	idleFirst    = 200 * time.Millisecond
	idleMost     = time.Second
	troubleFirst = time.Second
	troubleMost  = 30 * time.Second
	listEvery    = 10 * time.Second
)

// Changes reads the table's stream from one goroutine, shard after shard, and
// keeps the positions of each consumer in the table. It goes on over whatever
// the stream answers, and logs it.
//
// "Its first call began" means here: it had asked the stream for its latest
// place, a few requests after the call.
func (s *Store) Changes(ctx context.Context, consumer string, deliver func(context.Context, []table.Change) error) error {
	if s.streams == nil {
		return errors.New("changes: the store was made without a stream client")
	}
	r := &reader{Store: s, consumer: consumer, deliver: deliver}
	return r.run(ctx)
}

// A reader is one call of Changes.
type reader struct {
	*Store
	consumer string
	deliver  func(context.Context, []table.Change) error
	refused  error // what deliver failed with

	arn    string            // of the stream
	shards map[string]*shard // those that the stream lists, by id
	listAt time.Time         // when to list them again
	begun  bool              // their positions are known
}

func (r *reader) run(ctx context.Context) error {
	idle := backoff{first: idleFirst, most: idleMost}
	trouble := backoff{first: troubleFirst, most: troubleMost}
	for {
		busy, err := r.round(ctx)
		pause := &idle
		switch {
		case r.refused != nil:
			return r.refused
		case ctx.Err() != nil:
			return context.Cause(ctx)
		case err != nil:
			pause = &trouble
			r.log.WarnContext(ctx, "reading the change stream", "consumer", r.consumer, "err", err)
		case busy:
			idle.reset()
			trouble.reset()
		default:
			trouble.reset()
		}
		if err := pause.wait(ctx); err != nil {
			return err
		}
	}
}

// round reads once from every shard that can be read, and reports whether
// there was anything to read. Trouble with one shard does not hold up the
// others.
func (r *reader) round(ctx context.Context) (busy bool, err error) {
	if !time.Now().Before(r.listAt) {
		if err := r.list(ctx); err != nil {
			return false, err
		}
	}
	for _, sh := range r.readable() {
		some, readErr := r.read(ctx, sh)
		busy = busy || some
		err = errors.Join(err, readErr)
		if r.refused != nil || ctx.Err() != nil {
			break
		}
	}
	return busy, err
}

// list takes stock of the stream's shards. Those that were trimmed away are
// forgotten, and so are all if the table was given another stream.
func (r *reader) list(ctx context.Context) error {
	listed, at, err := r.describe(ctx)
	if err != nil {
		return err
	}
	shards := make(map[string]*shard, len(listed))
	for _, l := range listed {
		id := aws.ToString(l.ShardId)
		sh, known := r.shards[id]
		if !known {
			sh = &shard{id: id, parent: aws.ToString(l.ParentShardId)}
		}
		shards[id] = sh
	}
	r.shards = shards
	if !r.begun {
		if err := r.begin(ctx, at); err != nil {
			return err
		}
		r.begun = true
	}
	r.listAt = time.Now().Add(listEvery)
	return nil
}

// describe asks for the stream's shards, and returns with them what time it is
// on the stream's clock, which is not ours.
func (r *reader) describe(ctx context.Context) ([]types.Shard, time.Time, error) {
	of, err := r.client.DescribeTable(ctx, &dynamodb.DescribeTableInput{TableName: &r.table})
	if err != nil {
		return nil, time.Time{}, fmt.Errorf("look for the stream of table %s: %w", r.table, err)
	}
	if of.Table.LatestStreamArn == nil {
		return nil, time.Time{}, fmt.Errorf("table %s has no stream", r.table)
	}
	r.arn = *of.Table.LatestStreamArn
	in := &dynamodbstreams.DescribeStreamInput{StreamArn: &r.arn}
	var shards []types.Shard
	for {
		out, err := r.streams.DescribeStream(ctx, in)
		if err != nil {
			return nil, time.Time{}, fmt.Errorf("describe stream: %w", err)
		}
		shards = append(shards, out.StreamDescription.Shards...)
		in.ExclusiveStartShardId = out.StreamDescription.LastEvaluatedShardId
		if in.ExclusiveStartShardId == nil {
			at, ok := middleware.GetServerTime(out.ResultMetadata)
			if !ok {
				at = time.Now()
			}
			return shards, at, nil
		}
	}
}
