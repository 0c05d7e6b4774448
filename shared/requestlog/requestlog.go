// Package requestlog writes a line in the log for each request, and another one
// for what an auditor asks about.
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

// Write writes the line of one request, with more at its end, and its audit line
// if it has one. It goes round *slog.Logger, which would walk the stack to find
// where it was called from: always here.
//
// Nothing of the request is logged but what its route and its hint say, as they
// were understood: no header and no query, where secrets are.
func (l *Log) Write(ctx context.Context, x distribution.Exchange, more ...slog.Attr) {
	level := slog.LevelInfo
	if x.Status >= 500 {
		level = slog.LevelError
	}
	if l.lines.Enabled(ctx, level) {
		l.request(ctx, level, &x, more)
	}
	if audited(&x) { // whatever the level: who wants fewer lines does not want that
		l.audit(ctx, &x)
	}
}

func (l *Log) request(ctx context.Context, level slog.Level, x *distribution.Exchange, more []slog.Attr) {
	var buf [maxAttrs]slog.Attr
	a := append(buf[:0],
		slog.String("method", x.Method),
		slog.String("route", x.Route),
		slog.String("repository", x.Repo),
		slog.String("reference", x.Ref),
		slog.Int("status", x.Status),
		slog.Int64("bytes", x.Bytes),
		slog.Duration("duration", x.Duration),
		slog.String("request_id", x.RequestID),
	)
	if x.Err != nil {
		a = append(a, slog.String("error", code(x.Err)))
	}
	a = text(a, "tag", x.Tag)
	a = text(a, "hint", x.Hint)
	if x.Pull {
		a = append(a, slog.Bool("pull", true))
	}
	a = count(a, "redirected", x.Redirected)
	a = count(a, "mounted", x.Mounted)
	a = text(a, "principal", x.Principal)
	a = text(a, "action", x.Action)
	a = text(a, "rule", x.Rule)
	a = text(a, "address", x.Address)
	l.write(ctx, level, "request", append(a, more...))
}

// maxAttrs is how many there are of a line without growing.
const maxAttrs = 20

// text adds a text that is not empty. What it is added to comes back, rather
// than being changed where it is: so a line stays on the stack.
func text(a []slog.Attr, name, value string) []slog.Attr {
	if value == "" {
		return a
	}
	return append(a, slog.String(name, value))
}

// count adds a number that is not zero.
func count[T int | int64](a []slog.Attr, name string, n T) []slog.Attr {
	if n == 0 {
		return a
	}
	return append(a, slog.Int64(name, int64(n)))
}

func (l *Log) write(ctx context.Context, level slog.Level, message string, a []slog.Attr) {
	line := slog.NewRecord(time.Now(), level, message, 0)
	line.AddAttrs(a...)
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
