package stream

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-lambda-go/events"
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodbstreams/types"
)

// A fakeStream is a source in memory with as many shards as a test wants. It
// fails the test when a shard is read before its parent is at its end, as far
// as the test can see that.
type fakeStream struct {
	mu     sync.Mutex
	order  []string
	all    map[string]*fakeShard
	reads  int
	expire bool // the next iterator that is used
	err    error
}

type fakeShard struct {
	parent  string
	closed  bool
	records []types.Record
}

func newFakeStream(shards ...string) *fakeStream {
	f := &fakeStream{all: map[string]*fakeShard{}}
	for _, id := range shards {
		f.open(id, "")
	}
	return f
}

func (f *fakeStream) open(id, parent string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.order = append(f.order, id)
	f.all[id] = &fakeShard{parent: parent}
}

func (f *fakeStream) close(id string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.all[id].closed = true
}

// write adds a record for each value, which is its sequence number too.
func (f *fakeStream) write(shard string, values ...string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, v := range values {
		f.all[shard].records = append(f.all[shard].records, fakeRecord(v))
	}
}

func fakeRecord(v string) types.Record {
	value := map[string]types.AttributeValue{"pk": &types.AttributeValueMemberS{Value: v}}
	return types.Record{
		EventID: aws.String("event-" + v), EventName: types.OperationTypeInsert,
		Dynamodb: &types.StreamRecord{
			ApproximateCreationDateTime: aws.Time(time.Now().Truncate(time.Second)),
			SequenceNumber:              aws.String(v), Keys: value, NewImage: value,
		},
	}
}

func (f *fakeStream) shards(context.Context) ([]types.Shard, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	var out []types.Shard
	for _, id := range f.order {
		sh := types.Shard{ShardId: aws.String(id)}
		if parent := f.all[id].parent; parent != "" {
			sh.ParentShardId = &parent
		}
		out = append(out, sh)
	}
	return out, f.err
}

func (f *fakeStream) iterator(_ context.Context, shard, after string, kind types.ShardIteratorType) (string, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	sh, ok := f.all[shard]
	switch {
	case !ok:
		return "", &types.ResourceNotFoundException{}
	case after != "":
		i := slices.IndexFunc(sh.records, func(r types.Record) bool { return *r.Dynamodb.SequenceNumber == after })
		if i < 0 {
			return "", &types.TrimmedDataAccessException{}
		}
		return fmt.Sprintf("%s %d", shard, i+1), f.err
	case kind == types.ShardIteratorTypeLatest:
		return fmt.Sprintf("%s %d", shard, len(sh.records)), f.err
	}
	return shard + " 0", f.err
}

func (f *fakeStream) records(_ context.Context, iterator string, limit int) ([]types.Record, *string, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.reads++
	if f.expire {
		f.expire = false
		return nil, nil, &types.ExpiredIteratorException{}
	}
	var id string
	var from int
	fmt.Sscan(iterator, &id, &from)
	sh, ok := f.all[id]
	if !ok {
		return nil, nil, &types.ResourceNotFoundException{}
	}
	to := min(len(sh.records), from+limit)
	if to == len(sh.records) && sh.closed {
		return sh.records[from:to], nil, f.err
	}
	return sh.records[from:to], aws.String(fmt.Sprintf("%s %d", id, to)), f.err
}

// A consumer is the function of the tests. It notes what it is handed, as
// "1,2 3": two batches.
type consumer struct {
	mu      sync.Mutex
	seen    []string
	times   []time.Duration // since the first
	began   time.Time
	answers []func(sequences []string) (Answer, error) // of the first deliveries; then success
	always  func(sequences []string) (Answer, error)
	letters []string
	lost    []string // shards that the letters are about
}

