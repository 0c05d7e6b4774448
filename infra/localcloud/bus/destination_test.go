package bus

import (
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

// An address gets the event, with the headers of its connection and its rule.
func TestDestination(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil || r.Method != "PUT" || string(body) != `{"a":"b"}` {
			t.Errorf("got %s %s, %v", r.Method, body, err)
		}
		if r.Header.Get("X-Key") != "secret" || r.Header.Get("Content-Type") != "application/cloudevents+json" {
			t.Errorf("the headers are %v", r.Header)
		}
	}))
	defer server.Close()
	d := Destination{Method: "PUT", URL: server.URL, Key: "X-Key", Secret: "secret",
		Header: map[string]string{"Content-Type": "application/cloudevents+json"}}
	if err := d.Send(t.Context(), []byte(`{"a":"b"}`)); err != nil {
		t.Error(err)
	}
}

// The answer says whether it is tried again.
func TestAnswers(t *testing.T) {
	for _, tt := range []struct {
		status int
		after  string
		taken  bool
		final  bool
		pause  time.Duration
	}{
		{status: 200, taken: true}, {status: 202, taken: true}, {status: 204, taken: true},
		{status: 302, final: true}, {status: 400, final: true}, {status: 404, final: true}, {status: 410, final: true},
		{status: 409}, {status: 429, after: "7", pause: 7 * time.Second}, {status: 500}, {status: 503, after: "soon"},
		{status: 503, after: "Mon, 02 Jan 2006 15:04:05 GMT"}, // it is over
	} {
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path != "/hook" {
				t.Error("a redirect was followed")
			}
			w.Header().Set("Location", "/elsewhere")
			w.Header().Set("Retry-After", tt.after)
			w.WriteHeader(tt.status)
		}))
		err := Destination{Method: "POST", URL: server.URL + "/hook", Key: "K"}.Send(t.Context(), nil)
		server.Close()
		got, ok := errors.AsType[*Failure](err)
		if ok == tt.taken || ok && (got.Final != tt.final || got.After != tt.pause) {
			t.Errorf("%d, Retry-After %q: got %+v, want taken: %v, final: %v, after %v", tt.status, tt.after, got, tt.taken, tt.final, tt.pause)
		}
	}
}

// What is said of an address that is not there has no secret of it.
func TestUnreachable(t *testing.T) {
	server := httptest.NewServer(http.NotFoundHandler())
	server.Close()
	err := Destination{Method: "POST", URL: server.URL + "/hook?token=secret", Key: "K", Secret: "secret"}.Send(t.Context(), nil)
	got, ok := errors.AsType[*Failure](err)
	if !ok || got.Final || strings.Contains(err.Error(), "secret") {
		t.Errorf("got %v, want a failure that is tried again and says no secret", err)
	}
}
