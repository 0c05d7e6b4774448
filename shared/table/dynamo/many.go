package dynamo

import (
	"context"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/berthregistry/berth/shared/table"
)

// How often GetMany asks again in a row without getting anything.
const manyAttempts = 8

// GetMany is one BatchGetItem, and more of them where DynamoDB leaves keys
// unprocessed: past 16 MB, or when it throttles.
func (s *Store) GetMany(ctx context.Context, keys []table.Key, names ...string) (map[table.Key]table.Item, error) {
	if err := table.ValidateKeys(keys); err != nil {
		return nil, err
	}
	found := make(map[table.Key]table.Item, len(keys))
	ask := wanted(keys, names)
	pause := backoff{first: conflictFirst, most: conflictMost}
	fruitless := 0
	for len(ask.Keys) > 0 {
		left, err := s.getBatch(ctx, ask, found)
		if err != nil {
			return nil, fmt.Errorf("get items: %w", err)
		}
		if len(left) < len(ask.Keys) {
			ask.Keys, fruitless = left, 0
			pause.reset()
			continue
		}
		if fruitless++; fruitless == manyAttempts {
			// The documentation gives one reason for this besides size, which
			// leaves something to do at each turn.
			return nil, fmt.Errorf("get items: %d of %d keys stay unprocessed: %w",
				len(left), len(keys), &types.ProvisionedThroughputExceededException{})
		}
		if err := pause.wait(ctx); err != nil {
			return nil, fmt.Errorf("get items: %w", err)
		}
	}
	return found, nil
}

// wanted describes the items to read. An answer carries only what the
// projection names, so the keys have to be among it.
func wanted(keys []table.Key, names []string) types.KeysAndAttributes {
	ask := types.KeysAndAttributes{ConsistentRead: aws.Bool(true)}
	for _, k := range keys {
		ask.Keys = append(ask.Keys, key(k))
	}
	if len(names) > 0 {
		var e expression
		ask.ProjectionExpression = e.projection(names)
		ask.ExpressionAttributeNames = e.names
	}
	return ask
}

// getBatch adds to found what one call gives, and returns the keys it left.
func (s *Store) getBatch(ctx context.Context, ask types.KeysAndAttributes, found map[table.Key]table.Item) ([]map[string]types.AttributeValue, error) {
	out, err := s.client.BatchGetItem(ctx, &dynamodb.BatchGetItemInput{
		RequestItems: map[string]types.KeysAndAttributes{s.table: ask},
	})
	if err != nil {
		return nil, err
	}
	for _, image := range out.Responses[s.table] {
		it, err := decode(image, attr)
		if err != nil {
			return nil, err
		}
		found[it.Key] = it
	}
	return out.UnprocessedKeys[s.table].Keys, nil
}
