package dynamo_test

import (
	"context"
	"crypto/rand"
	"strings"
	"sync"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/berthregistry/berth/shared/table/dynamo"
)

func TestCreateTable(t *testing.T) {
	client := newClient(engine(t))
	name := newTable(t, client)

	out, err := client.DescribeTable(t.Context(), &dynamodb.DescribeTableInput{TableName: &name})
	if err != nil {
		t.Fatal(err)
	}
	if got := out.Table.StreamSpecification; got == nil || got.StreamViewType != types.StreamViewTypeNewAndOldImages {
		t.Errorf("stream: got %+v, want new and old images", got)
	}
	if got := out.Table.BillingModeSummary; got == nil || got.BillingMode != types.BillingModePayPerRequest {
		t.Errorf("billing: got %+v, want per request", got)
	}
	ttl, err := client.DescribeTimeToLive(t.Context(), &dynamodb.DescribeTimeToLiveInput{TableName: &name})
	if err != nil {
		t.Fatal(err)
	}
	if got := ttl.TimeToLiveDescription; aws.ToString(got.AttributeName) != "expires" || got.TimeToLiveStatus != types.TimeToLiveStatusEnabled {
		t.Errorf("time to live: got %+v, want enabled on expires", got)
	}
}

// Several processes start on an empty account at the same time.
func TestCreateTableTogether(t *testing.T) {
	client := newClient(engine(t))
	name := "berth-test-" + rand.Text()
	t.Cleanup(func() { dropTable(t, client, name) })
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			if err := dynamo.CreateTable(t.Context(), client, name); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
}

func TestCreateTableRefusesAnother(t *testing.T) {
	client := newClient(engine(t))
	for what, change := range map[string]func(*dynamodb.CreateTableInput){
		"another key": func(in *dynamodb.CreateTableInput) {
			in.KeySchema[0].AttributeName = aws.String("id")
			in.AttributeDefinitions[0].AttributeName = aws.String("id")
		},
		"no sort key": func(in *dynamodb.CreateTableInput) {
			in.KeySchema, in.AttributeDefinitions = in.KeySchema[:1], in.AttributeDefinitions[:1]
		},
		"another key type": func(in *dynamodb.CreateTableInput) {
			in.AttributeDefinitions[1].AttributeType = types.ScalarAttributeTypeN
		},
		"no stream": func(in *dynamodb.CreateTableInput) { in.StreamSpecification = nil },
		"new images only": func(in *dynamodb.CreateTableInput) {
			in.StreamSpecification.StreamViewType = types.StreamViewTypeNewImage
		},
	} {
		t.Run(what, func(t *testing.T) {
			in := likeBerths()
			change(in)
			if _, err := client.CreateTable(t.Context(), in); err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { dropTable(t, client, *in.TableName) })
			if err := dynamo.CreateTable(t.Context(), client, *in.TableName); err == nil || !strings.Contains(err.Error(), "not one of Berth's") {
				t.Errorf("got %v, want a refusal", err)
			}
		})
	}
}

// likeBerths describes a table that would fit.
func likeBerths() *dynamodb.CreateTableInput {
	return &dynamodb.CreateTableInput{
		TableName: aws.String("berth-test-" + rand.Text()),
		KeySchema: []types.KeySchemaElement{
			{AttributeName: aws.String("pk"), KeyType: types.KeyTypeHash},
			{AttributeName: aws.String("sk"), KeyType: types.KeyTypeRange},
		},
		AttributeDefinitions: []types.AttributeDefinition{
			{AttributeName: aws.String("pk"), AttributeType: types.ScalarAttributeTypeS},
			{AttributeName: aws.String("sk"), AttributeType: types.ScalarAttributeTypeS},
		},
		BillingMode: types.BillingModePayPerRequest,
		StreamSpecification: &types.StreamSpecification{
			StreamEnabled: aws.Bool(true), StreamViewType: types.StreamViewTypeNewAndOldImages,
		},
	}
}

// dropTable is for a Cleanup, when the test's context has ended.
func dropTable(t testing.TB, client *dynamodb.Client, name string) {
	if _, err := client.DeleteTable(context.Background(), &dynamodb.DeleteTableInput{TableName: &name}); err != nil {
		t.Log(err)
	}
}
