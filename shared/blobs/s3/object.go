package s3

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"github.com/berthregistry/berth/shared/blobs"
)

// errOther is returned for a key that holds other bytes than those to be put.
var errOther = errors.New("key holds another object")

// Put writes the object if there is none. That there is one is success if it
// has the same bytes: then it is our own, by an attempt whose answer was lost,
// which the SDK has repeated, or the caller.
func (s *Store) Put(ctx context.Context, key string, body []byte) error {
	sum := sha256.Sum256(body)
	_, err := s.client.PutObject(ctx, &s3.PutObjectInput{
		Bucket:         &s.bucket,
		Key:            aws.String(s.objectKey(key)),
		Body:           bytes.NewReader(body),
		ContentLength:  aws.Int64(int64(len(body))),
		ContentType:    aws.String(binaryType),
		IfNoneMatch:    aws.String("*"),
		ChecksumSHA256: encodeSHA256(sum[:]),
	})
	if isThere(err) {
		err = s.sameBytes(ctx, key, body)
	}
	if err != nil {
		return fmt.Errorf("put object: %w", err)
	}
	return nil
}

// sameBytes returns nil if the object of a key is body.
func (s *Store) sameBytes(ctx context.Context, key string, body []byte) error {
	out, err := s.client.GetObject(ctx, &s3.GetObjectInput{
		Bucket: &s.bucket,
		Key:    aws.String(s.objectKey(key)),
	}, withoutChecksums)
	if err != nil {
		return err
	}
	defer out.Body.Close()
	there, err := io.ReadAll(io.LimitReader(out.Body, int64(len(body))+1))
	if err != nil {
		return err
	}
	if !bytes.Equal(there, body) {
		return errOther
	}
	return nil
}

// head returns the size and the checksums of an object, or ErrAbsent.
func (s *Store) head(ctx context.Context, objectKey string) (*s3.HeadObjectOutput, error) {
	out, err := s.client.HeadObject(ctx, &s3.HeadObjectInput{
		Bucket:       &s.bucket,
		Key:          &objectKey,
		ChecksumMode: types.ChecksumModeEnabled,
	})
	if isAbsent(err) {
		return nil, blobs.ErrAbsent
	}
	return out, err
}

// Delete removes an object.
func (s *Store) Delete(ctx context.Context, key string) error {
	_, err := s.client.DeleteObject(ctx, &s3.DeleteObjectInput{
		Bucket: &s.bucket,
		Key:    aws.String(s.objectKey(key)),
	})
	if err != nil && !isAbsent(err) {
		return fmt.Errorf("delete object: %w", err)
	}
	return nil
}
