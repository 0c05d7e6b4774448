package s3

import (
	"bufio"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/berthregistry/berth/shared/blobs"
)

// Append uploads whole parts as they fill, and leaves the rest in a tail.
//
// It overwrites no object: a tail has a name of its own, and the tail of u
// stays, for u can be appended to again. Two futures of one state do write the
// same part numbers of one multipart upload; each knows the parts that it
// wrote by their checksums, and S3 completes no others.
//
// Where ctx ends midway, what is not in a whole part by then is not stored.
func (s *Store) Append(ctx context.Context, u blobs.Upload, r io.Reader) (blobs.Upload, error) {
	st, err := decode(u)
	if err != nil {
		return u, fmt.Errorf("append to upload: %w", err)
	}
	// No call is made before there is something to add: nothing appended is
	// nothing changed.
	ahead := bufio.NewReader(r)
	if _, err := ahead.Peek(1); err != nil {
		return u, endOf(err)
	}
	a := &appending{
		store:    s,
		key:      u.Key,
		state:    *st,
		offset:   u.Size - st.tail.size,
		uploader: newUploader(s, u, st),
	}
	err = a.run(ctx, ahead)
	return a.result(u), err
}

// endOf is what the end of a reader means to the caller.
func endOf(err error) error {
	if err == io.EOF {
		return nil
	}
	return fmt.Errorf("append to upload: read: %w", err)
}

// appending is one call of Append.
type appending struct {
	store    *Store
	key      string
	state    state // what it began with
	offset   int64 // where the next part begins
	uploader *uploader
	tail     tail // the new one, if it came to that
}

// run takes up the old tail and then what r holds.
func (a *appending) run(ctx context.Context, r io.Reader) error {
	buf := a.uploader.take()
	if err := a.takeUp(ctx, buf); err != nil {
		a.uploader.give(buf)
		return fmt.Errorf("append to upload: read tail: %w", err)
	}
	for {
		end := buf.fill(ctx, r, max(a.store.partSize, leastPart(a.offset)))
		if end != nil {
			return errors.Join(a.finish(ctx, buf), endOf(end))
		}
		a.offset += buf.size
		if err := a.uploader.send(ctx, buf); err != nil {
			_ = a.uploader.wait() // the first error is the one that counts
			return fmt.Errorf("append to upload: %w", err)
		}
		buf = a.uploader.take()
	}
}

// leastPart is the size from which on a part may be sent. It grows with the
// upload, so that the smallest parts last to 85 GiB.
func leastPart(offset int64) int64 { return max(minPart, offset/4000) }

// takeUp reads the tail of the state into buf.
func (a *appending) takeUp(ctx context.Context, buf *buffer) error {
	t := a.state.tail
	if t.size == 0 {
		return nil
	}
	r := a.store.read(ctx, a.store.tailKey(a.key, t.id), t.size)
	defer r.Close()
	err := buf.fill(ctx, r, t.size)
	if errors.Is(err, blobs.ErrAbsent) {
		return fmt.Errorf("it is gone: %w", blobs.ErrUploadLost)
	}
	if err == nil && buf.crc != t.crc {
		return fmt.Errorf("it is damaged: %w", blobs.ErrUploadLost)
	}
	return err
}

// finish stores what is left when r has ended, in good order or not.
func (a *appending) finish(ctx context.Context, buf *buffer) error {
	var err error
	if buf.size >= leastPart(a.offset) {
		err = a.uploader.send(ctx, buf)
	} else {
		err = a.putTail(ctx, buf)
		a.uploader.give(buf)
	}
	if waitErr := a.uploader.wait(); waitErr != nil {
		err = waitErr // it came earlier in the object
	}
	if err != nil {
		return fmt.Errorf("append to upload: %w", err)
	}
	return nil
}

// putTail stores the buffer as a new tail. A crash after it leaves a tail that
// no state names, for the lifecycle rule.
func (a *appending) putTail(ctx context.Context, buf *buffer) error {
	if buf.size == 0 {
		return nil
	}
	t := tail{id: newTailID(), size: buf.size, crc: buf.crc}
	h := sha256.New()
	if _, err := io.Copy(h, buf.reader()); err != nil {
		return fmt.Errorf("put tail: %w", err)
	}
	h.Sum(t.sha256[:0])
	_, err := a.store.client.PutObject(ctx, &s3.PutObjectInput{
		Bucket:         &a.store.bucket,
		Key:            aws.String(a.store.tailKey(a.key, t.id)),
		Body:           buf.reader(),
		ContentLength:  &buf.size,
		ContentType:    aws.String(binaryType),
		ChecksumSHA256: encodeSHA256(t.sha256[:]),
	})
	if err != nil {
		return fmt.Errorf("put tail: %w", err)
	}
	a.tail = t
	return nil
}

// result is the state that has come about: u and as much of r as was stored
// without a gap, or u itself.
func (a *appending) result(u blobs.Upload) blobs.Upload {
	parts, size, whole := a.uploader.stored()
	next := a.state
	next.upload = a.uploader.id
	next.parts = append(next.parts, parts...)
	next.tail = tail{}
	size += u.Size - a.state.tail.size
	if whole && a.tail.size > 0 {
		next.tail = a.tail
		next.tails = append(next.tails, a.tail.id)
		next.tails = next.tails[max(0, len(next.tails)-maxTails):]
		size += a.tail.size
	}
	if size <= u.Size {
		return u
	}
	return blobs.Upload{Key: u.Key, Size: size, State: next.encode()}
}
