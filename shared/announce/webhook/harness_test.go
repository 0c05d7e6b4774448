package webhook

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"

	"github.com/berthregistry/berth/shared/announce"
	"github.com/berthregistry/berth/shared/table"
	"github.com/berthregistry/berth/shared/table/local"
)

const hookURL = "https://user:hush@hook.example/in/hush?key=hush"

// rawSecret is what signs in tests, as text and in base64.
const rawSecret = "hush-hush-hush-hush-hush-hush"

var base64Secret = "whsec_" + base64.StdEncoding.EncodeToString([]byte(rawSecret))

// A reply is what a receiver answers: 204 if the status is zero. A negative one
// is a connection that breaks.
type reply struct {
	status int
	header http.Header
}

// A receiver takes the place of the network. It holds what it gets to the rules
// of Standard Webhooks, and to the order within lines.
type receiver struct {
	testing.TB
	answer func(e announce.Event, before int) reply // before: how often it came already

	mu    sync.Mutex
	came  []string       // ids of all requests
	times []time.Time    // of them
	count map[string]int // by id
	taken []string       // ids that were answered 2xx
	busy  map[string]int // requests under way, by line
	most  int            // at once
}

// deafWhile cuts connections while its receiver is down.
func deafWhile(down *atomic.Bool) func(announce.Event, int) reply {
	return func(announce.Event, int) reply {
		if down.Load() {
			return reply{status: -1}
		}
		return reply{}
	}
}

func newReceiver(t testing.TB, answer func(announce.Event, int) reply) *receiver {
	if answer == nil {
		answer = func(announce.Event, int) reply { return reply{} }
	}
	return &receiver{TB: t, answer: answer, count: map[string]int{}, busy: map[string]int{}}
}

// RoundTrip implements http.RoundTripper.
func (r *receiver) RoundTrip(req *http.Request) (*http.Response, error) {
	body, err := io.ReadAll(req.Body)
	if err != nil {
		return nil, err
	}
	e := r.check(req, body)
	n := r.begin(e)
	answer := r.answer(e, n)
	time.Sleep(time.Millisecond)
	r.end(e, answer)
	if answer.status < 0 {
		return nil, fmt.Errorf("dial tcp: connection refused")
	}
	if answer.header == nil {
		answer.header = http.Header{}
	}
	return &http.Response{
		StatusCode: max(answer.status, 200), Header: answer.header, Body: io.NopCloser(strings.NewReader("thank you")), Request: req,
	}, nil
}

func (r *receiver) check(req *http.Request, body []byte) announce.Event {
	var e announce.Event
	wh, err := standardwebhooks.NewWebhook(base64Secret)
	if err == nil {
		err = wh.Verify(body, req.Header)
	}
	if err != nil {
		r.Errorf("not signed as Standard Webhooks says: %v", err)
	}
	if err := json.Unmarshal(body, &e); err != nil {
		r.Errorf("not JSON: %v", err)
	}
	for name, want := range map[string]string{"Webhook-Id": e.ID, "Content-Type": "application/cloudevents+json"} {
		if got := req.Header.Get(name); got != want {
			r.Errorf("%s: got %q, want %q", name, got, want)
		}
	}
	if got := req.URL.String(); req.Method != http.MethodPost || got != hookURL {
		r.Errorf("got %s %s", req.Method, got)
	}
	return e
}

func (r *receiver) begin(e announce.Event) (before int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.came, r.times = append(r.came, e.ID), append(r.times, time.Now())
	r.count[e.ID]++
	if r.busy[e.PartitionKey]++; r.busy[e.PartitionKey] > 1 {
		r.Errorf("two events of %s at once", e.PartitionKey)
	}
	r.most = max(r.most, len(r.busy))
	return r.count[e.ID] - 1
}

func (r *receiver) end(e announce.Event, answer reply) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.busy, e.PartitionKey)
	if answer.status == 0 || answer.status/100 == 2 {
		r.taken = append(r.taken, e.ID)
	}
}

