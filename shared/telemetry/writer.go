package telemetry

import (
	"io"
	"sync"
	"time"
)

// A Writer gathers what is written to it and passes it on in batches: a system
// call for each line of a log would cost more than the answer that the line is
// about. Nothing is dropped: who fills the buffer passes it on, and waits for
// that. The last lines before a crash may be lost, those of FlushEvery.
//
// It is safe for concurrent use. Each Write stays in one piece.
type Writer struct {
	to    io.Writer
	timer *time.Timer

	// passing is held while a batch is on its way, so that batches keep their
	// order. It is taken before mu and guards spare.
	passing sync.Mutex
	spare   []byte

	mu  sync.Mutex
	buf []byte
}

// FlushEvery is how long a line waits for others at the most.
const FlushEvery = 200 * time.Millisecond

// batch is how many bytes are passed on without waiting.
const batch = 64 << 10

// NewWriter returns a writer that passes on to another. Call Flush at the end.
func NewWriter(to io.Writer) *Writer {
	w := &Writer{to: to, buf: make([]byte, 0, batch+4096), spare: make([]byte, 0, batch+4096)}
	w.timer = time.AfterFunc(FlushEvery, func() { _ = w.Flush() })
	return w
}

// Write takes p. An error is that of the batch which p filled.
func (w *Writer) Write(p []byte) (int, error) {
	w.mu.Lock()
	if len(w.buf) == 0 {
		w.timer.Reset(FlushEvery)
	}
	w.buf = append(w.buf, p...)
	full := len(w.buf) >= batch
	w.mu.Unlock()
	if full {
		return len(p), w.Flush()
	}
	return len(p), nil
}

// Flush passes on what was written so far.
func (w *Writer) Flush() error {
	w.passing.Lock()
	defer w.passing.Unlock()
	w.mu.Lock()
	full := w.buf
	w.buf = w.spare[:0]
	w.mu.Unlock()
	w.spare = full
	if len(full) == 0 {
		return nil
	}
	_, err := w.to.Write(full)
	return err
}
