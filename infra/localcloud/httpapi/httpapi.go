// Package httpapi stands in for the front door of a deployed registry: Amazon
// API Gateway's HTTP API, which hands each request to a Lambda function as an
// event of payload format 2.0 and makes an answer of what the function returns.
//
// It does what is known of the real one, its losses included: it knows nothing
// of OCI, drops headers, counts bodies itself, and its own errors are no OCI
// errors. What is not certain is a switch in Deviations.
package httpapi

import (
	"context"
	"errors"
	"io"
	"net/http"
	"sync"
	"time"
)

// What the real one allows.
const (
	maxBody    = 10 << 20    // bytes of a request's body
	maxHeaders = 10_240      // bytes of the request line and the headers together
	maxEvent   = 6 << 20     // bytes of an event, which is Lambda's limit
	maxPayload = 6<<20 + 100 // bytes of what a function returns, Lambda's too
	maxTimeout = 30 * time.Second
)

// ErrThrottled is what Invoke returns, or wraps, when Lambda refuses to run the
// function because too many of its environments are busy.
var ErrThrottled = errors.New("function is throttled")

// Config says what is behind the door.
type Config struct {
	Routes     []Route
	Deviations Deviations

	// Timeout is how long an invocation may take before the client is answered
	// 503. The function goes on. 30 s if 0, and never more.
	Timeout time.Duration
	// Throttle reports whether to refuse the request at hand as one over the
	// account's rate, with a 429. It may be nil.
	Throttle func() bool

	AccountID string // as events tell it; 123456789012 if empty
	APIID     string // as events tell it; localcloud if empty

	// Log gets a line after each answer, one call of Write for each line and
	// never two at a time. Nil: no log.
	Log io.Writer
	// LogFormat is such a line with $context variables, as the access log
	// settings of a stage have it. DefaultLogFormat if empty.
	LogFormat string
}

// A Route leads requests to a function.
type Route struct {
	// Method is an HTTP method, or ANY, which an empty one means as well.
	Method string
	// Path is "$default", which takes what no other route takes, or a path
	// whose segments are text, {variable}, or, as the last one, {variable+},
	// which stands for one segment or more.
	Path string
	// Invoke runs the function on an event and returns its payload. The context
	// stays alive when the client goes away or is told that it took too long:
	// a gateway can't stop a function. The payload is not changed, the event
	// may be kept.
	Invoke func(ctx context.Context, event []byte) (payload []byte, err error)
}

// New returns a handler which answers as the HTTP API would. An error says what
// is wrong with a route or with the format of the log.
func New(cfg Config) (http.Handler, error) {
	routes, err := newRouter(cfg.Routes)
	if err != nil {
		return nil, err
	}
	line, err := parseLogFormat(cfg.LogFormat)
	if err != nil {
		return nil, err
	}
	if cfg.Timeout <= 0 || cfg.Timeout > maxTimeout {
		cfg.Timeout = maxTimeout
	}
	if cfg.AccountID == "" {
		cfg.AccountID = "123456789012"
	}
	if cfg.APIID == "" {
		cfg.APIID = "localcloud"
	}
	return &gateway{cfg: cfg, dev: cfg.Deviations.withLimits(), routes: routes, line: line}, nil
}

type gateway struct {
	cfg    Config
	dev    Deviations // with each limit filled in
	routes router
	line   logFormat
	log    sync.Mutex
	bodies sync.Pool // of *bytes.Buffer: request bodies on their way into an event
}

// ServeHTTP answers one request.
func (g *gateway) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	x := newExchange(r)
	a, err := g.answer(w, r, x)
	if err != nil {
		a = x.refuse(err)
	}
	g.write(w, r, x, a)
	g.writeLog(x)
}

// answer returns what the function has to say, or the gateway's own refusal.
func (g *gateway) answer(w http.ResponseWriter, r *http.Request, x *exchange) (answer, error) {
	if g.cfg.Throttle != nil && g.cfg.Throttle() {
		return answer{}, errTooManyRequests
	}
	if headerSize(r) > g.dev.MaxHeaders {
		return answer{}, errHeadersTooLarge
	}
	t, err := g.target(r)
	if err != nil {
		return answer{}, err
	}
	route, variables, ok := g.routes.match(r.Method, t)
	if !ok {
		return answer{}, errNotFound
	}
	x.routeKey = route.key
	event, err := g.event(w, r, x, t, variables)
	if err != nil {
		return answer{}, err
	}
	payload, err := g.invoke(r.Context(), x, route, event)
	if err != nil {
		return answer{}, err
	}
	return g.parse(payload, x)
}

// invoke runs the function of a route, but waits no longer than it may.
func (g *gateway) invoke(ctx context.Context, x *exchange, route *route, event []byte) ([]byte, error) {
	type result struct {
		payload []byte
		err     error
	}
	done := make(chan result, 1) // so that a function that is late can end
	began := time.Now()
	defer func() { x.integrationLatency = time.Since(began) }()
	go func() {
		payload, err := route.Invoke(context.WithoutCancel(ctx), event)
		done <- result{payload, err}
	}()
	late := time.NewTimer(g.cfg.Timeout)
	defer late.Stop()
	select {
	case r := <-done:
		return r.payload, g.failure(x, r.err)
	case <-late.C:
		x.integrationError = "Integration timed out"
		return nil, errUnavailable
	}
}

// failure is what clients are told of an invocation that went wrong. To Lambda
// a function that failed is one that was invoked, which is a 200.
func (g *gateway) failure(x *exchange, err error) error {
	x.integrationStatus = http.StatusOK
	if err == nil {
		return nil
	}
	x.integrationError = err.Error()
	if errors.Is(err, ErrThrottled) {
		x.integrationStatus = http.StatusTooManyRequests
		return refusal{g.dev.ThrottledStatus, http.StatusText(g.dev.ThrottledStatus)}
	}
	return errInternal
}
