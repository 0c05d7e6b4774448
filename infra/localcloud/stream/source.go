package stream

import (
	"context"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodbstreams"
	"github.com/aws/aws-sdk-go-v2/service/dynamodbstreams/types"
)

// A source is a stream. The errors are those of DynamoDB.
type source interface {
	// shards returns all of them, the ended ones too.
	shards(ctx context.Context) ([]types.Shard, error)

	// iterator returns the one that begins behind a sequence number or, if that
	// is empty, the one of type kind.
	iterator(ctx context.Context, shard, after string, kind types.ShardIteratorType) (string, error)

	// records returns at most limit of them, and the iterator behind them. That
	// is nil at the end of the shard.
	records(ctx context.Context, iterator string, limit int) ([]types.Record, *string, error)
}

type client struct {
	*dynamodbstreams.Client
	stream string
}

func (c *client) shards(ctx context.Context) ([]types.Shard, error) {
	in := &dynamodbstreams.DescribeStreamInput{StreamArn: &c.stream}
	var shards []types.Shard
	for {
		out, err := c.DescribeStream(ctx, in)
		if err != nil {
			return nil, fmt.Errorf("describe stream: %w", err)
		}
		shards = append(shards, out.StreamDescription.Shards...)
		if in.ExclusiveStartShardId = out.StreamDescription.LastEvaluatedShardId; in.ExclusiveStartShardId == nil {
			return shards, nil
		}
	}
}

func (c *client) iterator(ctx context.Context, shard, after string, kind types.ShardIteratorType) (string, error) {
	in := &dynamodbstreams.GetShardIteratorInput{StreamArn: &c.stream, ShardId: &shard, ShardIteratorType: kind}
	if after != "" {
		in.ShardIteratorType, in.SequenceNumber = types.ShardIteratorTypeAfterSequenceNumber, &after
	}
	out, err := c.GetShardIterator(ctx, in)
	if err != nil {
		return "", fmt.Errorf("get iterator of shard %s: %w", shard, err)
	}
	return aws.ToString(out.ShardIterator), nil
}

func (c *client) records(ctx context.Context, iterator string, limit int) ([]types.Record, *string, error) {
	out, err := c.GetRecords(ctx, &dynamodbstreams.GetRecordsInput{
		ShardIterator: &iterator, Limit: aws.Int32(int32(min(limit, 1000))),
	})
	if err != nil {
		return nil, nil, fmt.Errorf("get records: %w", err)
	}
	return out.Records, out.NextShardIterator, nil
}
