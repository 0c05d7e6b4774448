package s3

import (
	"context"
	"fmt"
	"io"
	"net/url"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"github.com/berthregistry/berth/shared/blobs"
)

// maxCopy is the size of the largest object that S3 copies in one request.
const maxCopy = 5 << 30

// Stat asks for the object's size, and for its checksum if that is one of all
// its bytes. S3 takes headers with a PUT that its URL does not bind, if they are
// not its own. One of them would have clients that read the object decode it, and
// get other bytes than S3 has verified: that is no object.
func (s *Store) Stat(ctx context.Context, key string) (int64, []byte, error) {
	there, err := s.head(ctx, s.objectKey(key))
	if err == nil && aws.ToString(there.ContentEncoding) != "" {
		err = fmt.Errorf("it is said to be encoded: %w", blobs.ErrAbsent)
	}
	if err != nil {
		return 0, nil, fmt.Errorf("look at object: %w", err)
	}
	return aws.ToInt64(there.ContentLength), decodeSHA256(there.ChecksumSHA256), nil
}

// Sum has S3 copy the object, for which it reads all of it, and say the checksum
// of the copy, which is not in parts any more. The copy is deleted; a crash
// before leaves it under tail/, for the lifecycle rule.
//
// To copy an object onto itself would do without, but S3 takes its time: a copy
// that ends when another run has verified, kept and published the object would
// bring the mark back.
func (s *Store) Sum(ctx context.Context, key string, size int64) ([]byte, error) {
	if size > maxCopy {
		return nil, fmt.Errorf("sum object of %d bytes: %w", size, blobs.ErrNoSum)
	}
	scratch := newTailID()
	sum, err := s.copySum(ctx, key, s.tailKey(key, scratch))
	// Also after an error, which does not say that there is no copy. If this one
	// fails, the copy is left as after a crash.
	_ = s.deleteTails(ctx, key, []tailID{scratch})
	if err != nil {
		return nil, fmt.Errorf("sum object: %w", err)
	}
	return sum, nil
}

func (s *Store) copySum(ctx context.Context, key, to string) ([]byte, error) {
	from := url.URL{Path: s.bucket + "/" + s.objectKey(key)}
	out, err := s.client.CopyObject(ctx, &s3.CopyObjectInput{
		Bucket:            &s.bucket,
		Key:               &to,
		CopySource:        aws.String(from.EscapedPath()),
		ChecksumAlgorithm: types.ChecksumAlgorithmSha256,
		TaggingDirective:  types.TaggingDirectiveReplace, // by none: to take the mark along needs a permission
	})
	switch {
	case isAbsent(err):
		return nil, blobs.ErrAbsent
	case hasCode(err, "InvalidRequest", "EntityTooLarge", "NotImplemented"):
		// A service that copies less than S3. Its bytes can still be read.
		return nil, fmt.Errorf("copy (%w): %w", err, blobs.ErrNoSum)
	case err != nil:
		return nil, fmt.Errorf("copy: %w", err)
	}
	if out.CopyObjectResult == nil {
		return nil, blobs.ErrNoSum
	}
	sum := decodeSHA256(out.CopyObjectResult.ChecksumSHA256)
	if sum == nil {
		return nil, blobs.ErrNoSum
	}
	return sum, nil
}

// ReadAt asks for one range, and again for the rest of it where a connection is
// cut. The SDK retries requests, not what comes after the headers.
func (s *Store) ReadAt(ctx context.Context, key string, p []byte, offset int64) error {
	for len(p) > 0 {
		n, err := s.readRange(ctx, s.objectKey(key), p, offset)
		p, offset = p[n:], offset+int64(n)
		if err != nil && (n == 0 || ctx.Err() != nil) {
			return fmt.Errorf("read object at %d: %w", offset, err)
		}
	}
	return nil
}

// readRange fills p as far as the answer to one request goes.
func (s *Store) readRange(ctx context.Context, objectKey string, p []byte, offset int64) (int, error) {
	span := fmt.Sprintf("%d-%d", offset, offset+int64(len(p))-1)
	out, err := s.client.GetObject(ctx, &s3.GetObjectInput{
		Bucket: &s.bucket,
		Key:    &objectKey,
		Range:  aws.String("bytes=" + span),
	}, withoutChecksums)
	if isAbsent(err) {
		return 0, blobs.ErrAbsent
	}
	if err != nil {
		return 0, err
	}
	defer out.Body.Close()
	// An object that ends before, or a service that ignores ranges, would give
	// bytes that are not those asked for.
	if got := aws.ToString(out.ContentRange); !strings.HasPrefix(strings.ToLower(got), "bytes "+span+"/") {
		return 0, fmt.Errorf("got range %q, want %q", got, span)
	}
	return io.ReadFull(out.Body, p)
}
