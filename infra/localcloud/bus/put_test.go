package bus

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

// entryOf is an entry that is taken, with some fields more or otherwise.
func entryOf(fields map[string]any) map[string]any {
	e := map[string]any{"Source": "dev.berth", "DetailType": "dev.berth.tag.moved", "Detail": `{"a": "b"}`, "EventBusName": "team"}
	for name, value := range fields {
		e[name] = value
	}
	return e
}

// An answer is that of PutEvents, or of a refusal.
type answer struct {
	FailedEntryCount int
	Entries          []outcome
	Type             string `json:"__type"`
}

func put(t *testing.T, b *Bus, entries ...map[string]any) answer {
	t.Helper()
	body, err := json.Marshal(map[string]any{"Entries": entries})
	if err != nil {
		t.Fatal(err)
	}
	return post(t, b, "AWSEvents.PutEvents", string(body))
}

func post(t *testing.T, b *Bus, target, body string) answer {
	t.Helper()
	r := httptest.NewRequestWithContext(t.Context(), "POST", "/", strings.NewReader(body))
	r.Header.Set("X-Amz-Target", target)
	w := httptest.NewRecorder()
	b.ServeHTTP(w, r)
	var a answer
	if err := json.Unmarshal(w.Body.Bytes(), &a); err != nil || (a.Type == "") != (w.Code == http.StatusOK) {
		t.Fatalf("got %d %s, %v", w.Code, w.Body, err)
	}
	return a
}

func newBus(t *testing.T, change ...func(*Config)) *Bus {
	t.Helper()
	c := Config{Region: "us-east-1", Account: "123456789012", Buses: []string{"team"}}
	for _, f := range change {
		f(&c)
	}
	b := New(c)
	t.Cleanup(b.Close)
	return b
}

// What is put is taken in its order, whole, by name or by ARN of the bus.
func TestPut(t *testing.T) {
	b := newBus(t)
	a := put(t, b, entryOf(map[string]any{"Time": 1700000000.5}),
		entryOf(map[string]any{"EventBusName": "arn:aws:events:us-east-1:123456789012:event-bus/team", "Detail": `{"n": 2}`}))
	if a.FailedEntryCount != 0 || len(a.Entries) != 2 || a.Entries[0].EventID == a.Entries[1].EventID {
		t.Fatalf("got %+v", a)
	}
	taken := b.Taken(0, 10)
	if len(taken) != 2 || taken[0].N != 1 || taken[0].ID != a.Entries[0].EventID || taken[1].Bus != "team" {
		t.Fatalf("taken are %+v", taken)
	}
	if want := time.Unix(1700000000, 5e8).UTC(); !taken[0].Time.Equal(want) || taken[0].Detail != `{"a": "b"}` {
		t.Errorf("the first is %+v, want %v", taken[0], want)
	}
	if rest := b.Taken(1, 10); len(rest) != 1 || rest[0].N != 2 || len(b.Taken(7, 10)) != 0 || len(b.Taken(0, 1)) != 1 {
		t.Errorf("behind the first are %+v", rest)
	}
}

// One bad entry keeps no other from being taken.
func TestBadEntries(t *testing.T) {
	for want, change := range map[string]map[string]any{
		"InvalidArgument":                 {"Source": ""},
		"MalformedDetail":                 {"Detail": "[]"},
		"NotAuthorizedForSourceException": {"Source": "aws.ecr"},
		"ResourceNotFoundException":       {"EventBusName": "elsewhere"},
	} {
		b := newBus(t)
		a := put(t, b, entryOf(nil), entryOf(change), entryOf(nil))
		if a.FailedEntryCount != 1 || a.Entries[1].ErrorCode != want || a.Entries[1].EventID != "" || len(b.Taken(0, 10)) != 2 {
			t.Errorf("with %v got %+v, and %d taken, want %s for the second", change, a, len(b.Taken(0, 10)), want)
		}
	}
	for _, change := range []map[string]any{{"DetailType": ""}, {"Detail": ""}, {"Detail": "{"}, {"Detail": "null"}} {
		if a := put(t, newBus(t), entryOf(change)); a.FailedEntryCount != 1 {
			t.Errorf("with %v got %+v", change, a)
		}
	}
}

