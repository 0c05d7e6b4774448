package iam_test

import (
	"crypto/rand"
	"log/slog"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodbstreams"

	"github.com/berthregistry/berth/infra/localcloud/iam"
	"github.com/berthregistry/berth/shared/table"
	"github.com/berthregistry/berth/shared/table/dynamo"
	"github.com/berthregistry/berth/shared/table/tabletest"
)

// dynamoActions is what the driver says it must be allowed.
var dynamoActions = []string{
	"dynamodb:GetItem", "dynamodb:BatchGetItem", "dynamodb:Query",
	"dynamodb:PutItem", "dynamodb:UpdateItem", "dynamodb:DeleteItem", "dynamodb:ConditionCheckItem",
	"dynamodb:DescribeTable", "dynamodb:DescribeStream", "dynamodb:GetShardIterator", "dynamodb:GetRecords",
}

func tableARN(name string) string {
	return "arn:aws:dynamodb:" + region + ":" + account + ":table/" + name
}

// The driver passes its contract with the permissions that its comment asks
// for, and no others.
func TestTableContract(t *testing.T) {
	name := newTable(t)
	store := newStore(t, name, policy(t, dynamoActions, tableARN(name), tableARN(name)+"/stream/*"))
	tabletest.Run(t, func(*testing.T) table.Store { return store })
}

func TestStreamContract(t *testing.T) {
	name := newTable(t)
	store := newStore(t, name, policy(t, dynamoActions, tableARN(name), tableARN(name)+"/stream/*"))
	tabletest.RunStream(t, func(*testing.T) (table.Store, table.Stream) { return store, store })
}

// newStore returns the driver behind a proxy.
func newStore(t testing.TB, name string, allowed iam.Policy) *dynamo.Store {
	address := serve(t, newConfig(t, iam.DynamoDB, service(t, dynamoVariable), allowed))
	return dynamo.New(newClient(address, session), newStreams(address), name, slog.New(slog.DiscardHandler))
}

const dynamoVariable = "BERTH_TEST_DYNAMODB"

// newTable makes a table, past the proxy.
func newTable(t testing.TB) string {
	t.Helper()
	client := newClient(service(t, dynamoVariable), session)
	name := "berth-test-" + rand.Text()
	if err := dynamo.CreateTable(t.Context(), client, name); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if _, err := client.DeleteTable(contextOf(t), &dynamodb.DeleteTableInput{TableName: &name}); err != nil {
			t.Errorf("delete table: %v", err)
		}
	})
	return name
}

func newClient(address string, who aws.Credentials) *dynamodb.Client {
	return dynamodb.New(dynamodb.Options{
		Region: region, BaseEndpoint: &address, Credentials: credentialsOf(who), Retryer: impatient(),
	})
}

func newStreams(address string) *dynamodbstreams.Client {
	return dynamodbstreams.New(dynamodbstreams.Options{
		Region: region, BaseEndpoint: &address, Credentials: credentialsOf(session), Retryer: impatient(),
	})
}

func credentialsOf(who aws.Credentials) aws.CredentialsProvider {
	return credentials.StaticCredentialsProvider{Value: who}
}

// impatient retries as the SDK does, only sooner, and so more often.
func impatient() aws.Retryer {
	return retry.NewStandard(func(o *retry.StandardOptions) {
		o.MaxBackoff, o.MaxAttempts = 50*time.Millisecond, 8
	})
}
