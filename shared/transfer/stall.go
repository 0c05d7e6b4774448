package transfer

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"sync"
	"time"
)

// errStalled ends a request that has moved no byte for too long.
var errStalled = errors.New("no byte has moved for too long")

// A payload is the body of a request, which can be read again.
type payload struct {
	size  int64
	open  func() io.ReadCloser
	moved *tally // may be nil
}

// send sends a request, and gives it up where it makes no progress: body and
// answer may take as long as they like while bytes move, and when all of the
// body has gone the answer begins within patience.
func send(client doer, req *http.Request, body payload, stall, patience time.Duration) (*http.Response, error) {
	ctx, cancel := context.WithCancelCause(req.Context())
	w := &watch{cancel: cancel, stall: stall, patience: patience}
	w.timer = time.AfterFunc(patience, func() { cancel(fmt.Errorf("%w: %v", errStalled, stall)) })
	req = req.WithContext(ctx)
	if body.size > 0 {
		req.ContentLength = body.size
		req.GetBody = func() (io.ReadCloser, error) {
			b := &sent{body.open(), w, body.moved}
			body.moved.begin(b)
			w.keep(b)
			return b, nil
		}
		req.Body, _ = req.GetBody()
		w.touch(stall)
	}
	resp, err := client.Do(req)
	if err != nil {
		if errors.Is(context.Cause(ctx), errStalled) {
			err = context.Cause(ctx)
		}
		w.end()
		body.moved.settle(0)
		return nil, err
	}
	w.touch(stall)
	resp.Body = &received{resp.Body, w, ctx}
	return resp, nil
}

// A doer sends requests: an http.Client, or one that logs in.
type doer interface {
	Do(*http.Request) (*http.Response, error)
}

// A watch ends a request when its time is over.
type watch struct {
	cancel          context.CancelCauseFunc
	stall, patience time.Duration

	mu     sync.Mutex
	timer  *time.Timer
	ended  bool
	bodies []io.Closer
}

// touch gives the request time from now on.
func (w *watch) touch(d time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if !w.ended {
		w.timer.Reset(d)
	}
}

// keep keeps a body of the request, to close it at the end.
func (w *watch) keep(body io.Closer) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.bodies = append(w.bodies, body)
}

// end ends the request. net/http may go on to read a body for a while, and the
// buffer behind it is about to be somebody else's: so bodies are closed.
func (w *watch) end() {
	w.mu.Lock()
	w.ended = true
	w.timer.Stop()
	bodies := w.bodies
	w.mu.Unlock()
	w.cancel(nil)
	for _, b := range bodies {
		_ = b.Close()
	}
}

// sent is the body of a request on its way.
type sent struct {
	io.ReadCloser
	w     *watch
	moved *tally
}

func (s *sent) Read(p []byte) (int, error) {
	n, err := s.ReadCloser.Read(p)
	s.moved.add(s, n)
	if err != nil {
		s.w.touch(s.w.patience)
	} else {
		s.w.touch(s.w.stall)
	}
	return n, err
}

// received is the body of an answer.
type received struct {
	io.ReadCloser
	w   *watch
	ctx context.Context
}

func (r *received) Read(p []byte) (int, error) {
	n, err := r.ReadCloser.Read(p)
	if n > 0 {
		r.w.touch(r.w.stall)
	}
	if err != nil && err != io.EOF && errors.Is(context.Cause(r.ctx), errStalled) {
		err = context.Cause(r.ctx)
	}
	return n, err
}

func (r *received) Close() error {
	r.w.end()
	return r.ReadCloser.Close()
}
