package wire

import (
	"context"
	"io"
	"log/slog"

	"github.com/aws/aws-lambda-go/lambdacontext"
)

// NewLog returns a log of JSON lines, of level and above. Each is written at
// once: what is still in a buffer when the answer goes out waits in a frozen
// environment, perhaps for ever.
func NewLog(w io.Writer, level slog.Level) *slog.Logger {
	return slog.New(invocations{slog.NewJSONHandler(w, &slog.HandlerOptions{Level: level})})
}

// invocations adds to each line which invocation of the function it is about,
// by the id that Lambda's own lines have.
type invocations struct{ slog.Handler }

// Handle implements slog.Handler.
func (h invocations) Handle(ctx context.Context, line slog.Record) error {
	if call, ok := lambdacontext.FromContext(ctx); ok {
		line = line.Clone()
		line.AddAttrs(slog.String("lambda_request_id", call.AwsRequestID))
	}
	return h.Handler.Handle(ctx, line)
}

// WithAttrs implements slog.Handler.
func (h invocations) WithAttrs(attrs []slog.Attr) slog.Handler {
	return invocations{h.Handler.WithAttrs(attrs)}
}

// WithGroup implements slog.Handler.
func (h invocations) WithGroup(name string) slog.Handler {
	return invocations{h.Handler.WithGroup(name)}
}