func (c *consumer) invoke(_ context.Context, event []byte) (Answer, error) {
	var e events.DynamoDBEvent
	if err := json.Unmarshal(event, &e); err != nil {
		return Answer{}, err
	}
	var sequences []string
	for _, r := range e.Records {
		sequences = append(sequences, r.Change.SequenceNumber)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.seen == nil {
		c.began = time.Now()
	}
	c.seen = append(c.seen, strings.Join(sequences, ","))
	c.times = append(c.times, time.Since(c.began))
	answer := c.always
	if len(c.answers) > 0 {
		answer, c.answers = c.answers[0], c.answers[1:]
	}
	if answer == nil {
		return Answer{}, nil
	}
	return answer(sequences)
}

func (c *consumer) giveUp(d DeadLetter) {
	c.mu.Lock()
	defer c.mu.Unlock()
	i := d.DDBStreamBatchInfo
	c.lost = append(c.lost, i.ShardID)
	c.letters = append(c.letters, fmt.Sprintf("%s-%s %d %s after %d",
		i.StartSequenceNumber, i.EndSequenceNumber, i.BatchSize, d.RequestContext.Condition, d.RequestContext.ApproximateInvokeCount))
}

func (c *consumer) want(t *testing.T, batches ...string) {
	t.Helper()
	c.mu.Lock()
	defer c.mu.Unlock()
	if !slices.Equal(c.seen, batches) {
		t.Errorf("got the batches %q, want %q", c.seen, batches)
	}
}

func (c *consumer) wantLetters(t *testing.T, letters ...string) {
	t.Helper()
	c.mu.Lock()
	defer c.mu.Unlock()
	if !slices.Equal(c.letters, letters) {
		t.Errorf("given up: %q, want %q", c.letters, letters)
	}
}

// Ways to answer.
func fails([]string) (Answer, error) { return Answer{Failed: true}, nil }

func says(payload string) func([]string) (Answer, error) {
	return func([]string) (Answer, error) { return Answer{Payload: []byte(payload)}, nil }
}

// failsOn fails as a whole if one of these is in the batch.
func failsOn(bad ...string) func([]string) (Answer, error) {
	return func(sequences []string) (Answer, error) {
		return Answer{Failed: slices.ContainsFunc(sequences, func(s string) bool { return slices.Contains(bad, s) })}, nil
	}
}

// names reports those of these that are in the batch as failed.
func names(bad ...string) func([]string) (Answer, error) {
	return func(sequences []string) (Answer, error) {
		items := []map[string]string{}
		for _, s := range bad {
			if slices.Contains(sequences, s) {
				items = append(items, map[string]string{"itemIdentifier": s})
			}
		}
		payload, err := json.Marshal(map[string]any{"batchItemFailures": items})
		return Answer{Payload: payload}, err
	}
}

// A bench is a mapping that runs on a fake stream, in a bubble with a clock of
// its own.
type bench struct {
	*fakeStream
	*consumer
	m    *Mapping
	stop func()
}

// start starts a mapping in a bubble.
func start(t *testing.T, f *fakeStream, c *consumer, config Config) *bench {
	t.Helper()
	if config.StartingPosition == "" {
		config.StartingPosition = TrimHorizon
	}
	config.Stream = "arn:aws:dynamodb:eu-west-1:1:table/t/stream/s"
	config.Invoke, config.OnFailure = c.invoke, c.giveUp
	config.Log = slog.New(slog.NewTextHandler(t.Output(), nil))
	m, err := New(config)
	if err != nil {
		t.Fatal(err)
	}
	m.source = inParts(f, config.Shards)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		m.Run(ctx)
	}()
	b := &bench{fakeStream: f, consumer: c, m: m, stop: func() { cancel(); <-done }}
	t.Cleanup(b.stop)
	return b
}

// pass lets time go by until all is quiet.
func pass(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

func retries(n int) *int { return &n }

// bubble runs a test on a clock of its own.
func bubble(t *testing.T, f func(t *testing.T)) { synctest.Test(t, f) }

// places returns the checkpoints that a mapping has written.
func places(t *testing.T, m *Mapping) map[string]string {
	t.Helper()
	m.mu.Lock()
	defer m.mu.Unlock()
	out := map[string]string{}
	for id, p := range maps.All(m.saved.Shards) {
		out[id] = p.After
		if p.Done {
			out[id] += " done"
		}
	}
	return out
}

func checkpointFile(t *testing.T) string { return filepath.Join(t.TempDir(), "checkpoints.json") }
