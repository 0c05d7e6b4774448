package telemetry

import (
	"io"
	"log/slog"
)

// A Format is how a line of the log is written.
type Format string

// The formats: key=value for people, JSON for machines. Durations are written
// with a unit in the one and as nanoseconds in the other.
const (
	Text Format = "text"
	JSON Format = "json"
)

// NewLogger returns a logger that writes lines of level and above to w.
func NewLogger(w io.Writer, f Format, level slog.Level) *slog.Logger {
	options := &slog.HandlerOptions{Level: level}
	if f == JSON {
		return slog.New(slog.NewJSONHandler(w, options))
	}
	return slog.New(slog.NewTextHandler(w, options))
}
