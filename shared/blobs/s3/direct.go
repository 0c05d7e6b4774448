package s3

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"github.com/berthregistry/berth/shared/blobs"
)

// mark is the tag of an object that nobody has verified yet. A lifecycle rule
// of the bucket goes by it.
const mark = "berth=unverified"

// BeginParts begins a multipart upload, whose object will have the mark. Should
// the answer be lost, the upload stays for the lifecycle rule.
func (s *Store) BeginParts(ctx context.Context, key string) (string, error) {
	out, err := s.client.CreateMultipartUpload(ctx, &s3.CreateMultipartUploadInput{
		Bucket:            &s.bucket,
		Key:               aws.String(s.objectKey(key)),
		ContentType:       aws.String(binaryType),
		ChecksumAlgorithm: types.ChecksumAlgorithmSha256,
		ChecksumType:      types.ChecksumTypeComposite,
		Tagging:           aws.String(mark),
	})
	if err != nil {
		return "", fmt.Errorf("begin parts: %w", err)
	}
	return aws.ToString(out.UploadId), nil
}

// PartURL signs a URL for a PUT of at most 5 GiB. Size and checksum are headers,
// as with WriteURL.
func (s *Store) PartURL(ctx context.Context, key, id string, p blobs.Part, valid time.Duration) (string, http.Header, error) {
	req, err := s.presign.PresignUploadPart(ctx, &s3.UploadPartInput{
		Bucket:         &s.bucket,
		Key:            aws.String(s.objectKey(key)),
		UploadId:       &id,
		PartNumber:     aws.Int32(int32(p.Number)),
		ContentLength:  &p.Size,
		ChecksumSHA256: encodeSHA256(p.SHA256),
	}, s3.WithPresignExpires(valid))
	if err != nil {
		return "", nil, fmt.Errorf("sign part url: %w", err)
	}
	return req.URL, headerToSend(req), nil
}

// MarkedURL signs a URL as WriteURL does. The mark is a header as well: no PUT
// goes without it.
func (s *Store) MarkedURL(ctx context.Context, key string, size int64, sum []byte, valid time.Duration) (string, http.Header, error) {
	return s.writeURL(ctx, &s3.PutObjectInput{
		Key:     aws.String(s.objectKey(key)),
		Tagging: aws.String(mark),
	}, size, sum, valid)
}

// Keep removes all tags, of which the mark is the only one. In a bucket with
// versions, what is deleted answers that its marker has no tags to remove.
func (s *Store) Keep(ctx context.Context, key string) error {
	_, err := s.client.DeleteObjectTagging(ctx, &s3.DeleteObjectTaggingInput{
		Bucket: &s.bucket,
		Key:    aws.String(s.objectKey(key)),
	})
	if isAbsent(err) || hasCode(err, "MethodNotAllowed") {
		err = blobs.ErrAbsent
	}
	if err != nil {
		return fmt.Errorf("keep object: %w", err)
	}
	return nil
}
