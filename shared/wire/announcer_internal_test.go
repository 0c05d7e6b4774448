package wire

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/events"

	"github.com/berthregistry/berth/shared/announce"
	"github.com/berthregistry/berth/shared/gateway"
	"github.com/berthregistry/berth/shared/registry"
	"github.com/berthregistry/berth/shared/settings"
	"github.com/berthregistry/berth/shared/table/dynamo"
	tablestore "github.com/berthregistry/berth/shared/table/local"
)

// batchOf is an event of a stream by which these tags come to be. One without a
// name is a record that can't be read.
func batchOf(t *testing.T, tags ...string) dynamo.Event {
	t.Helper()
	var records []string
	for i, tag := range tags {
		id := fmt.Sprint("event-", i)
		if tag == "" {
			id = ""
		}
		records = append(records, fmt.Sprintf(`{"eventID":%q,"eventSource":"aws:dynamodb","dynamodb":{"SequenceNumber":"%d",
			"ApproximateCreationDateTime":1795309267,"Keys":{"pk":{"S":"repo#team/app"},"sk":{"S":"tag#%s"}},
			"NewImage":{"pk":{"S":"repo#team/app"},"sk":{"S":"tag#%[3]s"},"version":{"S":"v"},"digest":{"S":%q}}}}`,
			id, 100+i, tag, digest([]byte(tag))))
	}
	var e dynamo.Event
	if err := json.Unmarshal([]byte(`{"Records":[`+strings.Join(records, ",")+`]}`), &e); err != nil {
		t.Fatal(err)
	}
	return e
}

// A listener takes events but those of one tag.
type listener struct {
	refuses string
	took    []string
}

func (l *listener) Publish(_ context.Context, all []announce.Event) error {
	some := &announce.Unpublished{Err: errors.New("not this one")}
	for i, e := range all {
		tag := strings.TrimPrefix(e.Subject, "team/app:")
		if tag == l.refuses {
			some.Failed = append(some.Failed, i)
			continue
		}
		l.took = append(l.took, tag)
	}
	if some.Failed != nil {
		return some
	}
	return nil
}

func openItems(t *testing.T) *tablestore.Store {
	t.Helper()
	items, err := tablestore.Open(filepath.Join(t.TempDir(), "table"), nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { items.Close() })
	return items
}

// announcerTo is the function with another place where events go.
func announcerTo(t *testing.T, to announce.Publisher, log *slog.Logger) func(context.Context, dynamo.Event) (events.DynamoDBEventResponse, error) {
	return announcer(&announce.Announcer{
		Source: "https://registry.test", To: []announce.Publisher{to}, Log: log,
		Registry: registry.New(openItems(t), nil, registry.Options{}),
	}, log)
}

// What is not done is named by the sequence number of the first of it; where
// nothing is done, the function fails.
func TestAnnouncer(t *testing.T) {
	for name, tt := range map[string]struct {
		tags    []string
		refuses string
		from    string // sequence number; "" for none
		err     string
		took    []string // at least
	}{
		"all":                 {tags: []string{"a", "b", "c"}, took: []string{"a", "b", "c"}},
		"the second is not":   {tags: []string{"a", "b", "c"}, refuses: "b", from: "101", took: []string{"a"}},
		"the last is not":     {tags: []string{"a", "b", "c"}, refuses: "c", from: "102", took: []string{"a", "b"}},
		"the first is not":    {tags: []string{"a", "b"}, refuses: "a", err: "not this one"},
		"one can't be read":   {tags: []string{"a", "b", "", "d"}, from: "102", took: []string{"a", "b"}},
		"first it is refused": {tags: []string{"a", "b", ""}, refuses: "b", from: "101", took: []string{"a"}},
		"none can be read":    {tags: []string{"", "b"}, err: "read record 100"},
		"nothing is in it":    {err: "without records"},
	} {
		t.Run(name, func(t *testing.T) {
			var out bytes.Buffer
			to := &listener{refuses: tt.refuses}
			got, err := announcerTo(t, to, NewLog(&out, slog.LevelInfo))(invocation(t.Context(), "one"), batchOf(t, tt.tags...))
			if (err == nil) != (tt.err == "") || err != nil && !strings.Contains(err.Error(), tt.err) {
				t.Errorf("got error %v, want %q", err, tt.err)
			}
			from := ""
			if len(got.BatchItemFailures) > 0 {
				from = got.BatchItemFailures[0].ItemIdentifier
			}
			if from != tt.from || len(got.BatchItemFailures) > 1 {
				t.Errorf("it asks for %+v again, want from %q on", got.BatchItemFailures, tt.from)
			}
			for _, tag := range tt.took {
				if !slices.Contains(to.took, tag) {
					t.Errorf("%s is not told: %q", tag, to.took)
				}
			}
			line := lines(t, &out)[0]
			failed := tt.err != "" || tt.from != ""
			if line["msg"] != "announcement" || line["lambda_request_id"] != "one" || (line["level"] == "ERROR") != failed {
				t.Errorf("the log has %v", line)
			}
		})
	}
}

// Near the end of its time the function stops, and says what is left.
func TestAnnouncerInTime(t *testing.T) {
	ctx, cancel := context.WithDeadline(t.Context(), time.Now().Add(margin+50*time.Millisecond))
	defer cancel()
	slow := publisher(func(ctx context.Context, _ []announce.Event) error {
		<-ctx.Done()
		return ctx.Err()
	})
	_, err := announcerTo(t, slow, slog.New(slog.DiscardHandler))(ctx, batchOf(t, "a"))
	if !errors.Is(err, context.DeadlineExceeded) || ctx.Err() != nil {
		t.Errorf("got %v, and the function's own time: %v", err, ctx.Err())
	}
}

type publisher func(context.Context, []announce.Event) error

func (p publisher) Publish(ctx context.Context, all []announce.Event) error { return p(ctx, all) }

// What a function has told on the bus, a client reads from the log: page by page,
// since the gateway does not stream. Without a bus there is no such thing.
func TestEventsAreRead(t *testing.T) {
	items := openItems(t)
	b, bridge := busOf(t, took)
	c := Config{Access: Open, Service: DefaultService, Bus: b.name, URL: "https://registry.test", Settings: new(settings.Settings)}
	a := NewAnnouncer(c, items, slog.New(slog.DiscardHandler))
	a.To[1] = b
	if _, err := announcer(a, a.Log)(t.Context(), batchOf(t, "v1", "v2")); err != nil || len(bridge.calls) != 1 {
		t.Fatalf("%v, after %d calls", err, len(bridge.calls))
	}
	get := func(c Config) gateway.Response {
		pull := gateway.New(serve(c, items, nil, slog.New(slog.DiscardHandler), []string{http.MethodGet}))
		e := event("GET", "/v2/team/app/_berth/v1/events", "after=0", "", nil)
		e.Headers["accept"] = "text/event-stream"
		got, err := pull(invocation(t.Context(), "one"), e)
		if err != nil {
			t.Fatal(err)
		}
		return got
	}
	if got := get(c); got.StatusCode != 200 || strings.Count(got.Body, "dev.berth.tag.created") != 4 || got.Headers["Retry-After"] != "5" {
		t.Errorf("got %d %v %s", got.StatusCode, got.Headers, got.Body)
	}
	c.Bus = ""
	if got := get(c); got.StatusCode != 404 {
		t.Errorf("without a bus: got %d %s", got.StatusCode, got.Body)
	}
}
