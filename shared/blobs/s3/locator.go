package s3

import (
	"context"
	"crypto/sha256"
	"fmt"
	"net/http"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	"github.com/aws/aws-sdk-go-v2/service/s3"
)

// ReadURL signs a URL. It makes no call, so the object need not be there.
// Nothing may be added to the URL's query: all of it is signed.
func (s *Store) ReadURL(ctx context.Context, key, method string, valid time.Duration) (string, error) {
	bucket, object, content := aws.String(s.bucket), aws.String(s.objectKey(key)), aws.String(binaryType)
	switch method {
	case http.MethodGet:
		req, err := s.presign.PresignGetObject(ctx, &s3.GetObjectInput{
			Bucket: bucket, Key: object, ResponseContentType: content,
		}, s3.WithPresignExpires(valid))
		if err != nil {
			return "", fmt.Errorf("sign read url: %w", err)
		}
		return req.URL, nil
	case http.MethodHead:
		req, err := s.presign.PresignHeadObject(ctx, &s3.HeadObjectInput{
			Bucket: bucket, Key: object, ResponseContentType: content,
		}, s3.WithPresignExpires(valid))
		if err != nil {
			return "", fmt.Errorf("sign read url: %w", err)
		}
		return req.URL, nil
	}
	return "", fmt.Errorf("sign read url: method %q is neither GET nor HEAD", method)
}

// WriteURL signs a URL for a PUT of at most 5 GiB, which is as much as S3
// takes in one request. Size, checksum and the condition that the object is
// not there yet are headers, and signed as such: S3 ignores a checksum in the
// query.
func (s *Store) WriteURL(ctx context.Context, key string, size int64, sum []byte, valid time.Duration) (string, http.Header, error) {
	return s.writeURL(ctx, &s3.PutObjectInput{Key: aws.String(s.objectKey(key))}, size, sum, valid)
}

// writeURL signs a URL for what input says beside size and checksum.
func (s *Store) writeURL(ctx context.Context, input *s3.PutObjectInput, size int64, sum []byte, valid time.Duration) (string, http.Header, error) {
	if size == 0 && sum == nil {
		// A length of zero is not signed. This binds it.
		empty := sha256.Sum256(nil)
		sum = empty[:]
	}
	input.Bucket = &s.bucket
	input.ContentLength = &size
	input.ContentType = aws.String(binaryType)
	input.IfNoneMatch = aws.String("*")
	if sum != nil {
		input.ChecksumSHA256 = encodeSHA256(sum)
	}
	req, err := s.presign.PresignPutObject(ctx, input, s3.WithPresignExpires(valid))
	if err != nil {
		return "", nil, fmt.Errorf("sign write url: %w", err)
	}
	return req.URL, headerToSend(req), nil
}

// headerToSend is what must go with a signed URL.
func headerToSend(req *v4.PresignedHTTPRequest) http.Header {
	header := req.SignedHeader.Clone()
	header.Del("Host") // every client sends it by itself
	return header
}
