package dynamo_test

import (
	"crypto/rand"
	"log/slog"
	"os"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodbstreams"

	"github.com/berthregistry/berth/shared/table"
	"github.com/berthregistry/berth/shared/table/dynamo"
	"github.com/berthregistry/berth/shared/table/tabletest"
)

func TestContract(t *testing.T) {
	store := newStore(t, engine(t))
	tabletest.Run(t, func(*testing.T) table.Store { return store })
}

func TestStreamContract(t *testing.T) {
	store := newStore(t, engine(t))
	tabletest.RunStream(t, func(*testing.T) (table.Store, table.Stream) { return store, store })
}

// engine returns the address of the DynamoDB that the tests may fill. Any will
// do; scripts/services/dynamodb starts one.
func engine(t testing.TB) string {
	t.Helper()
	const variable = "BERTH_TEST_DYNAMODB"
	switch address := os.Getenv(variable); {
	case address != "":
		return address
	case os.Getenv("BERTH_TEST_REQUIRE") == "1":
		t.Fatalf("%s is not set, and BERTH_TEST_REQUIRE=1 wants it", variable)
	default:
		t.Skipf("%s is not set: start scripts/services/dynamodb and set it to the address it prints", variable)
	}
	return ""
}

// newStore returns a store on a new table of the engine at address.
func newStore(t testing.TB, address string) *dynamo.Store {
	t.Helper()
	client := newClient(address)
	name := newTable(t, client)
	return dynamo.New(client, newStreams(address), name, slog.New(slog.DiscardHandler))
}

func newTable(t testing.TB, client *dynamodb.Client) string {
	t.Helper()
	name := "berth-test-" + rand.Text()
	if err := dynamo.CreateTable(t.Context(), client, name); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { dropTable(t, client, name) })
	return name
}

// newClient takes nothing from the environment: what is there is no business
// of the tests.
func newClient(address string) *dynamodb.Client {
	return dynamodb.New(dynamodb.Options{
		Region: "eu-central-1", BaseEndpoint: &address, Credentials: anybody, Retryer: impatient(),
	})
}

func newStreams(address string) *dynamodbstreams.Client {
	return dynamodbstreams.New(dynamodbstreams.Options{
		Region: "eu-central-1", BaseEndpoint: &address, Credentials: anybody, Retryer: impatient(),
	})
}

var anybody = credentials.NewStaticCredentialsProvider("anybody", "secret", "")

// impatient retries as the SDK does, only sooner, and so more often: its three
// tries would be over within the hiccup of a busy machine.
func impatient() aws.Retryer {
	return retry.NewStandard(func(o *retry.StandardOptions) {
		o.MaxBackoff, o.MaxAttempts = 50*time.Millisecond, 8
	})
}
