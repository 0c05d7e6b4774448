package transfer

import (
	"bytes"
	"context"
	"io"
	"sync"

	"github.com/berthregistry/berth/shared/oci"
)

// bytesPayload is a payload that is in memory.
func bytesPayload(p []byte, moved *tally) payload {
	return payload{size: int64(len(p)), moved: moved, open: func() io.ReadCloser { return &lent{r: bytes.NewReader(p)} }}
}

// A lent is a body of bytes that are not its own once it is closed.
type lent struct {
	mu sync.Mutex
	r  *bytes.Reader
}

func (l *lent) Read(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.r.Read(p)
}

func (l *lent) Close() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.r.Reset(nil)
	return nil
}

// streamPayload is a payload that is read as it is sent.
func (e *Engine) streamPayload(ctx context.Context, d oci.Descriptor, from Source, off, size int64, w Watcher) (payload, error) {
	moved := &tally{d: d, w: w}
	if in, ok := from.(*window); ok {
		p, err := in.slice(off, size)
		return bytesPayload(p, moved), err
	}
	return payload{size: size, moved: moved, open: func() io.ReadCloser {
		ctx, cancel := context.WithCancelCause(ctx)
		return &body{cancel: cancel, begin: func() *reader { return e.read(ctx, from, off, size) }}
	}}, nil
}

// A body is a reader as the body of a request. It may be closed while it is read.
type body struct {
	cancel context.CancelCauseFunc
	begin  func() *reader

	mu      sync.Mutex
	reader  *reader // nil before the first Read: net/http forgets bodies that it has not read
	current []byte  // to be released
	rest    []byte  // what is left of it
	err     error
}

func (b *body) Read(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.rest) == 0 && b.err == nil {
		b.turn()
	}
	if b.err != nil {
		return 0, b.err
	}
	n := copy(p, b.rest)
	b.rest = b.rest[n:]
	return n, nil
}

// turn goes on to the next piece.
func (b *body) turn() {
	if b.reader == nil {
		b.reader = b.begin()
	}
	if b.current != nil {
		b.reader.release(b.current)
	}
	b.current, b.err = b.reader.next()
	if b.err != nil {
		b.current = nil
		if b.err != io.EOF {
			b.err = &final{b.err} // the source has tried what it could
		}
	}
	b.rest = b.current
}

func (b *body) Close() error {
	b.cancel(context.Canceled) // ends a Read
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.current != nil {
		b.reader.release(b.current)
	}
	b.current, b.rest, b.err = nil, nil, io.ErrClosedPipe
	if b.reader != nil {
		b.reader.close()
	}
	return nil
}
