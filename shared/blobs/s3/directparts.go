package s3

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"github.com/berthregistry/berth/shared/blobs"
)

// Parts lists parts, up to as many as S3 lists at once.
func (s *Store) Parts(ctx context.Context, key, id string, after int) (parts []blobs.Part, more bool, err error) {
	out, err := s.client.ListParts(ctx, &s3.ListPartsInput{
		Bucket:           &s.bucket,
		Key:              aws.String(s.objectKey(key)),
		UploadId:         &id,
		PartNumberMarker: aws.String(strconv.Itoa(after)),
	})
	if hasCode(err, "NoSuchUpload") {
		err = blobs.ErrUploadLost
	}
	if err != nil {
		return nil, false, fmt.Errorf("list parts: %w", err)
	}
	for _, p := range out.Parts {
		parts = append(parts, blobs.Part{
			Number: int(aws.ToInt32(p.PartNumber)),
			Size:   aws.ToInt64(p.Size),
			SHA256: decodeSHA256(p.ChecksumSHA256),
			Tag:    strings.Trim(aws.ToString(p.ETag), `"`),
		})
	}
	return parts, aws.ToBool(out.IsTruncated), nil
}

// Join completes the multipart upload, on condition that there is no object.
// Where that was decided before, the object's checksum tells whether it was
// decided for these parts: by an attempt whose answer was lost, say.
func (s *Store) Join(ctx context.Context, key, id string, parts []blobs.Part) error {
	err := s.join(ctx, key, id, parts)
	if errors.Is(err, errSettled) {
		err = s.joined(ctx, key, parts)
		if errors.Is(err, errNotYet) {
			err = fmt.Errorf("upload is gone: %w", blobs.ErrUploadLost)
		}
	}
	if err != nil {
		return fmt.Errorf("join parts: %w", err)
	}
	return nil
}

func (s *Store) join(ctx context.Context, key, id string, parts []blobs.Part) error {
	if len(parts) == 0 {
		return fmt.Errorf("there are none: %w", blobs.ErrUploadLost) // S3 calls that malformed
	}
	named, size := make([]types.CompletedPart, 0, len(parts)), int64(0)
	for _, p := range parts {
		named = append(named, types.CompletedPart{
			PartNumber:     aws.Int32(int32(p.Number)),
			ETag:           aws.String(`"` + p.Tag + `"`),
			ChecksumSHA256: encodeSHA256(p.SHA256),
		})
		size += p.Size
	}
	out, err := s.client.CompleteMultipartUpload(ctx, &s3.CompleteMultipartUploadInput{
		Bucket:          &s.bucket,
		Key:             aws.String(s.objectKey(key)),
		UploadId:        &id,
		IfNoneMatch:     aws.String("*"),
		MpuObjectSize:   &size,
		MultipartUpload: &types.CompletedMultipartUpload{Parts: named},
	})
	switch {
	case isThere(err), hasCode(err, "NoSuchUpload"):
		return errSettled
	case hasCode(err, "InvalidPart", "InvalidPartOrder", "EntityTooSmall", "BadDigest"):
		return fmt.Errorf("parts are not those that are there (%w): %w", err, blobs.ErrUploadLost)
	case hasCode(err, "ConditionalRequestConflict"),
		err == nil && aws.ToString(out.ChecksumSHA256) != sumOfSums(parts):
		// Somebody else is at it, or was before: done again is success, whatever
		// parts it names.
		return s.joined(ctx, key, parts)
	}
	return err
}

// joined returns nil if the object that is there was made of these parts, and
// errNotYet if there is none.
func (s *Store) joined(ctx context.Context, key string, parts []blobs.Part) error {
	there, err := s.head(ctx, s.objectKey(key))
	if errors.Is(err, blobs.ErrAbsent) {
		return errNotYet
	}
	if err != nil {
		return fmt.Errorf("look at object: %w", err)
	}
	var size int64
	for _, p := range parts {
		size += p.Size
	}
	if aws.ToInt64(there.ContentLength) != size || aws.ToString(there.ChecksumSHA256) != sumOfSums(parts) {
		return fmt.Errorf("other parts were joined: %w", blobs.ErrUploadLost)
	}
	return nil
}

// sumOfSums is the checksum that S3 gives an object of several parts: that of
// their checksums, and their number.
func sumOfSums(parts []blobs.Part) string {
	h := sha256.New()
	for _, p := range parts {
		h.Write(p.SHA256)
	}
	return fmt.Sprintf("%s-%d", *encodeSHA256(h.Sum(nil)), len(parts))
}
