package function

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"sync"
	"time"
)

// ahead is how many events may wait for the function at once: with the one that
// it works on, always one more, so that it never waits for us.
const ahead = 2

// A runtimeAPI is Lambda's Runtime API for one process, which asks for one
// event at a time. See the version of 2018-06-01.
type runtimeAPI struct {
	addr    string
	server  *http.Server
	asked   chan time.Time // when the process first asked for an event
	events  chan []byte
	answers chan answer

	mu     sync.Mutex
	handed time.Time // when the last event was
}

// An answer is what the function made of an event.
type answer struct {
	payload []byte
	failed  bool
	took    time.Duration // from before the event was sent until all of the payload was here
}

// newRuntimeAPI opens one on loopback.
func newRuntimeAPI() (*runtimeAPI, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("open a runtime API: %w", err)
	}
	a := &runtimeAPI{
		addr:    l.Addr().String(),
		asked:   make(chan time.Time, 1),
		events:  make(chan []byte, ahead),
		answers: make(chan answer, ahead),
	}
	mux := http.NewServeMux()
	const invocation = "/2018-06-01/runtime/invocation/"
	mux.HandleFunc("GET "+invocation+"next", a.next)
	mux.HandleFunc("POST "+invocation+"{id}/response", a.answered(false))
	mux.HandleFunc("POST "+invocation+"{id}/error", a.answered(true))
	a.server = &http.Server{Handler: mux}
	go a.server.Serve(l)
	return a, nil
}

func (a *runtimeAPI) close() { a.server.Close() }

// next hands out an event. It waits for one as long as the process lives.
func (a *runtimeAPI) next(w http.ResponseWriter, r *http.Request) {
	select {
	case a.asked <- time.Now():
	default: // it was not the first time
	}
	select {
	case event := <-a.events:
		a.hand(w, event)
	case <-r.Context().Done():
	}
}

// invocationTimeout is how long the function is told that it may take, as in
// the template.
const invocationTimeout = 29 * time.Second

func (a *runtimeAPI) hand(w http.ResponseWriter, event []byte) {
	now := time.Now()
	a.mu.Lock()
	a.handed = now
	a.mu.Unlock()
	header := w.Header()
	header.Set("Content-Type", "application/json")
	header.Set("Lambda-Runtime-Aws-Request-Id", "8476a536-e9f4-11e8-9739-2dfe598c3fcd")
	header.Set("Lambda-Runtime-Deadline-Ms", strconv.FormatInt(now.Add(invocationTimeout).UnixMilli(), 10))
	header.Set("Lambda-Runtime-Invoked-Function-Arn", "arn:aws:lambda:eu-central-1:123456789012:function:bench")
	header.Set("Lambda-Runtime-Trace-Id", "Root=1-5bef4de7-ad49b0e87f6ef6c87fc2e700;Parent=9a9197af755a6419;Sampled=0")
	w.Write(event) // a process that is gone is noticed by its end
}

// answered takes what the function answers or, if it failed, its error.
func (a *runtimeAPI) answered(failed bool) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		payload, err := io.ReadAll(r.Body)
		if err != nil {
			return // the process went away while it wrote
		}
		a.mu.Lock()
		took := time.Since(a.handed)
		a.mu.Unlock()
		a.answers <- answer{payload, failed, took} // has room for all events that were handed out
		w.WriteHeader(http.StatusAccepted)
	}
}
