package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/events"
	"github.com/aws/aws-lambda-go/lambda"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/berthregistry/berth/infra/localcloud/stream"
)

// listen is the function of testdata/stream.yaml. It says which keys it got, and
// fails at those that begin with poison.
func listen() {
	lambda.Start(func(_ context.Context, event events.DynamoDBEvent) (events.DynamoDBEventResponse, error) {
		for _, r := range event.Records {
			key := r.Change.Keys["pk"].String()
			fmt.Printf("heard %s\n", key)
			if strings.HasPrefix(key, "poison") {
				return events.DynamoDBEventResponse{}, errors.New("this one is poison")
			}
		}
		return events.DynamoDBEventResponse{BatchItemFailures: []events.DynamoDBBatchItemFailure{}}, nil
	})
}

// newListening starts the template of the tests, and returns what the function
// prints.
func newListening(t *testing.T) (*cloud, *lines) {
	t.Helper()
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, "listener"), 0o700); err != nil {
		t.Fatal(err)
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(self, filepath.Join(dir, "listener", "bootstrap")); err != nil {
		t.Fatal(err)
	}
	heard := &lines{}
	return newCloud(t, func(cfg *config) {
		cfg.root, cfg.template, cfg.parameters = ".", "testdata/stream.yaml", nil
		cfg.bootstraps, cfg.output = dir, heard
	}), heard
}

func (c *cloud) put(t *testing.T, keys ...string) {
	t.Helper()
	for _, key := range keys {
		if _, err := c.dynamoDBClient().PutItem(t.Context(), &dynamodb.PutItemInput{
			TableName: &c.stack.Tables[0].Name,
			Item:      map[string]types.AttributeValue{"pk": &types.AttributeValueMemberS{Value: key}},
		}); err != nil {
			t.Fatal(err)
		}
	}
}

func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	within(t, 20*time.Second, what, ok)
}

func within(t *testing.T, limit time.Duration, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(limit); !ok(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("not within %v: %s", limit, what)
		}
	}
}

// A change reaches the function; one that it cannot take ends among the dead
// letters, and holds up no other for good.
func TestStream(t *testing.T) {
	c, heard := newListening(t)
	c.put(t, "first", "poison", "last")
	eventually(t, "the last change is heard", func() bool { return strings.Contains(heard.String(), "heard last") })
	if !strings.Contains(heard.String(), "heard first") {
		t.Error("the first change was not heard")
	}
	eventually(t, "the poison is given up", func() bool { return len(c.letters()[c.stack.Queues[0].Name]) == 1 })
	var letter stream.DeadLetter
	decode(t, reply{body: c.letters()[c.stack.Queues[0].Name][0]}, &letter)
	if got := letter.DDBStreamBatchInfo; got.BatchSize != 1 || got.StartSequenceNumber == "" {
		t.Errorf("the dead letter is about %+v, want one record", got)
	}
	for _, u := range c.actions()["Listener"] {
		if u.Refused > 0 {
			t.Errorf("refused: %+v", u)
		}
	}
}

func TestRepeatedBatch(t *testing.T) {
	c, heard := newListening(t)
	if err := c.faults.set(repeatBatch, map[string][]string{"count": {"1"}}); err != nil {
		t.Fatal(err)
	}
	c.put(t, "twice")
	eventually(t, "the change is heard twice", func() bool { return strings.Count(heard.String(), "heard twice") == 2 })
}

func TestDelayedBatch(t *testing.T) {
	c, heard := newListening(t)
	const delay = 2 * time.Second
	if err := c.faults.set(delayBatch, map[string][]string{"count": {"1"}, "delay": {delay.String()}}); err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	c.put(t, "late")
	eventually(t, "the change is heard", func() bool { return strings.Contains(heard.String(), "heard late") })
	if took := time.Since(began); took < delay {
		t.Errorf("heard after %v, want %v at least", took, delay)
	}
}
