package wire

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/berthregistry/berth/infra/localcloud/iam"
	"github.com/berthregistry/berth/shared/announce"
)

// A putEvents is one call of PutEvents.
type putEvents struct {
	Entries []struct {
		Time                                     float64
		Source, DetailType, Detail, EventBusName string
	}
}

// ids are those of the events in it.
func (p putEvents) ids(t *testing.T) []string {
	t.Helper()
	var ids []string
	for _, e := range p.Entries {
		var event announce.Event
		if err := json.Unmarshal([]byte(e.Detail), &event); err != nil {
			t.Error(err)
		}
		ids = append(ids, event.ID)
	}
	return ids
}

// An eventBridge answers each call as it is told, by a status and the codes of
// the entries, and keeps the calls. A code of "" takes the entry.
type eventBridge struct {
	t     *testing.T
	calls []putEvents
	say   func(call int, ids []string) (status int, codes []string)
}

func (b *eventBridge) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	sum := sha256.Sum256(body)
	keys := func(id string) (string, string, bool) { return "hunter2", "a/token=", id == "ASIAANNOUNCE" }
	if _, err := iam.NewVerifier(iam.Events, "eu-central-1", keys, time.Now).Verify(r, hex.EncodeToString(sum[:])); err != nil {
		b.t.Errorf("the signature: %v", err)
	}
	if r.Header.Get("X-Amz-Target") != "AWSEvents.PutEvents" || r.Header.Get("Content-Type") != "application/x-amz-json-1.1" {
		b.t.Errorf("the header is %v", r.Header)
	}
	var p putEvents
	if err := json.Unmarshal(body, &p); err != nil {
		b.t.Error(err)
	}
	b.calls = append(b.calls, p)
	ids := p.ids(b.t)
	status, codes := b.say(len(b.calls), ids)
	w.WriteHeader(status)
	if status != http.StatusOK {
		_, _ = io.WriteString(w, `{"__type":"com.amazon.coral#`+codes[0]+`","message":"not so"}`)
		return
	}
	var answer struct{ Entries []map[string]string }
	for i := range ids {
		entry := map[string]string{"EventId": "e"}
		if i < len(codes) && codes[i] != "" {
			entry = map[string]string{"ErrorCode": codes[i], "ErrorMessage": "not so"}
		}
		answer.Entries = append(answer.Entries, entry)
	}
	_ = json.NewEncoder(w).Encode(answer)
}

func took(int, []string) (int, []string) { return http.StatusOK, nil }

// busOf is a bus where it is said what happens.
func busOf(t *testing.T, say func(call int, ids []string) (int, []string)) (*bus, *eventBridge) {
	t.Helper()
	bridge := &eventBridge{t: t, say: say}
	server := httptest.NewServer(bridge)
	t.Cleanup(server.Close)
	return newBus(Config{
		Bus: "team-events", EventBridge: server.URL, Region: "eu-central-1",
		Credentials: aws.Credentials{AccessKeyID: "ASIAANNOUNCE", SecretAccessKey: "hunter2", SessionToken: "a/token="},
	}), bridge
}

// someEvents are n, whose ids are their numbers, with so much in them.
func someEvents(n, size int) []announce.Event {
	events := make([]announce.Event, n)
	for i := range events {
		events[i] = announce.Event{
			SpecVersion: "1.0", ID: fmt.Sprint(i), Type: "dev.berth.tag.moved", Time: time.UnixMilli(1795309267250),
			Data: json.RawMessage(`"` + strings.Repeat("x", size) + `"`),
		}
	}
	return events
}

func TestPublish(t *testing.T) {
	b, bridge := busOf(t, took)
	event := someEvents(1, 3)
	if err := b.Publish(t.Context(), event); err != nil {
		t.Fatal(err)
	}
	want, _ := event[0].JSON()
	got := bridge.calls[0].Entries[0]
	if got.Source != "dev.berth" || got.DetailType != "dev.berth.tag.moved" || got.EventBusName != "team-events" || got.Time != 1795309267.25 || got.Detail != string(want) {
		t.Errorf("got %+v, want the event %s", got, want)
	}
	if err := b.Publish(t.Context(), nil); err != nil || len(bridge.calls) != 1 {
		t.Errorf("nothing was published in %d calls: %v", len(bridge.calls)-1, err)
	}
}

// sizeFor is what must be in each of some events for EventBridge to count so
// many bytes of all of them.
func sizeFor(t *testing.T, events, bytes int) int {
	t.Helper()
	detail, err := someEvents(1, 0)[0].JSON()
	if err != nil {
		t.Fatal(err)
	}
	return bytes/events - 14 - len(EventSource) - len("dev.berth.tag.moved") - len(detail)
}

// However many they are, and however large: all arrive in their order, no more
// than ten at a time, and less than 256 KiB.
func TestPublishMany(t *testing.T) {
	for _, tt := range []struct{ events, size, calls int }{
		{1, 0, 1}, {10, 0, 1}, {11, 0, 2}, {100, 0, 10}, {100, 26 << 10, 12}, {7, 190 << 10, 7},
		{2, sizeFor(t, 2, 256<<10), 2}, {2, sizeFor(t, 2, 256<<10-2), 1},
	} {
		b, bridge := busOf(t, took)
		if err := b.Publish(t.Context(), someEvents(tt.events, tt.size)); err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, call := range bridge.calls {
			size := 0
			for _, e := range call.Entries {
				size += 14 + len(e.Source) + len(e.DetailType) + len(e.Detail)
			}
			if len(call.Entries) > 10 || size >= 256<<10 {
				t.Errorf("a call has %d entries of %d bytes", len(call.Entries), size)
			}
			got = append(got, call.ids(t)...)
		}
		if len(bridge.calls) != tt.calls || len(got) != tt.events || !slices.IsSortedFunc(got, func(a, b string) int { return len(a) - len(b) }) {
			t.Errorf("%d events of %d bytes came as %d in %d calls, want %d", tt.events, tt.size, len(got), len(bridge.calls), tt.calls)
		}
	}
}

