// Package gateway serves a net/http handler behind an HTTP API of Amazon's API
// Gateway: its events, payload format 2.0, become requests, and the handler's
// answers become what Lambda returns.
//
// The way there and back is that of aws-lambda-go-api-proxy. What a handler
// would see or say differently than on a socket is put right here. The adapter
// splits header values at their commas, sniffs a Content-Type, takes the last
// status instead of the first, copies bodies several times, and fails the whole
// invocation over a bad event, for which the client gets a 500 of the gateway's
// own. Lambda itself ends the process over a panic, and says nothing of use
// about an answer that is too large.
package gateway

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"runtime/debug"

	"github.com/aws/aws-lambda-go/events"
	"github.com/awslabs/aws-lambda-go-api-proxy/httpadapter"
)

// A Request is an event, a Response what is returned for it.
type (
	Request  = events.APIGatewayV2HTTPRequest
	Response = events.APIGatewayV2HTTPResponse
)

// An Option changes what New returns.
type Option func(*gateway)

// Log says where answers that failed here are logged: panics, and bodies that
// broke off or are too large. As with net/http nobody may miss them, so without
// it they go to slog.Default.
func Log(log *slog.Logger) Option {
	return func(g *gateway) { g.log = log }
}

type gateway struct {
	handler http.Handler
	adapter *httpadapter.HandlerAdapterV2
	log     *slog.Logger
}

// New returns the Lambda function that serves h. It never returns an error: an
// event that is no request is answered with 400, a handler that panics or whose
// answer cannot be carried with 500, both with a JSON body that has a list of
// errors, each with code and message. It is safe for concurrent use as far as h
// is.
//
// Headers are carried whatever their size. The gateway refuses requests with more
// than 10,240 bytes of them before they come here; what it does with answers is
// not documented.
//
// Requests have the context of the invocation, with its deadline, its
// lambdacontext and, by way of the adapter, the event's request context. Their
// X-Request-Id is the gateway's, unless the client sent one.
func New(h http.Handler, options ...Option) func(context.Context, Request) (Response, error) {
	g := &gateway{handler: h, log: slog.Default()}
	for _, set := range options {
		set(g)
	}
	g.adapter = httpadapter.NewV2(http.HandlerFunc(g.serve))
	return g.invoke
}

// An exchange is one event on its way to the handler and back.
type exchange struct {
	request
	answer
	cause any // of a panic
	stack []byte
}

type exchangeKey struct{}

func (g *gateway) invoke(ctx context.Context, event Request) (Response, error) {
	var x exchange
	if reason := x.read(&event); reason != "" {
		return failure(http.StatusBadRequest, "UNSUPPORTED", reason, &event), nil
	}
	out, err := g.adapter.ProxyWithContext(context.WithValue(ctx, exchangeKey{}, &x), x.envelope())
	if err != nil {
		return failure(http.StatusBadRequest, "UNSUPPORTED", "the event is not a request", &event), nil
	}
	if reason := x.finish(&out); reason != "" {
		g.lost(ctx, &x, reason)
		return failure(http.StatusInternalServerError, "UNKNOWN", reason, &event), nil
	}
	return out, nil
}

// serve is what the adapter hands its request to.
func (g *gateway) serve(w http.ResponseWriter, r *http.Request) {
	x := r.Context().Value(exchangeKey{}).(*exchange)
	x.restore(r)
	x.ResponseWriter = w
	defer func() {
		if x.cause = recover(); x.cause != nil {
			x.stack = debug.Stack()
		}
		x.WriteHeader(http.StatusOK) // what a handler that wrote nothing has said
	}()
	g.handler.ServeHTTP(&x.answer, r)
}

func (g *gateway) lost(ctx context.Context, x *exchange, reason string) {
	attrs := []any{"reason", reason, "request_id", x.event.RequestContext.RequestID, "status", x.status}
	if x.cause != nil {
		attrs = append(attrs, "panic", fmt.Sprint(x.cause), "stack", string(x.stack))
	}
	g.log.ErrorContext(ctx, "answer lost", attrs...)
}
