package dynamo

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodbstreams"
	"github.com/aws/aws-sdk-go-v2/service/dynamodbstreams/types"

	"github.com/berthregistry/berth/shared/table"
)

// ConsumerPrefix begins the partitions in which Changes notes how far each
// consumer has come. Nobody else may write there.
//
//	consumer#<name>
//	├── start          this consumer has begun
//	└── shard#<id>     its position in a shard; expires once the shard is long gone
const ConsumerPrefix = "consumer#"

const (
	startSort   = "start"
	shardPrefix = "shard#"
)

// An acknowledgement outlives a cancelled context by no more than this.
const saveTimeout = 10 * time.Second

// A position says how far a consumer has come in a shard. Zero is the
// beginning of the shard.
type position struct {
	after string    // the last sequence number that it is done with
	since time.Time // changes from before are none of its business
	done  bool      // it has read the shard to its end
}

// isNews says whether p must be saved although it acknowledges no change: at
// the end of a shard, and to replace a time by a sequence number.
func (p position) isNews(old position) bool {
	return p.done || old.after == "" && p.after != ""
}

func (p position) attrs() table.Attrs {
	var attrs table.Attrs
	if p.after != "" {
		attrs = append(attrs, table.S("after", p.after))
	}
	if !p.since.IsZero() {
		attrs = append(attrs, table.N("since", p.since.Unix()))
	}
	if p.done {
		attrs = append(attrs, table.N("done", 1))
	}
	return attrs
}

func positionOf(attrs table.Attrs) position {
	p := position{after: attrs.Str("after"), done: attrs.Num("done") == 1}
	if since, ok := attrs.Lookup("since"); ok {
		p.since = time.Unix(since.Num(), 0)
	}
	return p
}

func (r *reader) itemKey(sort string) table.Key {
	return table.Key{Partition: ConsumerPrefix + r.consumer, Sort: sort}
}

// begin gives the listed shards the positions of this consumer. at is about
// now, on the stream's clock.
func (r *reader) begin(ctx context.Context, at time.Time) error {
	_, err := r.Get(ctx, r.itemKey(startSort))
	switch {
	case err == nil:
		return r.load(ctx)
	case errors.Is(err, table.ErrAbsent):
		return r.beginAnew(ctx, at)
	}
	return fmt.Errorf("look for consumer %s: %w", r.consumer, err)
}

// load reads the positions that earlier calls left. A shard without one is
// younger than they are, and so is read from its beginning.
func (r *reader) load(ctx context.Context) error {
	q := table.Query{Partition: ConsumerPrefix + r.consumer, Prefix: shardPrefix}
	for {
		page, err := r.Query(ctx, q)
		if err != nil {
			return fmt.Errorf("load positions of consumer %s: %w", r.consumer, err)
		}
		for _, it := range page.Items {
			if sh, ok := r.shards[strings.TrimPrefix(it.Sort, shardPrefix)]; ok {
				sh.position = positionOf(it.Attrs)
			}
			q.After = it.Sort
		}
		if !page.More {
			return nil
		}
	}
}

// beginAnew places a new consumer at the end of every shard that has no
// children yet, and behind all others.
//
// The stream names no sequence number for its end. So the reader keeps the
// iterators it got, and saves the time for a call that comes after this one
// and before any record has given a number. Clocks differ a little, so that
// time is a second early: better a change too many than one too few.
func (r *reader) beginAnew(ctx context.Context, at time.Time) error {
	parents := make(map[string]bool, len(r.shards))
	for _, sh := range r.shards {
		parents[sh.parent] = true
	}
	for _, sh := range r.shards {
		if sh.position = (position{done: true}); parents[sh.id] {
			continue
		}
		sh.position = position{since: at.Add(-time.Second).Truncate(time.Second)}
		out, err := r.streams.GetShardIterator(ctx, &dynamodbstreams.GetShardIteratorInput{
			StreamArn: &r.arn, ShardId: &sh.id, ShardIteratorType: types.ShardIteratorTypeLatest,
		})
		if err != nil {
			return fmt.Errorf("find the end of shard %s: %w", sh.id, err)
		}
		sh.iterator = out.ShardIterator
	}
	for _, sh := range r.shards {
		if err := r.save(ctx, sh.id, sh.position); err != nil {
			return err
		}
	}
	// A crash before this leaves positions of a consumer that has not begun;
	// the next call overwrites them.
	return r.put(ctx, table.Item{Key: r.itemKey(startSort), Attrs: table.Attrs{table.S("stream", r.arn)}})
}

// save makes a position durable, be it that ctx has ended in the meantime: who
// delivered and was not refused has promised to. All that was delivered by
// then is trimmed when the item expires.
func (r *reader) save(ctx context.Context, shard string, p position) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), saveTimeout)
	defer cancel()
	return r.put(ctx, table.Item{
		Key:     r.itemKey(shardPrefix + shard),
		Expires: time.Now().Add(2 * table.StreamLife),
		Attrs:   p.attrs(),
	})
}

// put writes an item of a consumer without the cost of a transaction. That a
// write may be repeated, or be the second of two, does no harm here.
func (r *reader) put(ctx context.Context, it table.Item) error {
	_, err := r.client.PutItem(ctx, &dynamodb.PutItemInput{TableName: aws.String(r.table), Item: encode(it)})
	if err != nil {
		return fmt.Errorf("save %s of consumer %s: %w", it.Sort, r.consumer, err)
	}
	return nil
}
