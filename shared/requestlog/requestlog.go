// Package requestlog writes a line in the log for each request.
//
// It is in the way of every answer and of every cold start of a function, so it
// is cheap, and apart from the metrics: they take their time at a start, and
// nobody collects them from a function.
package requestlog

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/berthregistry/berth/shared/distribution"
	"github.com/berthregistry/berth/shared/oci"
)

// A Log gets a line for each request. It is safe for concurrent use.
type Log struct{ lines slog.Handler }

// New returns a log that writes its lines to log.
func New(log *slog.Logger) *Log { return &Log{lines: log.Handler()} }

// Write writes the line of one request, with more at its end. It goes round
// *slog.Logger, which would walk the stack to find where it was called from:
// always here.
//
// Nothing of the request is logged but what its route says: no header and no
// query, where secrets are.
func (l *Log) Write(ctx context.Context, x distribution.Exchange, more ...slog.Attr) {
	level := slog.LevelInfo
	if x.Status >= 500 {
		level = slog.LevelError
	}
	if !l.lines.Enabled(ctx, level) {
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
	line.AddAttrs(more...)
	_ = l.lines.Handle(ctx, line) // a log that fails has nowhere to say so
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
