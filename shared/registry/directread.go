package registry

import (
	"context"
	"encoding"
	"errors"
	"fmt"
	"hash"
	"sync"

	"github.com/berthregistry/berth/shared/blobs"
	"github.com/berthregistry/berth/shared/oci"
)

// spans is how many ranges of an object are under way or waiting to be hashed at
// once, so the memory of a verification is as many times measures.span.
const spans = 8

// read returns the digest of the object by reading it, from the last checkpoint
// on.
func (v *verification) read(ctx context.Context) (oci.Digest, error) {
	algorithm := oci.AlgorithmOf(v.digest)
	h, err := v.takeUp(algorithm)
	if err != nil {
		return "", err
	}
	if err := v.keep(ctx, leaseLife); err != nil {
		return "", err
	}
	due := v.now().Add(checkpoint)
	err = v.inOrder(ctx, func(p []byte) error {
		h.Write(p)
		v.verified += int64(len(p))
		if v.checking, err = h.(encoding.BinaryMarshaler).MarshalBinary(); err != nil {
			return fmt.Errorf("keep hash: %w", err)
		}
		if v.now().Before(due) {
			return nil
		}
		due = v.now().Add(checkpoint)
		return v.keep(ctx, leaseLife)
	})
	if errors.Is(err, blobs.ErrAbsent) {
		return "", errLost
	}
	return algorithm.Digest(h), err
}

// takeUp is the hash as the last checkpoint left it. Without one nothing has been
// read, whatever was verified: the store may have summed all of it for a run that
// could not publish it.
func (v *verification) takeUp(a oci.Algorithm) (hash.Hash, error) {
	h := v.hash(a)
	if v.checking == nil {
		v.verified = 0
		return h, nil
	}
	if err := h.(encoding.BinaryUnmarshaler).UnmarshalBinary(v.checking); err != nil {
		return nil, fmt.Errorf("resume hash: %w", err)
	}
	return h, nil
}

// A span is a range of an object that is being read.
type span struct {
	buf  []byte
	done chan error
}

// inOrder reads what is left of the object, several ranges at once, and uses them
// one after the other.
func (v *verification) inOrder(ctx context.Context, use func([]byte) error) error {
	ctx, cancel := context.WithCancel(ctx)
	var reading sync.WaitGroup
	defer reading.Wait()
	defer cancel()
	store, key, size := v.store, v.object, v.size // the rest of it changes at each checkpoint
	var queue []span
	var free [][]byte
	for next := v.verified; ; {
		for len(queue) < spans && next < size {
			s, offset := span{done: make(chan error, 1)}, next
			s.buf, free = buffer(free, v.measures.span)
			s.buf = s.buf[:min(v.measures.span, size-next)]
			next += int64(len(s.buf))
			reading.Go(func() { s.done <- store.ReadAt(ctx, key, s.buf, offset) })
			queue = append(queue, s)
		}
		if len(queue) == 0 {
			return nil
		}
		first := queue[0]
		if err := <-first.done; err != nil {
			return fmt.Errorf("read object again: %w", err)
		}
		if err := use(first.buf); err != nil {
			return err
		}
		queue, free = queue[1:], append(free, first.buf)
	}
}

// buffer takes one that is free, or makes it.
func buffer(free [][]byte, size int64) ([]byte, [][]byte) {
	if n := len(free); n > 0 {
		return free[n-1][:cap(free[n-1])], free[:n-1]
	}
	return make([]byte, size), free
}
