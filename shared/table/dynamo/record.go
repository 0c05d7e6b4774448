package dynamo

import (
	"errors"
	"fmt"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodbstreams/types"

	"github.com/berthregistry/berth/shared/table"
)

// Change makes a change of one record of the table's stream, which must carry
// new and old images. What a Lambda gets from its event source is the same
// record, written down in other types; see Event.
//
// Changes of this package's own partitions come out as well; see ConsumerPrefix.
func Change(r types.Record) (table.Change, error) {
	if r.Dynamodb == nil {
		return table.Change{}, errors.New("stream record without a change")
	}
	return change(images[types.AttributeValue]{
		id: aws.ToString(r.EventID), at: aws.ToTime(r.Dynamodb.ApproximateCreationDateTime),
		keys: r.Dynamodb.Keys, before: r.Dynamodb.OldImage, after: r.Dynamodb.NewImage,
		byDynamoDB: byDynamoDB(r.UserIdentity),
	}, streamAttr)
}

// images are what a record says, with values of either type.
type images[V any] struct {
	id                  string
	at                  time.Time
	keys, before, after map[string]V
	byDynamoDB          bool // it acted by itself
}

func change[V any](r images[V], attr func(name string, v V) (table.Attr, error)) (table.Change, error) {
	c := table.Change{ID: r.id, At: r.at}
	keys, err := decode(r.keys, attr)
	if err != nil {
		return table.Change{}, fmt.Errorf("key of stream record %s: %w", c.ID, err)
	}
	if c.Key = keys.Key; c.ID == "" || c.Key.Partition == "" || c.Key.Sort == "" {
		return table.Change{}, fmt.Errorf("stream record %q of item %q lacks its id or key", c.ID, c.Key)
	}
	if c.Old, err = image(r.before, attr); err != nil {
		return table.Change{}, fmt.Errorf("old image of %v: %w", c.Key, err)
	}
	if c.New, err = image(r.after, attr); err != nil {
		return table.Change{}, fmt.Errorf("new image of %v: %w", c.Key, err)
	}
	if c.Old == nil && c.New == nil {
		return table.Change{}, fmt.Errorf("stream record of %v has no image: does the stream give new and old ones?", c.Key)
	}
	c.Expired = c.New == nil && r.byDynamoDB
	return c, nil
}

// byDynamoDB says whether DynamoDB acted by itself, as it does when it removes
// what has expired. No user can have this identity.
func byDynamoDB(id *types.Identity) bool {
	return id != nil && isDynamoDB(aws.ToString(id.Type), aws.ToString(id.PrincipalId))
}

func isDynamoDB(kind, principal string) bool {
	return kind == "Service" && principal == "dynamodb.amazonaws.com"
}

func image[V any](values map[string]V, attr func(name string, v V) (table.Attr, error)) (*table.Item, error) {
	if len(values) == 0 {
		return nil, nil
	}
	it, err := decode(values, attr)
	if err != nil {
		return nil, err
	}
	return &it, nil
}

// streamAttr is attr for the value types of the stream.
func streamAttr(name string, v types.AttributeValue) (table.Attr, error) {
	switch v := v.(type) {
	case *types.AttributeValueMemberS:
		return table.S(name, v.Value), nil
	case *types.AttributeValueMemberN:
		return number(name, v.Value)
	case *types.AttributeValueMemberB:
		return table.B(name, v.Value), nil
	}
	return table.Attr{}, nil
}