// got returns the ids that were taken, without repeats and in order.
func (r *receiver) got() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	var out []string
	for _, id := range r.taken {
		if !slices.Contains(out, id) {
			out = append(out, id)
		}
	}
	return out
}

func (r *receiver) requests() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.came)
}

// A desk is a post on a table, with what it logs.
type desk struct {
	testing.TB
	table table.Store
	log   bytes.Buffer
	*Post
	stop func()
}

func openTable(t testing.TB) *local.Store {
	t.Helper()
	s, err := local.Open(filepath.Join(t.TempDir(), "table.db"), slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

func testHook(t testing.TB) Hook {
	t.Helper()
	u, err := ParseURL(hookURL)
	if err != nil {
		t.Fatal(err)
	}
	return Hook{URL: u, Secrets: func() ([]Secret, error) { return ParseSecrets([]byte(rawSecret)) }}
}

// openPost opens a post with hooks, which does not run yet.
func openPost(t testing.TB, s table.Store, r http.RoundTripper, hooks ...Hook) *desk {
	t.Helper()
	d := &desk{TB: t, table: s}
	var err error
	d.Post, err = Open(t.Context(), Options{
		Table: s, Hooks: hooks, Idle: len(hooks) == 0, Transport: r, Log: slog.New(slog.NewTextHandler(&d.log, nil)),
	})
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// start runs the post until halt, or the end of the test.
func (d *desk) start() *desk {
	ctx, cancel := context.WithCancel(d.Context())
	ended := make(chan struct{})
	go func() { defer close(ended); d.Run(ctx) }()
	d.stop = sync.OnceFunc(func() { cancel(); <-ended })
	d.Cleanup(d.stop)
	return d
}

func (d *desk) publish(events ...announce.Event) {
	d.Helper()
	for _, p := range d.Publishers() {
		if err := p.Publish(d.Context(), events); err != nil {
			d.Fatal(err)
		}
	}
}

// waiting returns the names of the events in the outbox of the test's hook.
func (d *desk) waiting() (names []string) {
	d.Helper()
	for item, err := range all(d.Context(), d.table, table.Query{Partition: hookPrefix + testHook(d).ID(), Prefix: eventPrefix}) {
		if err != nil {
			d.Fatal(err)
		}
		names = append(names, item.Sort[len(eventPrefix):])
	}
	return names
}

func (d *desk) lettersNow() []Letter {
	d.Helper()
	letters, next, err := d.Letters(d.Context(), "", maxLetters)
	if err != nil || next != "" {
		d.Fatalf("letters: %v, more after %q", err, next)
	}
	return letters
}

// event makes the nth event of a line.
func event(line string, n int) announce.Event {
	return announce.Event{
		SpecVersion: "1.0", ID: fmt.Sprintf("%08x%s", n, strings.Repeat("0", 56)), Source: "https://registry.example",
		Type: announce.TypePrefix + "tag.moved", Subject: line, PartitionKey: line,
		Time: time.UnixMilli(int64(1_700_000_000_000 + n)).UTC(), DataContentType: "application/json", Data: json.RawMessage(`{"n":1}`),
		Change: strconv.Itoa(n),
	}
}

func ids(events ...announce.Event) (out []string) {
	for _, e := range events {
		out = append(out, e.ID)
	}
	return out
}

// logsNoSecret fails where the log tells what nobody should know. It is for when
// the post has ended.
func (d *desk) logsNoSecret() {
	d.Helper()
	for _, secret := range []string{"hush", base64Secret} {
		if strings.Contains(d.log.String(), secret) {
			d.Errorf("a secret is in the log:\n%s", &d.log)
		}
	}
}

func mustURL(t testing.TB, text string) *url.URL {
	t.Helper()
	u, err := ParseURL(text)
	if err != nil {
		t.Fatal(err)
	}
	return u
}
