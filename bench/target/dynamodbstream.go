package target

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
)

// streamsAPI and tableAPI begin what calls ask for.
const (
	tableAPI   = "DynamoDB_20120810."
	streamsAPI = "DynamoDBStreams_20120810."
)

// A Tail is the end of a table's stream, where changes appear. It does not see
// shards that begin after it.
type Tail struct {
	db        *DynamoDB
	iterators []string
}

// Tail returns the end of a table's stream as it is now.
func (d *DynamoDB) Tail(ctx context.Context, table string) (*Tail, error) {
	var list struct{ Streams []struct{ StreamArn string } }
	if err := d.stream(ctx, "ListStreams", map[string]any{"TableName": table}, &list); err != nil {
		return nil, err
	}
	if len(list.Streams) == 0 {
		return nil, fmt.Errorf("follow the stream of table %s: it has none", table)
	}
	arn := list.Streams[0].StreamArn
	var about struct {
		StreamDescription struct {
			Shards []struct {
				ShardID string `json:"ShardId"`
			}
		}
	}
	if err := d.stream(ctx, "DescribeStream", map[string]any{"StreamArn": arn}, &about); err != nil {
		return nil, err
	}
	t := &Tail{db: d}
	for _, shard := range about.StreamDescription.Shards {
		var got struct{ ShardIterator string }
		in := map[string]any{"StreamArn": arn, "ShardId": shard.ShardID, "ShardIteratorType": "LATEST"}
		if err := d.stream(ctx, "GetShardIterator", in, &got); err != nil {
			return nil, err
		}
		t.iterators = append(t.iterators, got.ShardIterator)
	}
	return t, nil
}

// Next returns the sort keys of the items that have changed since the last time,
// each as often as it did.
func (t *Tail) Next(ctx context.Context) (sorts []string, err error) {
	for i, iterator := range t.iterators {
		if iterator == "" {
			continue // the shard has ended
		}
		var got struct {
			NextShardIterator string
			Records           []struct {
				Dynamodb struct {
					Keys struct {
						Sort struct{ S string } `json:"sk"`
					}
				}
			}
		}
		if err := t.db.stream(ctx, "GetRecords", map[string]any{"ShardIterator": iterator}, &got); err != nil {
			return nil, errors.Join(err, ctx.Err())
		}
		t.iterators[i] = got.NextShardIterator
		for _, r := range got.Records {
			sorts = append(sorts, r.Dynamodb.Keys.Sort.S)
		}
	}
	return sorts, nil
}

func (d *DynamoDB) stream(ctx context.Context, action string, in, out any) error {
	body, err := json.Marshal(in)
	if err != nil {
		return fmt.Errorf("%s: %w", action, err)
	}
	answer, err := d.call(ctx, streamsAPI+action, body)
	if err != nil {
		return err
	}
	if err := json.Unmarshal(answer, out); err != nil {
		return fmt.Errorf("%s: %w", action, err)
	}
	return nil
}
