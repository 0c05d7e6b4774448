package wire

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/berthregistry/berth/shared/announce"
	"github.com/berthregistry/berth/shared/blobs"
	"github.com/berthregistry/berth/shared/blobs/s3"
	"github.com/berthregistry/berth/shared/distribution"
	"github.com/berthregistry/berth/shared/probe"
	"github.com/berthregistry/berth/shared/registry"
	"github.com/berthregistry/berth/shared/requestlog"
	"github.com/berthregistry/berth/shared/table"
	"github.com/berthregistry/berth/shared/table/dynamo"
)

// PartSize is what an upload gathers before it sends a part to S3. Two chunks
// of the size that passes the gateway make one part, without a rest to put
// aside and fetch again; an upload has at most two parts in memory, of a
// function that has hundreds of MiB.
const PartSize = 10 << 20

// Handler returns a registry on AWS that answers to some methods. It makes no
// call: what is wrong with table or bucket shows at the first request. It keeps
// nothing between requests but connections, and for some seconds what is in
// force.
func Handler(c Config, log *slog.Logger, methods ...string) http.Handler {
	return serve(c, NewTable(c, log), newStore(c), log, methods)
}

// NewTable returns the registry's table.
func NewTable(c Config, log *slog.Logger) table.Store {
	return dynamo.New(newDynamoDB(c), nil, c.Table, log)
}

// newStore returns the registry's objects.
func newStore(c Config) *s3.Store {
	return s3.New(newS3(c), c.Bucket, c.Prefix, s3.WithPartSize(PartSize))
}

// options are those of the registry itself. Without a verifier all uploads are
// verified by whoever completes them.
func (c Config) options() registry.Options {
	o := registry.Options{
		Rules: c.Settings.Rules, Limits: c.Settings.Limits.ForRegistry(),
		VerifyInline: c.VerifyInline, PartLife: c.PartLife,
	}
	if c.Verifier != "" {
		o.Verify = newInvoker(c).verify
	}
	return o
}

// serve is all of a Handler but its stores.
func serve(c Config, items table.Store, objects blobs.Store, log *slog.Logger, methods []string) http.Handler {
	reg := registry.New(items, objects, c.options())
	api := distribution.New(reg, distribution.Options{
		Gate:    gate(c, items, log),
		Observe: observer(requestlog.New(log)),
		Log:     log,
		Door:    distribution.Door{Inline: c.InlineLimit, Headless: c.CountsHead, Request: c.RequestLimit, Poll: poll},
		Busy:    busy,
		Events:  eventsOf(c, items),
	})
	return InTime(only(methods, probe.New(api)))
}

// poll is how long clients wait before they ask for events again: the gateway
// does not stream, and each time costs a request.
const poll = 5 * time.Second

// eventsOf is the log of events, if there is somebody who writes it.
func eventsOf(c Config, items table.Store) distribution.Events {
	if c.Bus == "" {
		return nil
	}
	return announce.NewLog(items, time.Now)
}

// observer writes the line of each request. The first one of an environment
// says how long it took to get here. To ask for that is left until then, when
// the environment has started.
func observer(log *requestlog.Log) func(*http.Request, distribution.Exchange) {
	ready := time.Now()
	var warm atomic.Bool
	return func(r *http.Request, x distribution.Exchange) {
		if warm.Swap(true) {
			log.Write(r.Context(), x)
			return
		}
		start := max(0, age()-time.Since(ready))
		log.Write(r.Context(), x, slog.Bool("cold", true), slog.Duration("init", start))
	}
}

// margin is how long before its time-out a request is given up, so that there
// is an answer: whoever is still at work at the time-out is killed, and the
// next request pays for a new environment.
const margin = 500 * time.Millisecond

// InTime ends a request a moment before Lambda ends the function.
func InTime(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		ctx, cancel := inTime(r.Context())
		defer cancel()
		next.ServeHTTP(w, r.WithContext(ctx))
	})
}

func inTime(ctx context.Context) (context.Context, context.CancelFunc) {
	end, ok := ctx.Deadline()
	if !ok {
		return ctx, func() {}
	}
	return context.WithDeadline(ctx, end.Add(-margin))
}

// only refuses what the routes of the template send to another function, and
// what this one's policy would let fail half-way.
func only(methods []string, next http.Handler) http.Handler {
	allowed := strings.Join(methods, ", ")
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if slices.Contains(methods, r.Method) {
			next.ServeHTTP(w, r)
			return
		}
		w.Header().Set("Allow", allowed)
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(http.StatusMethodNotAllowed)
		_, _ = io.WriteString(w, `{"errors":[{"code":"UNSUPPORTED","message":"this method is not supported here"}]}`)
	})
}
