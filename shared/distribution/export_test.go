package distribution

import (
	"net/http"
	"time"
)

// Hurry has a handler's streams of events say something each beat, and wait no
// longer than patience for who does not read.
func Hurry(h http.Handler, beat, patience time.Duration) {
	s := h.(*handler).streams
	s.beat, s.patience = beat, patience
}

// Streams returns how many streams of events are open.
func Streams(h http.Handler) int {
	s := h.(*handler).streams
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.count
}

// What bounds streams of events.
const (
	MaxStreams      = maxStreams
	MaxStreamsOfOne = maxStreamsOfOne
)
