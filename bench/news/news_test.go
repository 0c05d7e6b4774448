package news_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/berthregistry/berth/bench/client"
	"github.com/berthregistry/berth/bench/news"
	"github.com/berthregistry/berth/bench/target"
)

func event(kind, digest string) string {
	return fmt.Sprintf(`{"type": "dev.berth.%s", "data": {"referrer": {"digest": %q}, "repository": "a"}}`, kind, digest)
}

func bring(t *testing.T, url, body string) int {
	t.Helper()
	resp, err := http.Post(url, "application/cloudevents+json", strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	return resp.StatusCode
}

// The first event counts, and only one that says that something was attached.
func TestHook(t *testing.T) {
	hook := news.OpenHook()
	defer hook.Close()
	before := time.Now()
	for _, body := range []string{
		event("referrer.attached", "one"), event("referrer.detached", "two"), event("referrer.attached", "three"),
	} {
		if got := bring(t, hook.URL(), body); got != http.StatusOK {
			t.Errorf("%s was answered %d", body, got)
		}
	}
	first, err := hook.Await(t.Context(), map[string]time.Time{"one": before, "three": before})
	if err != nil || len(first) != 2 {
		t.Fatalf("got %v, %v", first, err)
	}
	time.Sleep(time.Millisecond)
	bring(t, hook.URL(), event("referrer.attached", "one"))
	bring(t, hook.URL(), event("referrer.attached", "three"))
	again, err := hook.Await(t.Context(), map[string]time.Time{"one": before, "three": before})
	if err != nil || first[0]+first[1] != again[0]+again[1] {
		t.Errorf("got %v after repeats, %v, want %v", again, err, first)
	}
	if got := bring(t, hook.URL(), "no event"); got != http.StatusBadRequest {
		t.Errorf("what is no event was answered %d", got)
	}

	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Millisecond)
	defer cancel()
	_, err = hook.Await(ctx, map[string]time.Time{"one": before, "two": before})
	if !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), "1 of 2") {
		t.Errorf("for what was detached: got %v", err)
	}
}

// What a bus has taken is read page by page, with the times that it has noted.
func TestBus(t *testing.T) {
	at := time.Now().Add(-time.Hour).UTC()
	var put atomic.Int64
	put.Store(2)
	control := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		after, err := strconv.ParseInt(r.URL.Query().Get("after"), 10, 64)
		if err != nil || r.URL.Path != "/bus" {
			t.Errorf("asked for %s, %v", r.URL, err)
		}
		page := []any{}
		if after < put.Load() {
			page = append(page, map[string]any{
				"n": after + 1, "at": at, "detail": json.RawMessage(event("referrer.attached", fmt.Sprint("d", after+1))),
			})
		}
		json.NewEncoder(w).Encode(page)
	}))
	defer control.Close()
	bus, err := news.WatchBus(t.Context(), control.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	put.Store(3)
	delays, err := bus.Await(t.Context(), map[string]time.Time{"d1": at, "d2": at, "d3": at.Add(-time.Second)})
	if err != nil || len(delays) != 3 || delays[0]+delays[1]+delays[2] != time.Second {
		t.Errorf("got %v, %v", delays, err)
	}
}

// An engine with a stream of one shard, which has no records at first.
func engine(t *testing.T, records <-chan string) *target.DynamoDB {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, action, _ := strings.Cut(r.Header.Get("X-Amz-Target"), ".")
		switch action {
		case "ListStreams":
			fmt.Fprint(w, `{"Streams": [{"StreamArn": "arn"}]}`)
		case "DescribeStream":
			fmt.Fprint(w, `{"StreamDescription": {"Shards": [{"ShardId": "s1"}]}}`)
		case "GetShardIterator":
			fmt.Fprint(w, `{"ShardIterator": "i"}`)
		case "GetRecords":
			select {
			case sort := <-records:
				fmt.Fprintf(w, `{"NextShardIterator": "i", "Records": [{"dynamodb": {"Keys": {"sk": {"S": %q}}}}]}`, sort)
			default:
				fmt.Fprint(w, `{"NextShardIterator": "i", "Records": []}`)
			}
		default:
			t.Errorf("asked to %s", action)
		}
	}))
	t.Cleanup(server.Close)
	c, err := client.New(server.URL)
	if err != nil {
		t.Fatal(err)
	}
	return &target.DynamoDB{Target: &target.Target{Client: c}}
}

func TestStream(t *testing.T) {
	records := make(chan string, 3)
	before := time.Now()
	stream, err := news.WatchStream(t.Context(), engine(t, records), "table")
	if err != nil {
		t.Fatal(err)
	}
	for _, sort := range []string{"manifest#sha256:1", "referrer#sha256:0#application/a#sha256:1", "referrer#sha256:0#application/a#sha256:2"} {
		records <- sort
	}
	delays, err := stream.Await(t.Context(), map[string]time.Time{"sha256:1": before, "sha256:2": before})
	if err != nil || len(delays) != 2 {
		t.Fatalf("got %v, %v", delays, err)
	}
	for _, d := range delays {
		if d <= 0 || d > time.Since(before) {
			t.Errorf("got a delay of %v", d)
		}
	}
}