// Of what is too many or too much, nothing is taken.
func TestLimits(t *testing.T) {
	padded := func(size int) map[string]any {
		e := entryOf(nil)
		rest := size - len(e["Source"].(string)) - len(e["DetailType"].(string)) - len(`{"a":""}`)
		e["Detail"] = fmt.Sprintf(`{"a":%q}`, strings.Repeat("x", rest))
		return e
	}
	many := func(n int) []map[string]any {
		var all []map[string]any
		for range n {
			all = append(all, entryOf(nil))
		}
		return all
	}
	for _, tt := range []struct {
		name    string
		entries []map[string]any
		taken   int
	}{
		{"ten", many(10), 10},
		{"eleven", many(11), 0},
		{"none", many(0), 0},
		{"less than 256 KiB", []map[string]any{padded(100 << 10), padded(156<<10 - 1)}, 2},
		{"a byte more", []map[string]any{padded(100 << 10), padded(156 << 10)}, 0},
	} {
		b := newBus(t)
		a := put(t, b, tt.entries...)
		if got := len(b.Taken(0, 100)); got != tt.taken || (a.Type == "ValidationException") != (tt.taken == 0) {
			t.Errorf("%s: %d taken, answer %+v, want %d", tt.name, got, a, tt.taken)
		}
	}
}

// The fault refuses single entries, for the moment, in both ways that there are.
func TestRefusedEntries(t *testing.T) {
	n := 0
	b := newBus(t, func(c *Config) { c.Refuse = func() bool { n++; return n%2 == 1 } })
	a := put(t, b, entryOf(nil), entryOf(nil), entryOf(nil))
	if a.FailedEntryCount != 2 || a.Entries[0].ErrorCode != "ThrottlingException" || a.Entries[2].ErrorCode != "InternalFailure" {
		t.Errorf("got %+v, want the first and the last refused", a)
	}
	if taken := b.Taken(0, 10); len(taken) != 1 || taken[0].ID != a.Entries[1].EventID {
		t.Errorf("taken are %+v, want the second", taken)
	}
}

// A type of more than 128 bytes is taken and goes nowhere.
func TestLongType(t *testing.T) {
	b := newBus(t)
	a := put(t, b, entryOf(map[string]any{"DetailType": strings.Repeat("x", 129)}))
	if a.FailedEntryCount != 0 || len(b.Taken(0, 10)) != 0 {
		t.Errorf("got %+v, and %d taken", a, len(b.Taken(0, 10)))
	}
}

func TestUnknownCalls(t *testing.T) {
	b := newBus(t)
	if a := post(t, b, "AWSEvents.PutRule", `{}`); a.Type != "UnknownOperationException" {
		t.Errorf("got %+v", a)
	}
	for _, body := range []string{`{`, `{"Entries": [{"TraceHeader": "x"}]}`, `{"EndpointId": "x"}`} {
		if a := post(t, b, "AWSEvents.PutEvents", body); a.Type != "SerializationException" {
			t.Errorf("%s: got %+v", body, a)
		}
	}
}

// Whether there is a bus can be asked, by its name or its ARN.
func TestDescribe(t *testing.T) {
	b := newBus(t)
	for body, want := range map[string]string{
		`{"Name": "team"}`: "",
		`{"Name": "arn:aws:events:us-east-1:123456789012:event-bus/team"}`: "",
		`{"Name": "default"}`: "",
		`{"Name": "teem"}`:    "ResourceNotFoundException",
		`{"Bus": "team"}`:     "SerializationException",
	} {
		if a := post(t, b, "AWSEvents.DescribeEventBus", body); a.Type != want {
			t.Errorf("%s: got %q, want %q", body, a.Type, want)
		}
	}
}
