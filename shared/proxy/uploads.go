package proxy

import (
	"context"
	"crypto/rand"
	"errors"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/berthregistry/berth/shared/oci"
	"github.com/berthregistry/berth/shared/transfer"
)

// A stream is a blob on its way to the registry, whose digest is known at its
// end. Its methods are called one at a time.
type stream interface {
	// Write takes the next bytes, and waits while there is no room for them.
	Write(p []byte) (int, error)
	// Finish returns when the registry has the blob, and has seen that it is this.
	Finish(ctx context.Context, d oci.Digest) (transfer.Way, error)
	// Abort gives up, also after an error of the others.
	Abort(ctx context.Context) error
}

// begin begins a stream of so many bytes, -1 if unknown. All of it is done in ctx,
// except where a method has one of its own.
type begin func(ctx context.Context, size int64) stream

// An upload is a blob that a client is sending.
type upload struct {
	id, repo string
	ended    context.Context // ends with the upload, whatever its end
	end      context.CancelFunc

	turn   chan struct{} // held by whoever uses what follows
	begin  begin
	stream stream       // nil before the first byte
	taken  atomic.Int64 // bytes; may be read out of turn

	// What follows is guarded by uploads.mu.
	users int       // requests about it that are being answered
	left  time.Time // when the last of them was
	clock *time.Timer
}

// take waits for the turn of a request. Errors: oci.ErrUploadUnknown.
func (u *upload) take(ctx context.Context) error {
	select {
	case u.turn <- struct{}{}:
	case <-u.ended.Done():
		return unknownUpload(u.id)
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	if u.ended.Err() != nil {
		u.give()
		return unknownUpload(u.id)
	}
	return nil
}

func (u *upload) give() { <-u.turn }

// open begins the stream, if it has not begun. Size is that of the blob, -1 if
// unknown.
func (u *upload) open(size int64) {
	if u.stream == nil {
		u.stream = u.begin(u.ended, size)
	}
}

func unknownUpload(id string) error {
	return oci.ErrUploadUnknown.With(nil, "upload %q is not known: it has ended, or nobody sent to it for too long", oci.Clip(id))
}

// errClosing is what a client is told that comes too late.
var errClosing = errors.New("the proxy is being stopped")

// uploads are those that clients have begun and not ended. Their ids cannot be
// guessed, since whoever knows one may add to it.
type uploads struct {
	ctx    context.Context // of all streams
	end    context.CancelFunc
	idle   time.Duration // after which an upload that nobody sends to is given up
	most   int
	log    *slog.Logger
	behind sync.WaitGroup // what is done in the background; it grows under mu, until closed

	mu     sync.Mutex
	open   map[string]*upload
	closed bool
}

func newUploads(idle time.Duration, most int, log *slog.Logger) *uploads {
	ctx, end := context.WithCancel(context.Background())
	return &uploads{ctx: ctx, end: end, idle: idle, most: most, log: log, open: map[string]*upload{}}
}

// add begins an upload, which is entered. Errors: oci.ErrTooManyRequests,
// errClosing.
func (us *uploads) add(repo string, begin begin) (*upload, error) {
	us.mu.Lock()
	defer us.mu.Unlock()
	switch {
	case us.closed:
		return nil, errClosing
	case len(us.open) >= us.most:
		return nil, oci.ErrTooManyRequests.With(nil, "%d uploads are open, which is as many as this proxy takes", us.most)
	}
	u := &upload{id: rand.Text(), repo: repo, turn: make(chan struct{}, 1), begin: begin, users: 1}
	u.ended, u.end = context.WithCancel(us.ctx)
	us.open[u.id] = u
	return u, nil
}

// enter finds an upload for a request. Errors: oci.ErrUploadUnknown.
func (us *uploads) enter(repo, id string) (*upload, error) {
	us.mu.Lock()
	defer us.mu.Unlock()
	u := us.open[id]
	if u == nil || u.repo != repo {
		return nil, unknownUpload(id)
	}
	u.users++
	if u.clock != nil {
		u.clock.Stop()
	}
	return u, nil
}

// leave is called at the end of each request that has entered.
func (us *uploads) leave(u *upload) {
	us.mu.Lock()
	defer us.mu.Unlock()
	u.users--
	if u.users > 0 || us.open[u.id] != u {
		return
	}
	u.left = time.Now()
	u.clock = time.AfterFunc(us.idle, func() { us.abandon(us.idle, 0) })
}

// done makes an upload unknown that the registry has.
func (us *uploads) done(u *upload) {
	us.mu.Lock()
	defer us.mu.Unlock()
	us.remove(u)
}

// remove makes an upload unknown, and says whether it was known.
func (us *uploads) remove(u *upload) bool {
	if us.open[u.id] != u {
		return false
	}
	delete(us.open, u.id)
	if u.clock != nil {
		u.clock.Stop()
	}
	u.end()
	return true
}

// giveUp ends an upload that comes to nothing. Whoever is sending to it fails.
func (us *uploads) giveUp(u *upload) {
	us.mu.Lock()
	defer us.mu.Unlock()
	if us.remove(u) {
		us.behind.Go(func() { us.abort(u) })
	}
}

// abandon gives up the uploads that nobody has sent to for so long, if they have
// so many bytes at least.
func (us *uploads) abandon(after time.Duration, least int64) {
	us.mu.Lock()
	defer us.mu.Unlock()
	for _, u := range us.open {
		if u.users == 0 && time.Since(u.left) >= after && u.taken.Load() >= least {
			us.log.Info("an upload was abandoned by its client", "repository", u.repo, "bytes", u.taken.Load())
			us.remove(u)
			us.behind.Go(func() { us.abort(u) })
		}
	}
}

// inBackground does what close waits for, unless it is too late for that.
func (us *uploads) inBackground(do func()) {
	us.mu.Lock()
	defer us.mu.Unlock()
	if !us.closed {
		us.behind.Go(do)
	}
}

// abortTime is how long a registry may take to hear of the end of an upload. One
// that does not has to find out by itself.
const abortTime = 20 * time.Second

// abort ends the stream of an upload that was removed.
func (us *uploads) abort(u *upload) {
	u.turn <- struct{}{} // and nobody gets it any more
	if u.stream == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(us.ctx), abortTime)
	defer cancel()
	if err := u.stream.Abort(ctx); err != nil {
		us.log.Warn("the registry was not told that an upload has ended", "repository", u.repo, "error", err)
	}
}

// close takes no more uploads, gives up all that are open, and waits until ctx
// ends for the registry to know of it.
func (us *uploads) close(ctx context.Context) error {
	us.mu.Lock()
	us.closed = true
	us.end()
	for _, u := range us.open {
		us.remove(u)
		us.behind.Go(func() { us.abort(u) })
	}
	us.mu.Unlock()
	done := make(chan struct{})
	go func() { us.behind.Wait(); close(done) }()
	select {
	case <-done:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
