package stream_test

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/events"
	runtime "github.com/aws/aws-lambda-go/lambda"
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/aws-sdk-go-v2/service/dynamodbstreams"

	"github.com/berthregistry/berth/infra/localcloud/lambda"
	"github.com/berthregistry/berth/infra/localcloud/stream"
)

// Started behind a runtime API, this binary is the function that the stream is
// read for.
func TestMain(m *testing.M) {
	if os.Getenv("AWS_LAMBDA_RUNTIME_API") != "" {
		runtime.Start(consume)
	}
	os.Exit(m.Run())
}

// notesVariable names the file in which the function notes what it sees, a line
// for each record.
const notesVariable = "BERTH_TEST_NOTES"

// consume does with each record what its item says: as often as that says.
func consume(ctx context.Context, e events.DynamoDBEvent) (events.DynamoDBEventResponse, error) {
	var answer events.DynamoDBEventResponse
	for _, r := range e.Records {
		image := r.Change.NewImage
		times, err := image["times"].Integer()
		if err != nil {
			return answer, err
		}
		seen, err := note(image["pk"].String())
		if err != nil {
			return answer, err
		}
		if int64(seen) > times {
			continue
		}
		switch image["do"].String() {
		case "fail":
			return answer, errors.New("told to fail")
		case "exit":
			os.Exit(1)
		case "sleep":
			time.Sleep(time.Minute)
		case "report":
			answer.BatchItemFailures = []events.DynamoDBBatchItemFailure{{ItemIdentifier: r.Change.SequenceNumber}}
			return answer, nil
		}
	}
	return answer, nil
}

// note writes down that a record was seen, and returns how often it was.
func note(key string) (int, error) {
	file, err := os.OpenFile(os.Getenv(notesVariable), os.O_RDWR|os.O_CREATE|os.O_APPEND, 0o600)
	if err != nil {
		return 0, err
	}
	defer file.Close()
	if _, err := fmt.Fprintln(file, key); err != nil {
		return 0, err
	}
	all, err := os.ReadFile(file.Name())
	seen := 0
	for other := range strings.FieldsSeq(string(all)) {
		if other == key {
			seen++
		}
	}
	return seen, err
}

// A cloud is a table, its stream and a function.
type cloud struct {
	t       *testing.T
	client  *dynamodb.Client
	streams *dynamodbstreams.Client
	table   string
	stream  string
	notes   string
	f       *lambda.Function
	stop    func() // ends the mapping that was run last

	mu      sync.Mutex
	letters []stream.DeadLetter
}

func newCloud(t *testing.T) *cloud {
	t.Helper()
	address, anybody := engine(t), credentials.NewStaticCredentialsProvider("anybody", "secret", "")
	c := &cloud{
		t: t, table: "berth-test-" + rand.Text(), notes: filepath.Join(t.TempDir(), "notes"),
		client:  dynamodb.New(dynamodb.Options{Region: "eu-central-1", BaseEndpoint: &address, Credentials: anybody, RetryMaxAttempts: 10}),
		streams: dynamodbstreams.New(dynamodbstreams.Options{Region: "eu-central-1", BaseEndpoint: &address, Credentials: anybody, RetryMaxAttempts: 10}),
	}
	c.createTable()
	c.f = lambda.New(lambda.Config{
		Name: "announce", Bootstrap: os.Args[0], Memory: 1024, Timeout: 2 * time.Second,
		Env: func() []string { return []string{notesVariable + "=" + c.notes} }, Log: t.Output(),
	})
	t.Cleanup(c.f.Close)
	return c
}

