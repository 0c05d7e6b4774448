package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	awssqs "github.com/aws/aws-sdk-go-v2/service/sqs"

	"github.com/berthregistry/berth/infra/localcloud/sqs"
	"github.com/berthregistry/berth/shared/announce"
	"github.com/berthregistry/berth/shared/oci"
	"github.com/berthregistry/berth/shared/registry"
	"github.com/berthregistry/berth/shared/table"
	"github.com/berthregistry/berth/shared/table/dynamo"
	tablestore "github.com/berthregistry/berth/shared/table/local"
)

// A deadQueue is a queue of what could not be told, of the table "items".
type deadQueue struct {
	service *sqs.Service
	url     string
	arn     string
}

func newDeadQueue(t *testing.T) *deadQueue {
	t.Helper()
	q := &deadQueue{arn: "arn:aws:sqs:us-east-1:123456789012:unannounced", url: "https://sqs.us-east-1.amazonaws.com/123456789012/unannounced"}
	q.service = sqs.New(sqs.Queue{Name: "unannounced", ARN: q.arn, URL: q.url, Visibility: time.Minute})
	return q
}

// letter puts in what Lambda says of a span of a shard.
func (q *deadQueue) letter(table, shard, first, last string) {
	q.service.Send(q.arn, fmt.Sprintf(`{"requestContext":{"requestId":"r","condition":"RetryAttemptsExhausted","approximateInvokeCount":21},
		"version":"1.0","DDBStreamBatchInfo":{"shardId":%q,"startSequenceNumber":%q,"endSequenceNumber":%q,"batchSize":1,
		"approximateArrivalOfFirstRecord":"2026-11-22T01:00:00Z","approximateArrivalOfLastRecord":"2026-11-22T01:00:09Z",
		"streamArn":"arn:aws:dynamodb:us-east-1:123456789012:table/%s/stream/2026"}}`, shard, first, last, table), nil)
}

func (q *deadQueue) left() int { return len(q.service.Bodies()["unannounced"]) }

// A heard keeps what is published, unless it refuses.
type heard struct {
	tags    []string
	refuses error
	nowhere error // it takes all, and that is gone
}

func (h *heard) Publish(_ context.Context, events []announce.Event) error {
	if h.refuses != nil {
		return h.refuses
	}
	for _, e := range events {
		h.tags = append(h.tags, e.Subject)
	}
	return nil
}

// A shardReader has changes by the shards that letters name.
type shardReader map[string]func(deliver func([]table.Change) error) error

func (s shardReader) Again(ctx context.Context, span dynamo.Span, deliver func(context.Context, []table.Change) error) error {
	return s[span.Shard](func(changes []table.Change) error { return deliver(ctx, changes) })
}

// tagged is a change by which a tag comes to be.
func tagged(tag string) table.Change {
	key := table.Key{Partition: "repo#team/app", Sort: "tag#" + tag}
	return table.Change{ID: tag, Key: key, New: &table.Item{
		Key: key, Version: "v" + tag, Attrs: table.Attrs{table.S("digest", string(oci.SHA256.Sum([]byte(tag))))},
	}}
}

// has is a shard that has a change for each of these tags, and then an error.
func has(err error, tags ...string) func(func([]table.Change) error) error {
	return func(deliver func([]table.Change) error) error {
		for _, tag := range tags {
			if err := deliver([]table.Change{tagged(tag)}); err != nil {
				return err
			}
		}
		return err
	}
}

