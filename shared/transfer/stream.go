package transfer

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/berthregistry/berth/shared/direct"
	"github.com/berthregistry/berth/shared/oci"
)

// errEnded is a stream that is used after its end.
var errEnded = errors.New("the stream has ended")

// A Stream brings a blob whose bytes come one after the other, once, and whose
// digest is known at their end. Nothing is asked of the registry before a first
// part is full. It is safe for use by several goroutines, one after the other.
type Stream struct {
	r    *Repository
	ctx  context.Context
	size int64 // -1 if unknown

	mu    sync.Mutex
	part  []byte // the buffer, nil before the first byte
	fill  int    // how much of it is full
	taken int64
	up    uplink // nil before the first part
	err   error  // why nothing more can be done
}

// An uplink takes the parts of a stream.
type uplink interface {
	// send takes a full part, or the last one, and its buffer.
	send(p []byte) error
	// finish ends it, with this digest and size.
	finish(ctx context.Context, d oci.Descriptor) (Way, error)
	// abort gives up what has been sent.
	abort(ctx context.Context) error
}

// NewStream returns a stream to the repository. Size is -1 if it is unknown. All
// of the stream is done in ctx, except where a method has one of its own. One of
// Finish and Abort must be called, and Abort after a Finish that failed.
func (r *Repository) NewStream(ctx context.Context, size int64) *Stream {
	return &Stream{r: r, ctx: r.pushing(ctx), size: size}
}

// Write takes bytes. It waits while all buffers are in use, and for nothing else:
// an error is that of any byte before.
func (s *Stream) Write(p []byte) (n int, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for len(p) > 0 && s.err == nil {
		if s.part != nil && s.fill == len(s.part) {
			s.err = s.flush()
			continue
		}
		if s.part == nil {
			if s.part, s.err = s.r.engine.budget.get(s.ctx, s.room()); s.err != nil {
				break
			}
		}
		took := copy(s.part[s.fill:], p)
		s.fill += took
		s.taken += int64(took)
		n += took
		p = p[took:]
	}
	return n, s.err
}

// room is the size of the next buffer: no larger than what is to come, and so large
// that there are not too many.
func (s *Stream) room() int64 {
	const unit = 1 << 20
	part := s.r.engine.sizes.part
	if s.size < 0 {
		return part
	}
	part = max(part, parts(parts(s.size, direct.MaxNumber), unit)*unit)
	if left := s.size - s.taken; left > 0 {
		return min(left, part)
	}
	return part
}

// Size returns how many bytes were taken.
func (s *Stream) Size() int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.taken
}

// flush sends what has been gathered, and begins if nothing has been sent.
func (s *Stream) flush() (err error) {
	if s.up == nil {
		if s.up, err = s.r.uplink(s.ctx, s.size); err != nil {
			return err
		}
	}
	p := s.part[:s.fill]
	s.part, s.fill = nil, 0
	return s.up.send(p)
}

// Finish ends the stream. When it returns nil the repository has the blob.
func (s *Stream) Finish(ctx context.Context, digest oci.Digest) (Way, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.err != nil {
		return "", s.err
	}
	way, err := s.finish(s.r.pushing(ctx), oci.Descriptor{Digest: digest, Size: s.taken})
	s.drop()
	s.err = errEnded
	if err != nil {
		return "", fmt.Errorf("push %s: %w", digest, err)
	}
	s.up = nil // there is nothing to give up any more
	return way, nil
}

func (s *Stream) finish(ctx context.Context, d oci.Descriptor) (Way, error) {
	if _, err := oci.ParseDigest(string(d.Digest)); err != nil {
		return "", err
	}
	if s.up == nil {
		return s.r.push(ctx, d, &window{p: s.part[:s.fill]}, silent{})
	}
	if s.fill > 0 {
		if err := s.flush(); err != nil {
			return "", err
		}
	}
	return s.up.finish(ctx, d)
}

// Abort gives up the stream, and what of it is at the registry. It does nothing
// after a Finish that succeeded. It waits for a Write, which ends with the context of
// the stream.
func (s *Stream) Abort(ctx context.Context) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.drop()
	s.err = errEnded
	if s.up == nil {
		return nil
	}
	up := s.up
	s.up = nil
	return up.abort(s.r.pushing(ctx))
}

func (s *Stream) drop() {
	if s.part != nil {
		s.r.engine.budget.put(s.part)
	}
	s.part, s.fill = nil, 0
}
