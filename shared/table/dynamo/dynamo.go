// Package dynamo is the table port on Amazon DynamoDB.
//
// An item of the port is an item of the table, readable in the console:
//
//	pk       S  partition key
//	sk       S  sort key
//	version  S  token of the transaction that last wrote it
//	expires  N  seconds since 1970, only where the item has an expiry;
//	            the table's TTL attribute
//	...         the item's own attributes by their names: S, N or B
//
// Partitions that begin with ConsumerPrefix belong to this package: they say
// how far each consumer has read the table's stream.
//
// What it costs: a read is strongly consistent, one unit per 4 KB; a write is
// always a transaction, even of one action, which doubles its units. Only
// TransactWriteItems recognises a request that is sent again, and without that
// a time-out could not be told from a failure.
//
// What it must be allowed: GetItem, BatchGetItem and Query to read; PutItem,
// UpdateItem, DeleteItem and ConditionCheckItem, which are what a transaction
// is made of, to write; DescribeTable, DescribeStream, GetShardIterator and
// GetRecords for Changes.
package dynamo

import (
	"context"
	"fmt"
	"log/slog"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodbstreams"

	"github.com/berthregistry/berth/shared/table"
)

// Store is a table.Store, and a table.Stream if it was given a stream client.
// It is safe for concurrent use.
type Store struct {
	client  *dynamodb.Client
	streams *dynamodbstreams.Client
	table   string
	log     *slog.Logger
}

var (
	_ table.Store  = (*Store)(nil)
	_ table.Stream = (*Store)(nil)
)

// New returns the store on the table called name, which CreateTable or a
// template has made. Without streams, Changes fails and all else works.
//
// The clients' own retries stay useful: each sends the same transaction with
// the same token.
func New(client *dynamodb.Client, streams *dynamodbstreams.Client, name string, log *slog.Logger) *Store {
	return &Store{client: client, streams: streams, table: name, log: log}
}

// Get is one GetItem.
func (s *Store) Get(ctx context.Context, k table.Key) (table.Item, error) {
	if err := k.Validate(); err != nil {
		return table.Item{}, err
	}
	out, err := s.client.GetItem(ctx, &dynamodb.GetItemInput{
		TableName:      &s.table,
		Key:            key(k),
		ConsistentRead: aws.Bool(true),
	})
	if err != nil {
		return table.Item{}, fmt.Errorf("get item: %w", err)
	}
	if len(out.Item) == 0 {
		return table.Item{}, table.ErrAbsent
	}
	it, err := decode(out.Item, attr)
	if err != nil {
		return table.Item{}, fmt.Errorf("get item: %w", err)
	}
	return it, nil
}