// redriving runs the command on a queue, and returns what it wrote.
func (q *deadQueue) redriving(t *testing.T, stream shardReader, to *heard, drop bool) (string, error) {
	t.Helper()
	server := httptest.NewServer(q.service)
	defer server.Close()
	items, err := tablestore.Open(filepath.Join(t.TempDir(), "table"), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer items.Close()
	var out bytes.Buffer
	r := &redriver{
		letters: &mailbox{url: q.url, client: awssqs.New(awssqs.Options{
			Region: "us-east-1", BaseEndpoint: aws.String(server.URL), Credentials: credentials.NewStaticCredentialsProvider("id", "secret", ""),
		})},
		stream: stream, name: "items", drop: drop, out: &out,
		findBus: func(context.Context) error { return to.nowhere },
		announcer: &announce.Announcer{
			Source: "https://registry.example.com", To: []announce.Publisher{to}, Log: slog.New(slog.DiscardHandler),
			Registry: registry.New(items, nil, registry.Options{}),
		},
	}
	err = r.run(t.Context())
	return out.String(), err
}

// What letters are about is told, each letter is deleted behind it, and the queue
// is empty at the end, however many there were.
func TestRedrive(t *testing.T) {
	q, to, stream := newDeadQueue(t), &heard{}, shardReader{}
	const letters = 25
	for i := range letters {
		shard := fmt.Sprint("s", i)
		q.letter("items", shard, "1", "2")
		stream[shard] = has(nil, fmt.Sprintf("a%d", i), fmt.Sprintf("b%d", i))
	}
	out, err := q.redriving(t, stream, to, false)
	if err != nil || q.left() != 0 || len(to.tags) != 2*letters {
		t.Errorf("%v: %d events are told and %d letters left, want %d and none; it said\n%s", err, len(to.tags), q.left(), 2*letters, out)
	}
	if !strings.Contains(out, "changes: 2") || !strings.Contains(out, "25 messages are done, 0 are still") {
		t.Errorf("it said\n%s", out)
	}
}

// What can't be told stays in the queue, and the next one can take it at once.
func TestRedriveInVain(t *testing.T) {
	q := newDeadQueue(t)
	q.letter("items", "s1", "1", "2")
	stream := shardReader{"s1": has(nil, "a")}
	out, err := q.redriving(t, stream, &heard{refuses: errors.New("the bus is full")}, true)
	if err == nil || q.left() != 1 || !strings.Contains(out, "the bus is full") {
		t.Errorf("got %v with %d letters left; it said\n%s", err, q.left(), out)
	}
	to := &heard{}
	if out, err := q.redriving(t, stream, to, false); err != nil || q.left() != 0 || len(to.tags) != 1 {
		t.Errorf("afterwards: got %v with %d letters left; it said\n%s", err, q.left(), out)
	}
}

// A bus that is not there takes everything: nothing is told it.
func TestRedriveToNoBus(t *testing.T) {
	q, to := newDeadQueue(t), &heard{nowhere: errors.New("there is no such bus")}
	q.letter("items", "s1", "1", "2")
	out, err := q.redriving(t, shardReader{"s1": has(nil, "a")}, to, true)
	if !errors.Is(err, to.nowhere) || q.left() != 1 || len(to.tags) != 0 {
		t.Errorf("got %v with %d letters left and %q told; it said\n%s", err, q.left(), to.tags, out)
	}
}

// What the stream has no more is said, with the time that is lost, and kept
// unless somebody wants it gone. The rest of it is told.
func TestRedriveTooLate(t *testing.T) {
	since := time.Date(2026, 11, 22, 1, 0, 5, 0, time.UTC)
	stream := shardReader{"gone": has(&dynamo.TrimmedError{}), "half": has(&dynamo.TrimmedError{Since: since}, "a")}
	q, to := newDeadQueue(t), &heard{}
	q.letter("items", "gone", "1", "2")
	q.letter("items", "half", "1", "2")
	begin, end := since.Add(-5*time.Second), since.Add(4*time.Second)
	out, err := q.redriving(t, stream, to, false)
	if err == nil || q.left() != 2 || len(to.tags) != 1 {
		t.Errorf("got %v with %d letters left and %q told", err, q.left(), to.tags)
	}
	for _, want := range []string{
		"lost: what happened from " + stamp(begin) + " to " + stamp(end),
		"lost: what happened from " + stamp(begin) + " to " + stamp(since),
		"told again: what happened from " + stamp(since) + " to " + stamp(end) + ", changes: 1",
	} {
		if !strings.Contains(out, want) {
			t.Errorf("it does not say %q:\n%s", want, out)
		}
	}
	if out, err := q.redriving(t, stream, to, true); err != nil || q.left() != 0 {
		t.Errorf("got %v with %d letters left; it said\n%s", err, q.left(), out)
	}
}

// What is no letter of this registry is not touched, nor what goes wrong in other
// ways, whatever is to be dropped.
func TestRedriveLeavesOthers(t *testing.T) {
	q, to := newDeadQueue(t), &heard{}
	q.service.Send(q.arn, "hello \x1b[31m", nil)
	q.service.Send(q.arn, `{"detail-type":"dev.berth.tag.moved"}`, nil)
	q.letter("others", "s1", "1", "2")
	q.letter("items", "unread", "1", "2")
	q.letter("items", "both", "1", "2")
	unread := errors.New("stream record lacks its id")
	stream := shardReader{"s1": has(nil, "a"), "unread": has(unread, "b"), "both": has(errors.Join(unread, &dynamo.TrimmedError{}))}
	out, err := q.redriving(t, stream, to, true)
	if err == nil || q.left() != 5 || len(to.tags) != 1 {
		t.Errorf("got %v with %d letters left and %q told", err, q.left(), to.tags)
	}
	for _, want := range []string{"no message of Lambda", "another table: arn:aws:dynamodb", "lacks its id", "0 messages are done, 5 are still"} {
		if !strings.Contains(out, want) {
			t.Errorf("it does not say %q:\n%s", want, out)
		}
	}
	if strings.Contains(out, "\x1b") {
		t.Errorf("it wrote a control character: %q", out)
	}
}

func TestRedriveIsTold(t *testing.T) {
	t.Setenv("AWS_ACCESS_KEY_ID", "id")
	t.Setenv("AWS_SECRET_ACCESS_KEY", "secret")
	flags := []string{"redrive", "--queue", "https://sqs.eu-central-1.amazonaws.com/1/q", "--table", "items", "--bus", "b"}
	berth(t, "", append(flags, "--url", "registry.example.com")...).wants(t, 1, `"registry.example.com" is no address such as`)
	berth(t, "", flags...).wants(t, 2, "--url")
	r, err := (&redrive{Queue: flags[2], Table: "items", Bus: "b", URL: "https://registry.example.com"}).open(t.Context(), terminal{})
	if err != nil || r.letters.client.Options().Region != "eu-central-1" {
		t.Errorf("the region is not that of the queue: %v", err)
	}
}