// engine returns the address of the DynamoDB that the tests may fill. Any will
// do; scripts/services/dynamodb starts one.
func engine(t *testing.T) string {
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

func (c *cloud) createTable() {
	c.t.Helper()
	_, err := c.client.CreateTable(c.t.Context(), &dynamodb.CreateTableInput{
		TableName: &c.table, BillingMode: types.BillingModePayPerRequest,
		AttributeDefinitions: []types.AttributeDefinition{{AttributeName: aws.String("pk"), AttributeType: types.ScalarAttributeTypeS}},
		KeySchema:            []types.KeySchemaElement{{AttributeName: aws.String("pk"), KeyType: types.KeyTypeHash}},
		StreamSpecification:  &types.StreamSpecification{StreamEnabled: aws.Bool(true), StreamViewType: types.StreamViewTypeNewAndOldImages},
	})
	if err != nil {
		c.t.Fatal(err)
	}
	c.t.Cleanup(func() {
		c.client.DeleteTable(context.WithoutCancel(c.t.Context()), &dynamodb.DeleteTableInput{TableName: &c.table})
	})
	in := &dynamodb.DescribeTableInput{TableName: &c.table}
	if err := dynamodb.NewTableExistsWaiter(c.client).Wait(c.t.Context(), in, time.Minute); err != nil {
		c.t.Fatal(err)
	}
	out, err := c.client.DescribeTable(c.t.Context(), in)
	if err != nil {
		c.t.Fatal(err)
	}
	c.stream = *out.Table.LatestStreamArn
}

// put writes an item that tells the function what to do, and how often.
func (c *cloud) put(key, do string, times int) {
	c.t.Helper()
	_, err := c.client.PutItem(c.t.Context(), &dynamodb.PutItemInput{TableName: &c.table, Item: map[string]types.AttributeValue{
		"pk": &types.AttributeValueMemberS{Value: key}, "do": &types.AttributeValueMemberS{Value: do},
		"times": &types.AttributeValueMemberN{Value: fmt.Sprint(times)},
	}})
	if err != nil {
		c.t.Fatal(err)
	}
}

// run connects the stream to the function until the test or stop ends it.
func (c *cloud) run(config stream.Config) *stream.Mapping {
	c.t.Helper()
	config.Client, config.Stream, config.Invoke = c.streams, c.stream, c.invoke
	config.StartingPosition = cmp.Or(config.StartingPosition, stream.TrimHorizon)
	config.Backoff, config.Poll = 20*time.Millisecond, 20*time.Millisecond
	config.Log = slog.New(slog.NewTextHandler(c.t.Output(), nil))
	config.OnFailure = func(d stream.DeadLetter) {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.letters = append(c.letters, d)
	}
	m, err := stream.New(config)
	if err != nil {
		c.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(c.t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		m.Run(ctx)
	}()
	c.stop = func() { cancel(); <-done }
	c.t.Cleanup(c.stop)
	select {
	case <-m.Ready():
	case <-time.After(10 * time.Second):
		c.t.Fatal("the mapping does not begin")
	}
	return m
}

func (c *cloud) invoke(ctx context.Context, event []byte) (stream.Answer, error) {
	r, err := c.f.Invoke(ctx, event)
	return stream.Answer{RequestID: r.RequestID, Payload: r.Payload, Failed: r.Failed}, err
}

// seen returns the keys in the order in which the function saw them.
func (c *cloud) seen() []string {
	b, _ := os.ReadFile(c.notes) // none before the first
	return strings.Fields(string(b))
}

// want waits until the mapping has delivered so many records, and compares what
// the function saw.
func (c *cloud) want(m *stream.Mapping, delivered int, seen ...string) {
	c.t.Helper()
	for end := time.Now().Add(30 * time.Second); m.Stats().Records+m.Stats().GivenUp < int64(delivered); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			c.t.Fatalf("the function saw %q, want %q; %+v", c.seen(), seen, m.Stats())
		}
	}
	if got := c.seen(); !slices.Equal(got, seen) {
		c.t.Errorf("the function saw %q, want %q", got, seen)
	}
}

// On the real engine and with a real bootstrap: each way to fail brings the
// records back.
func TestFunctionThatFails(t *testing.T) {
	for do, seen := range map[string][]string{
		"ok":     {"a", "b", "c"},
		"fail":   {"a", "b", "a", "b", "a", "b", "c"},
		"exit":   {"a", "b", "a", "b", "a", "b", "c"},
		"sleep":  {"a", "b", "a", "b", "a", "b", "c"},
		"report": {"a", "b", "b", "b", "c"},
	} {
		t.Run(do, func(t *testing.T) {
			t.Parallel()
			c := newCloud(t)
			c.put("a", "ok", 0)
			c.put("b", do, 2)
			c.put("c", "ok", 0)
			m := c.run(stream.Config{ReportBatchItemFailures: true})
			c.want(m, 3, seen...)
			if len(c.letters) > 0 {
				t.Errorf("given up: %+v", c.letters)
			}
		})
	}
}

func TestPoisonIsBisectedAway(t *testing.T) {
	c := newCloud(t)
	for _, key := range []string{"a", "b", "poison", "d"} {
		c.put(key, map[bool]string{true: "fail", false: "ok"}[key == "poison"], 100)
	}
	m := c.run(stream.Config{BisectBatchOnFunctionError: true, MaximumRetryAttempts: new(int)})
	c.want(m, 4, "a", "b", "poison", "a", "b", "poison", "poison", "d")
	if len(c.letters) != 1 {
		t.Fatalf("given up: %+v, want one", c.letters)
	}
	d := c.letters[0]
	if d.RequestContext.Condition != stream.RetryAttemptsExhausted || d.ResponseContext.FunctionError != "Unhandled" ||
		d.DDBStreamBatchInfo.BatchSize != 1 || d.DDBStreamBatchInfo.StreamARN != c.stream || d.RequestContext.RequestID == "" {
		t.Errorf("got %+v", d)
	}
	if s := m.Stats(); s.GivenUp != 1 || s.Records != 3 || s.IteratorAge != 0 {
		t.Errorf("got %+v", s)
	}
}

func TestLatestBeginsNow(t *testing.T) {
	c := newCloud(t)
	c.put("old", "ok", 0)
	m := c.run(stream.Config{StartingPosition: stream.Latest})
	c.put("new", "ok", 0)
	c.want(m, 1, "new")
}

// Stopped and started again, the mapping leaves nothing out and brings nothing
// twice.
func TestRestart(t *testing.T) {
	c := newCloud(t)
	config := stream.Config{Checkpoints: filepath.Join(t.TempDir(), "checkpoints"), BatchSize: 3}
	var want []string
	for i := range 10 {
		want = append(want, fmt.Sprintf("k%d", i))
		c.put(want[i], "ok", 0)
	}
	c.want(c.run(config), 10, want...)
	c.stop()
	c.put("last", "ok", 0)
	c.want(c.run(config), 1, append(want, "last")...)
}

func TestFilterOnTheEngine(t *testing.T) {
	c := newCloud(t)
	c.put("tag#1", "ok", 0)
	c.put("manifest#1", "ok", 0)
	m := c.run(stream.Config{Filters: []string{`{"dynamodb":{"Keys":{"pk":{"S":[{"prefix":"manifest#"}]}}}}`}})
	c.want(m, 1, "manifest#1")
	if s := m.Stats(); s.Filtered != 1 {
		t.Errorf("got %+v, want 1 filtered", s)
	}
}
