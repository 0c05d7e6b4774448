package dynamo

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
)

// How long CreateTable waits for a table to come up. Ten seconds is usual.
const createTimeout = 5 * time.Minute

// CreateTable makes sure that there is a table called name of the shape that a
// Store needs: paid per request, with the stream of both images and removal of
// expired items. It waits until the table can be used. A table that is there
// is completed if it fits, and refused if it does not; several may call at the
// same time.
func CreateTable(ctx context.Context, client *dynamodb.Client, name string) error {
	_, err := client.CreateTable(ctx, &dynamodb.CreateTableInput{
		TableName:            &name,
		KeySchema:            keySchema,
		AttributeDefinitions: keyAttributes,
		BillingMode:          types.BillingModePayPerRequest,
		StreamSpecification: &types.StreamSpecification{
			StreamEnabled:  aws.Bool(true),
			StreamViewType: types.StreamViewTypeNewAndOldImages,
		},
	})
	if _, exists := errors.AsType[*types.ResourceInUseException](err); err != nil && !exists {
		return fmt.Errorf("create table %s: %w", name, err)
	}
	// A crash from here on leaves a table without TTL; the next call sets it.
	if err := awaitTable(ctx, client, name); err != nil {
		return err
	}
	return setTTL(ctx, client, name)
}

var (
	keySchema = []types.KeySchemaElement{
		{AttributeName: aws.String(attrPartition), KeyType: types.KeyTypeHash},
		{AttributeName: aws.String(attrSort), KeyType: types.KeyTypeRange},
	}
	keyAttributes = []types.AttributeDefinition{
		{AttributeName: aws.String(attrPartition), AttributeType: types.ScalarAttributeTypeS},
		{AttributeName: aws.String(attrSort), AttributeType: types.ScalarAttributeTypeS},
	}
)

// awaitTable waits until the table is active and looks whether it fits.
func awaitTable(ctx context.Context, client *dynamodb.Client, name string) error {
	waiter := dynamodb.NewTableExistsWaiter(client, func(o *dynamodb.TableExistsWaiterOptions) {
		o.MinDelay, o.MaxDelay = 200*time.Millisecond, 5*time.Second
	})
	out, err := waiter.WaitForOutput(ctx, &dynamodb.DescribeTableInput{TableName: &name}, createTimeout)
	if err != nil {
		return fmt.Errorf("wait for table %s: %w", name, err)
	}
	if !fits(out.Table) {
		return fmt.Errorf("table %s exists and is not one of Berth's: want pk and sk, both strings, and a stream of new and old images", name)
	}
	return nil
}

func fits(t *types.TableDescription) bool {
	if len(t.KeySchema) != len(keySchema) {
		return false
	}
	for i, want := range keySchema {
		if got := t.KeySchema[i]; *got.AttributeName != *want.AttributeName || got.KeyType != want.KeyType {
			return false
		}
	}
	for _, got := range t.AttributeDefinitions {
		if name := *got.AttributeName; (name == attrPartition || name == attrSort) && got.AttributeType != types.ScalarAttributeTypeS {
			return false
		}
	}
	stream := t.StreamSpecification
	return stream != nil && aws.ToBool(stream.StreamEnabled) && stream.StreamViewType == types.StreamViewTypeNewAndOldImages
}

// setTTL has DynamoDB remove what has expired. To set it a second time is an
// error there, so it looks first, and also after an error: another may have
// been faster.
func setTTL(ctx context.Context, client *dynamodb.Client, name string) error {
	if set, err := hasTTL(ctx, client, name); err != nil || set {
		return err
	}
	_, err := client.UpdateTimeToLive(ctx, &dynamodb.UpdateTimeToLiveInput{
		TableName: &name,
		TimeToLiveSpecification: &types.TimeToLiveSpecification{
			AttributeName: aws.String(attrExpires),
			Enabled:       aws.Bool(true),
		},
	})
	if err == nil {
		return nil
	}
	if set, _ := hasTTL(ctx, client, name); set {
		return nil
	}
	return fmt.Errorf("set the time to live of table %s: %w", name, err)
}

func hasTTL(ctx context.Context, client *dynamodb.Client, name string) (bool, error) {
	out, err := client.DescribeTimeToLive(ctx, &dynamodb.DescribeTimeToLiveInput{TableName: &name})
	if err != nil {
		return false, fmt.Errorf("look at the time to live of table %s: %w", name, err)
	}
	ttl := out.TimeToLiveDescription
	if ttl == nil || aws.ToString(ttl.AttributeName) != attrExpires {
		return false, nil
	}
	return ttl.TimeToLiveStatus == types.TimeToLiveStatusEnabled || ttl.TimeToLiveStatus == types.TimeToLiveStatusEnabling, nil
}
