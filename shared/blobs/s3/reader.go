package s3

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/berthregistry/berth/shared/blobs"
)

// Open makes no call. The first Read after each Seek asks for the object from
// there to its end.
func (s *Store) Open(ctx context.Context, key string, size int64) (io.ReadSeekCloser, error) {
	if err := ctx.Err(); err != nil {
		return nil, fmt.Errorf("open object: %w", err)
	}
	return s.read(ctx, s.objectKey(key), size), nil
}

func (s *Store) read(ctx context.Context, objectKey string, size int64) *reader {
	return &reader{ctx: ctx, store: s, key: objectKey, size: size}
}

// reader reads one object. Its context is that of the Open, since those of
// io.Reader have none.
type reader struct {
	ctx   context.Context
	store *Store
	key   string
	size  int64
	pos   int64
	body  io.ReadCloser // from pos on, nil before the next request
	seen  bool          // an answer has shown that the object is there
	cut   bool          // the connection was cut and nothing has come since
}

// Read resumes once when a connection is cut. The SDK retries requests, not
// what comes after the headers.
func (r *reader) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	for {
		if r.pos >= r.size {
			return 0, r.end()
		}
		if err := r.request(); err != nil {
			return 0, err
		}
		n, err := r.body.Read(p[:min(int64(len(p)), r.size-r.pos)])
		r.pos += int64(n)
		if err != nil {
			r.drop()
		}
		if n > 0 {
			r.cut = false
			return n, nil
		}
		if err != nil && (r.cut || r.ctx.Err() != nil) {
			return 0, r.failure(err)
		}
		r.cut = err != nil
	}
}

// failure is the error of a body that broke off. Its end is no better: there
// were bytes to come.
func (r *reader) failure(err error) error {
	if err == io.EOF {
		err = io.ErrUnexpectedEOF
	}
	return fmt.Errorf("read object at %d: %w", r.pos, err)
}

// end is the answer of a Read at the end. If it is the first, as it must be
// for an empty object, whether the object is there is still to be asked.
func (r *reader) end() error {
	if r.seen {
		return io.EOF
	}
	if _, err := r.store.head(r.ctx, r.key); err != nil {
		return fmt.Errorf("read object: %w", err)
	}
	r.seen = true
	return io.EOF
}

// request asks for the object from pos on, unless that is under way.
func (r *reader) request() error {
	if r.body != nil {
		return nil
	}
	out, err := r.store.client.GetObject(r.ctx, &s3.GetObjectInput{
		Bucket: &r.store.bucket,
		Key:    &r.key,
		Range:  aws.String(fmt.Sprintf("bytes=%d-%d", r.pos, r.size-1)),
	}, withoutChecksums)
	if isAbsent(err) {
		return fmt.Errorf("read object: %w", blobs.ErrAbsent)
	}
	if err != nil {
		return fmt.Errorf("read object at %d: %w", r.pos, err)
	}
	// An object of another size, or a service that ignores ranges, would give
	// bytes that are not those asked for.
	want := fmt.Sprintf("bytes %d-%d/%d", r.pos, r.size-1, r.size)
	if got := aws.ToString(out.ContentRange); !strings.EqualFold(got, want) {
		out.Body.Close()
		return fmt.Errorf("read object: got range %q, want %q", got, want)
	}
	r.body, r.seen = out.Body, true
	return nil
}

// Seek makes no call.
func (r *reader) Seek(offset int64, whence int) (int64, error) {
	switch whence {
	case io.SeekCurrent:
		offset += r.pos
	case io.SeekEnd:
		offset += r.size
	}
	if offset < 0 {
		return r.pos, errors.New("seek before the start of an object")
	}
	if offset != r.pos {
		r.drop()
		r.pos = offset
	}
	return offset, nil
}

// drop gives up the answer that is under way.
func (r *reader) drop() {
	if r.body != nil {
		r.body.Close()
		r.body = nil
	}
}

// Close implements io.Closer.
func (r *reader) Close() error {
	r.drop()
	return nil
}
