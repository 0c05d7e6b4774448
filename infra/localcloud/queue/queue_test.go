package queue_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/berthregistry/berth/infra/localcloud/queue"
)

var errThrottled = errors.New("every environment is busy")

// attempts is when a function was tried, and what came of it: "ok", "failed" or
// "throttled", the last word for all that follow.
type attempts struct {
	words []string
	begun time.Time

	mu sync.Mutex
	at []time.Duration
}

func (a *attempts) invoke(context.Context, []byte) (bool, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.at = append(a.at, time.Since(a.begun))
	switch a.words[min(len(a.at), len(a.words))-1] {
	case "failed":
		return true, nil
	case "throttled":
		return false, errThrottled
	}
	return false, nil
}

// An event is tried as often, and at such times, as Lambda's documentation says.
func TestAttempts(t *testing.T) {
	for _, tt := range []struct {
		name    string
		words   string
		retries int
		age     time.Duration
		at      string
		want    queue.Stats
	}{
		{"success", "ok", 2, time.Hour, "[0s]", queue.Stats{Received: 1, Delivered: 1}},
		{"at the third", "failed failed ok", 2, time.Hour, "[0s 1m0s 3m0s]", queue.Stats{Received: 1, Delivered: 1, Failed: 2}},
		{"never", "failed", 2, time.Hour, "[0s 1m0s 3m0s]", queue.Stats{Received: 1, Failed: 3, Dropped: 1}},
		{"no retries", "failed", 0, time.Hour, "[0s]", queue.Stats{Received: 1, Failed: 1, Dropped: 1}},
		{"too old for the third", "failed", 2, 2 * time.Minute, "[0s 1m0s]", queue.Stats{Received: 1, Failed: 2, Dropped: 1}},
		{"throttled for a while", "throttled throttled throttled ok", 0, time.Hour, "[0s 1s 3s 7s]", queue.Stats{Received: 1, Delivered: 1, Unreached: 3}},
		{"a throttle is no retry", "throttled failed throttled failed ok", 2, time.Hour, "[0s 1s 1m1s 1m3s 3m3s]", queue.Stats{Received: 1, Delivered: 1, Failed: 2, Unreached: 2}},
		{"throttled for good", "throttled", 2, 20 * time.Minute, "[0s 1s 3s 7s 15s 31s 1m3s 2m7s 4m15s 8m31s 13m31s 18m31s]", queue.Stats{Received: 1, Unreached: 12, Dropped: 1}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				a := &attempts{words: strings.Fields(tt.words), begun: time.Now()}
				q := queue.New(queue.Config{Invoke: a.invoke, Retries: tt.retries, MaxAge: tt.age})
				defer q.Close()
				q.Send([]byte("{}"))
				time.Sleep(tt.age + time.Minute)
				synctest.Wait()
				if got := fmt.Sprint(a.at); got != tt.at {
					t.Errorf("tried at %s, want %s", got, tt.at)
				}
				if got := q.Stats(); got != tt.want {
					t.Errorf("got %+v, want %+v", got, tt.want)
				}
			})
		})
	}
}

// What is repeated comes twice at once, and what is delayed comes late.
func TestFaults(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		begun := time.Now()
		together := make(chan time.Duration) // each waits until the other is here
		q := queue.New(queue.Config{
			MaxAge: time.Hour,
			Invoke: func(context.Context, []byte) (bool, error) {
				select {
				case together <- time.Since(begun):
				case at := <-together:
					if at != 3*time.Second {
						t.Errorf("delivered after %v, want 3 s", at)
					}
				}
				return false, nil
			},
			Repeat: func() bool { return true },
			Delay:  func() time.Duration { return 3 * time.Second },
		})
		defer q.Close()
		q.Send(nil)
		time.Sleep(2 * time.Second)
		if got := q.Stats(); got.Waiting != 2 || got.Age != 2*time.Second {
			t.Errorf("while they wait: %+v", got)
		}
		time.Sleep(2 * time.Second)
		synctest.Wait()
		if got := q.Stats(); got.Received != 1 || got.Delivered != 2 || got.Waiting != 0 {
			t.Errorf("got %+v, want one that was delivered twice", got)
		}
	})
}

// A queue that is closed ends what is under way and tries nothing again.
func TestClose(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := &attempts{words: []string{"failed"}, begun: time.Now()}
		q := queue.New(queue.Config{Invoke: a.invoke, Retries: 2, MaxAge: time.Hour})
		q.Send(nil)
		synctest.Wait()
		q.Close()
		if len(a.at) != 1 || q.Stats().Dropped != 0 {
			t.Errorf("tried at %v, %+v", a.at, q.Stats())
		}
	})
}

func TestHandler(t *testing.T) {
	events := make(chan string, 1)
	q := queue.New(queue.Config{MaxAge: time.Hour, Invoke: func(_ context.Context, event []byte) (bool, error) {
		events <- string(event)
		return false, nil
	}})
	t.Cleanup(q.Close)
	handler := queue.Handler(func(name string) (*queue.Queue, bool) { return q, name == "verify" })
	for _, tt := range []struct {
		name, kind, body string
		status           int
		code             string
	}{
		{"verify", "Event", `{"n":1}`, 202, ""},
		{"arn:aws:lambda:us-east-1:123456789012:function:verify", "Event", `{"n":2}`, 202, ""},
		{"other", "Event", "{}", 404, "ResourceNotFoundException"},
		{"verify", "RequestResponse", "{}", 501, "UnknownOperationException"},
		{"verify", "Event", "{", 400, "InvalidRequestContentException"},
		{"verify", "Event", `"` + strings.Repeat("x", 1<<20) + `"`, 413, "RequestTooLargeException"},
	} {
		r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/2015-03-31/functions/"+tt.name+"/invocations", strings.NewReader(tt.body))
		r.Header.Set("X-Amz-Invocation-Type", tt.kind)
		w := httptest.NewRecorder()
		handler.ServeHTTP(w, r)
		if got := w.Header().Get("X-Amzn-Errortype"); w.Code != tt.status || got != tt.code {
			t.Errorf("%s of %s: got %d %q, want %d %q", tt.kind, tt.name, w.Code, got, tt.status, tt.code)
		}
		if tt.status == http.StatusAccepted {
			if got := <-events; got != tt.body {
				t.Errorf("the function got %s, want %s", got, tt.body)
			}
		}
	}
}
