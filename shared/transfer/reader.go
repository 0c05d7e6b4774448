package transfer

import (
	"context"
	"io"
	"sync"
)

// A starter is a Source that says whether several may read it at once. It is
// asked once, with the range that is read first.
type starter interface {
	start(ctx context.Context, off, n int64) (ranged bool, err error)
}

// A reader reads a part of a Source in order, ahead of who uses it, and several
// pieces at once where the Source allows it.
//
// It always has one buffer, once it has one, so that it comes to its end whatever
// others hold; more it takes while nobody waits for them.
type reader struct {
	engine *Engine
	from   Source
	piece  int64
	queue  chan *piece
	freed  chan struct{} // a buffer has been given back
	cancel context.CancelCauseFunc
	ctx    context.Context
	work   sync.WaitGroup

	mu   sync.Mutex
	held int
	own  []byte // the one buffer, while it is idle
}

// A piece is some bytes on their way.
type piece struct {
	p    []byte
	done chan struct{}
	err  error
}

// read reads size bytes from off on. It must be closed.
func (e *Engine) read(ctx context.Context, from Source, off, size int64) *reader {
	ctx, cancel := context.WithCancelCause(ctx)
	r := &reader{
		engine: e, from: from, piece: e.sizes.local, queue: make(chan *piece, e.parallel),
		freed: make(chan struct{}, 1), cancel: cancel, ctx: ctx,
	}
	if _, ok := from.(starter); ok {
		r.piece = e.sizes.remote
	}
	r.work.Go(func() { r.produce(off, off+size) })
	return r
}

// produce reads ahead.
func (r *reader) produce(off, end int64) {
	defer close(r.queue)
	ranged := true
	if s, ok := r.from.(starter); ok && off < end {
		var err error
		if ranged, err = s.start(r.ctx, off, min(r.piece, end-off)); err != nil {
			r.fail(err)
			return
		}
	}
	for at := off; at < end; at += r.piece {
		n := min(r.piece, end-at)
		buffer, err := r.buffer()
		if err != nil {
			r.fail(err)
			return
		}
		next := &piece{p: buffer[:n], done: make(chan struct{})}
		fill := func() {
			next.err = r.from.ReadPart(r.ctx, at, next.p)
			close(next.done)
		}
		if ranged {
			r.work.Go(fill)
		} else {
			fill()
		}
		select {
		case r.queue <- next:
		case <-r.ctx.Done():
			<-next.done
			r.release(next.p)
			return
		}
	}
}

func (r *reader) fail(err error) {
	failed := &piece{err: err, done: make(chan struct{})}
	close(failed.done)
	select {
	case r.queue <- failed:
	case <-r.ctx.Done():
	}
}

// buffer waits for a buffer of a piece.
func (r *reader) buffer() ([]byte, error) {
	for {
		r.mu.Lock()
		own, held := r.own, r.held
		r.own = nil
		r.mu.Unlock()
		if own != nil {
			return own, nil
		}
		if held == 0 {
			p, err := r.engine.budget.get(r.ctx, r.piece)
			return r.hold(p), err
		}
		if p, ok := r.engine.budget.try(r.piece); ok {
			return r.hold(p), nil
		}
		select {
		case <-r.freed:
		case <-r.ctx.Done():
			return nil, context.Cause(r.ctx)
		}
	}
}

func (r *reader) hold(p []byte) []byte {
	if p != nil {
		r.mu.Lock()
		r.held++
		r.mu.Unlock()
	}
	return p
}

// release takes back what next returned.
func (r *reader) release(p []byte) {
	p = p[:cap(p)]
	r.mu.Lock()
	if r.held == 1 {
		r.own = p
	} else {
		r.held--
		defer r.engine.budget.put(p)
	}
	r.mu.Unlock()
	select {
	case r.freed <- struct{}{}:
	default:
	}
}

// next returns the next bytes, to be released, and io.EOF at the end.
func (r *reader) next() ([]byte, error) {
	select {
	case next, ok := <-r.queue:
		if !ok {
			return nil, r.end()
		}
		<-next.done // it ends with the context
		if next.err != nil && next.p != nil {
			r.release(next.p)
		}
		return next.p, next.err
	case <-r.ctx.Done():
		return nil, context.Cause(r.ctx)
	}
}

func (r *reader) end() error {
	if r.ctx.Err() != nil {
		return context.Cause(r.ctx)
	}
	return io.EOF
}

// close gives everything back. It waits until nobody writes to a buffer.
func (r *reader) close() {
	r.cancel(context.Canceled)
	r.work.Wait()
	for next := range r.queue {
		if next.p != nil {
			r.release(next.p)
		}
	}
	if r.own != nil {
		r.engine.budget.put(r.own)
		r.own = nil
	}
}
