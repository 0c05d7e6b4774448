package transfer

import (
	"context"
	"fmt"
)

// A window is a Source that is in memory: the bytes of a blob from off on. Who
// has one holds a buffer, and must not wait for another, nor for what comes before
// buffers in the order of an Engine: a lane, a stream.
type window struct {
	off int64
	p   []byte
}

// isHeld says whether a Source is a window.
func isHeld(from Source) bool {
	_, ok := from.(*window)
	return ok
}

// slice returns the n bytes from off on, without copying them.
func (w *window) slice(off, n int64) ([]byte, error) {
	if off < w.off {
		return nil, fmt.Errorf("%w: the registry lost bytes it had", errAnswer)
	}
	off -= w.off
	if off+n > int64(len(w.p)) {
		return nil, errShort
	}
	return w.p[off : off+n], nil
}

// ReadPart is of Source.
func (w *window) ReadPart(_ context.Context, off int64, p []byte) error {
	from, err := w.slice(off, int64(len(p)))
	copy(p, from)
	return err
}

// Close is of Source.
func (*window) Close() error { return nil }
