// Package telemetry tells what a registry does: a line in the log for each
// request, and figures for Prometheus.
//
// Both are in the way of every answer. What can be looked up once is looked up
// once, and lines go out in batches (see Writer), so that together they cost
// about as much as one read of the table.
package telemetry

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/berthregistry/berth/shared/distribution"
	"github.com/berthregistry/berth/shared/oci"
)

// A Recorder records requests. It is safe for concurrent use.
type Recorder struct {
	lines   slog.Handler
	metrics *metrics
}

// New returns a recorder that logs to log and has its metrics collected by reg.
// It panics if reg has metrics of the same names already.
func New(log *slog.Logger, reg prometheus.Registerer) *Recorder {
	return &Recorder{lines: log.Handler(), metrics: newMetrics(reg)}
}

// Observe records an answer.
func (r *Recorder) Observe(req *http.Request, x distribution.Exchange) {
	r.metrics.observe(x)
	r.log(req.Context(), x)
}

// log writes the line of one request. It goes round *slog.Logger, which would
// walk the stack to find where it was called from: always here.
//
// Nothing of the request is logged but what its route says: no header and no
// query, where secrets are.
func (r *Recorder) log(ctx context.Context, x distribution.Exchange) {
	level := slog.LevelInfo
	if x.Status >= 500 {
		level = slog.LevelError
	}
	if !r.lines.Enabled(ctx, level) {
		return
	}
	attrs := [9]slog.Attr{
		slog.String("method", x.Method),
		slog.String("route", x.Route),
		slog.String("repository", x.Repo),
		slog.String("reference", x.Ref),
		slog.Int("status", x.Status),
		slog.Int64("bytes", x.Bytes),
		slog.Duration("duration", x.Duration),
		slog.String("request_id", x.RequestID),
	}
	n := 8
	if x.Err != nil {
		attrs[n] = slog.String("error", code(x.Err))
		n++
	}
	line := slog.NewRecord(time.Now(), level, "request", 0)
	line.AddAttrs(attrs[:n]...)
	_ = r.lines.Handle(ctx, line) // a log that fails has nowhere to say so
}

// code is what an error is called in a log that others may read: the code that
// the client got, and no more of what has none.
func code(err error) string {
	var e *oci.Error
	if errors.As(err, &e) {
		return e.Code
	}
	if errors.Is(err, context.Canceled) {
		return "client gone"
	}
	return "internal"
}
