package dynamo

import (
	"context"
	"fmt"
	"math"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"

	"github.com/berthregistry/berth/shared/table"
)

// Query is one Query of DynamoDB, whose pages end at the limit or at 1 MB as
// the port's do.
func (s *Store) Query(ctx context.Context, q table.Query) (table.Page, error) {
	if err := q.Validate(); err != nil {
		return table.Page{}, err
	}
	in := s.queryInput(q)
	for {
		out, err := s.client.Query(ctx, in)
		if err != nil {
			return table.Page{}, fmt.Errorf("query: %w", err)
		}
		p, err := page(out, q.Prefix)
		if err != nil {
			return table.Page{}, fmt.Errorf("query: %w", err)
		}
		// DynamoDB may answer an empty page and a place to go on from. The
		// port may not.
		if len(p.Items) > 0 || !p.More {
			return p, nil
		}
		in.ExclusiveStartKey = out.LastEvaluatedKey
	}
}

func (s *Store) queryInput(q table.Query) *dynamodb.QueryInput {
	var e expression
	condition := fmt.Sprintf("%s = %s AND begins_with(%s, %s)",
		e.name(attrPartition), e.value(text(q.Partition)), e.name(attrSort), e.value(text(q.Prefix)))
	in := &dynamodb.QueryInput{
		TableName:                 &s.table,
		ConsistentRead:            aws.Bool(true),
		KeyConditionExpression:    &condition,
		ExpressionAttributeNames:  e.names,
		ExpressionAttributeValues: e.values,
	}
	if q.Limit > 0 {
		in.Limit = aws.Int32(int32(min(q.Limit, math.MaxInt32)))
	}
	if q.After != "" {
		in.ExclusiveStartKey = key(table.Key{Partition: q.Partition, Sort: q.After})
	}
	return in
}

func page(out *dynamodb.QueryOutput, prefix string) (table.Page, error) {
	p := table.Page{
		Items: make([]table.Item, 0, len(out.Items)),
		More:  len(out.LastEvaluatedKey) > 0,
	}
	for _, image := range out.Items {
		it, err := decode(image, attr)
		if err != nil {
			return table.Page{}, err
		}
		// The engine of the tests takes begins_with without regard to case.
		if strings.HasPrefix(it.Sort, prefix) {
			p.Items = append(p.Items, it)
		}
	}
	return p, nil
}