// What is refused for the moment comes again, alone. What is refused for good is
// told, with all behind the call that it was in.
func TestPublishWhatIsRefused(t *testing.T) {
	always := func(id, code string) func(int, []string) (int, []string) {
		return func(_ int, ids []string) (int, []string) {
			codes := make([]string, len(ids))
			if i := slices.Index(ids, id); i >= 0 {
				codes[i] = code
			}
			return http.StatusOK, codes
		}
	}
	for name, tt := range map[string]struct {
		say    func(int, []string) (int, []string)
		failed []int
		calls  []int // how many entries each had
		err    string
	}{
		"for a moment": {
			func(call int, ids []string) (int, []string) {
				if call == 1 {
					return 200, []string{"", "InternalFailure", "", "ThrottlingException"}
				}
				return 200, nil
			}, nil, []int{10, 2, 10, 5}, "",
		},
		"again and again":   {always("3", "ThrottlingException"), slices.Concat([]int{3}, numbers(10, 25)), []int{10, 1, 1, 1}, "ThrottlingException: not so"},
		"for good":          {always("12", "MalformedDetail"), slices.Concat([]int{12}, numbers(20, 25)), []int{10, 10}, "MalformedDetail: not so"},
		"the last":          {always("24", "NotAuthorizedForSourceException"), []int{24}, []int{10, 10, 5}, "NotAuthorized"},
		"all of it":         {func(int, []string) (int, []string) { return 400, []string{"AccessDeniedException"} }, numbers(0, 25), []int{10}, "AccessDeniedException: not so"},
		"all of it, broken": {func(int, []string) (int, []string) { return 500, []string{"InternalException"} }, numbers(0, 25), []int{10, 10, 10, 10}, "InternalException"},
	} {
		t.Run(name, func(t *testing.T) {
			b, bridge := busOf(t, tt.say)
			err := b.Publish(t.Context(), someEvents(25, 0))
			var got []int
			if some, ok := errors.AsType[*announce.Unpublished](err); ok {
				got = some.Failed
			}
			if !slices.Equal(got, tt.failed) || (err == nil) != (tt.err == "") || err != nil && !strings.Contains(err.Error(), tt.err) {
				t.Errorf("got %v with %v, want %v with %q", got, err, tt.failed, tt.err)
			}
			var calls []int
			for _, c := range bridge.calls {
				calls = append(calls, len(c.Entries))
			}
			if !slices.Equal(calls, tt.calls) {
				t.Errorf("%v entries were put in turn, want %v", calls, tt.calls)
			}
			if err != nil && strings.Contains(err.Error(), "hunter2") {
				t.Errorf("the error tells the secret: %v", err)
			}
		})
	}
}

func numbers(from, to int) (all []int) {
	for i := from; i < to; i++ {
		all = append(all, i)
	}
	return all
}

// An answer that says nothing of each entry, or is none, took nothing.
func TestPublishWithoutAnAnswer(t *testing.T) {
	for _, body := range []string{``, `{}`, `null`, `[]`, `{"Entries":[]}`, `{"Entries":[{}]}`, `{"Entries":[{"EventId":"1"},{"EventId":"2"}]}`, `<html>`} {
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, body) }))
		b := newBus(Config{Bus: "b", EventBridge: server.URL, Region: "us-east-1", Credentials: aws.Credentials{AccessKeyID: "a", SecretAccessKey: "s"}})
		err := b.Publish(t.Context(), someEvents(1, 0))
		if some, ok := errors.AsType[*announce.Unpublished](err); !ok || !slices.Equal(some.Failed, []int{0}) {
			t.Errorf("%q: got %v", body, err)
		}
		server.Close()
	}
}

// A bus that is not there is noticed before anything is lost on it, and a moment
// in which nobody can tell is waited out.
func TestFindBus(t *testing.T) {
	calls := 0
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var asked struct{ Name string }
		if err := json.NewDecoder(r.Body).Decode(&asked); err != nil || r.Header.Get("X-Amz-Target") != "AWSEvents.DescribeEventBus" {
			t.Errorf("%v, header %v", err, r.Header)
		}
		if calls++; calls == 1 {
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		}
		if asked.Name != "team-events" {
			w.WriteHeader(http.StatusBadRequest)
			_, _ = io.WriteString(w, `{"__type":"ResourceNotFoundException","message":"Event bus does not exist."}`)
		}
	}))
	defer server.Close()
	c := Config{Bus: "team-events", EventBridge: server.URL, Region: "us-east-1", Credentials: aws.Credentials{AccessKeyID: "a", SecretAccessKey: "s"}}
	if err := FindBus(t.Context(), c); err != nil || calls != 2 {
		t.Errorf("got %v after %d calls", err, calls)
	}
	c.Bus = "team-event"
	if err := FindBus(t.Context(), c); err == nil || !strings.Contains(err.Error(), "find the bus team-event: ") || calls != 3 {
		t.Errorf("of another: got %v after %d calls", err, calls-2)
	}
}
