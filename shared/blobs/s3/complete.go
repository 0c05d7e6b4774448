package s3

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"net/url"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"github.com/berthregistry/berth/shared/blobs"
)

var (
	// errSettled is the inner word that there is no such upload any more, or
	// an object already: completed by an attempt whose answer was lost, or by
	// another future, or aborted.
	errSettled = errors.New("upload is settled")
	// errNotYet is returned for an object that its service calls complete and
	// does not have. Some do so while another request is at work on it.
	errNotYet = errors.New("object is said to be complete and is not there")
)

// Complete makes the object of the parts and the tail, on condition that there
// is none. Where that was decided before, the object's checksum tells whether
// it was decided for this state.
func (s *Store) Complete(ctx context.Context, u blobs.Upload) error {
	st, err := decode(u)
	if err != nil {
		return fmt.Errorf("complete upload: %w", err)
	}
	if st.upload == "" {
		err = s.completeSmall(ctx, u, st)
	} else {
		err = s.completeParts(ctx, u, st)
	}
	if errors.Is(err, errSettled) {
		err = s.completed(ctx, u, st)
		if errors.Is(err, errNotYet) {
			err = fmt.Errorf("upload is gone: %w", blobs.ErrUploadLost)
		}
	}
	if err != nil {
		return fmt.Errorf("complete upload: %w", err)
	}
	// The object is there, whatever becomes of this. What is not deleted now
	// is left to the lifecycle rule.
	_ = s.deleteTails(ctx, u.Key, st.tails)
	return nil
}

// completeSmall makes an ordinary object of the tail. A copy on the side of S3
// would be shorter, but services differ in whether a copy takes a condition.
func (s *Store) completeSmall(ctx context.Context, u blobs.Upload, st *state) error {
	buf := &buffer{pool: &s.blocks}
	defer buf.free()
	if u.Size > 0 {
		r := s.read(ctx, s.tailKey(u.Key, st.tail.id), st.tail.size)
		defer r.Close()
		err := buf.fill(ctx, r, st.tail.size)
		if errors.Is(err, blobs.ErrAbsent) {
			return errSettled
		}
		if err != nil {
			return fmt.Errorf("read tail: %w", err)
		}
	}
	_, err := s.client.PutObject(ctx, &s3.PutObjectInput{
		Bucket:         &s.bucket,
		Key:            aws.String(s.objectKey(u.Key)),
		Body:           buf.reader(),
		ContentLength:  &buf.size,
		ContentType:    aws.String(binaryType),
		IfNoneMatch:    aws.String("*"),
		ChecksumSHA256: st.smallSum(),
	})
	if isThere(err) {
		return errSettled
	}
	return err
}

// completeParts completes the multipart upload, of which the tail becomes the
// last part. A crash between the two calls leaves a part too many, which the
// next Complete writes again.
func (s *Store) completeParts(ctx context.Context, u blobs.Upload, st *state) error {
	parts := make([]types.CompletedPart, 0, len(st.parts)+1)
	for i, p := range st.parts {
		parts = append(parts, completedPart(i+1, p))
	}
	if st.tail.size > 0 {
		last, err := s.copyTail(ctx, u.Key, st)
		if err != nil {
			return err
		}
		parts = append(parts, completedPart(len(parts)+1, last))
	}
	out, err := s.client.CompleteMultipartUpload(ctx, &s3.CompleteMultipartUploadInput{
		Bucket:          &s.bucket,
		Key:             aws.String(s.objectKey(u.Key)),
		UploadId:        &st.upload,
		IfNoneMatch:     aws.String("*"),
		MpuObjectSize:   &u.Size,
		MultipartUpload: &types.CompletedMultipartUpload{Parts: parts},
	})
	switch {
	case isThere(err), hasCode(err, "NoSuchUpload"):
		return errSettled
	case hasCode(err, "InvalidPart", "InvalidPartOrder", "EntityTooSmall", "BadDigest"):
		// Another future has written one of our part numbers since.
		return fmt.Errorf("parts are not those of the state (%w): %w", err, blobs.ErrUploadLost)
	case err == nil && aws.ToString(out.ChecksumCRC32) != *st.sumOfParts():
		// Services answer a Complete that is done again with success, whatever
		// parts it names. Only the checksum tells which were taken.
		return s.completed(ctx, u, st)
	}
	return err
}

func completedPart(number int, p part) types.CompletedPart {
	return types.CompletedPart{
		PartNumber:    aws.Int32(int32(number)),
		ETag:          aws.String(`"` + p.etag + `"`),
		ChecksumCRC32: encodeCRC(p.crc),
	}
}

// copyTail has S3 make a part of the tail.
func (s *Store) copyTail(ctx context.Context, key string, st *state) (part, error) {
	source := url.URL{Path: s.bucket + "/" + s.tailKey(key, st.tail.id)}
	out, err := s.client.UploadPartCopy(ctx, &s3.UploadPartCopyInput{
		Bucket:     &s.bucket,
		Key:        aws.String(s.objectKey(key)),
		UploadId:   &st.upload,
		PartNumber: aws.Int32(int32(len(st.parts) + 1)),
		CopySource: aws.String(source.EscapedPath()),
	})
	if hasCode(err, "NoSuchUpload", "NoSuchKey") {
		return part{}, errSettled
	}
	if err != nil {
		return part{}, fmt.Errorf("copy tail: %w", err)
	}
	return newPart(out.CopyPartResult.ETag, st.tail.crc), nil
}

// completed returns nil if the object that is there was made of this state,
// and errNotYet if there is none.
func (s *Store) completed(ctx context.Context, u blobs.Upload, st *state) error {
	there, err := s.head(ctx, s.objectKey(u.Key))
	if errors.Is(err, blobs.ErrAbsent) {
		return errNotYet
	}
	if err != nil {
		return fmt.Errorf("look at object: %w", err)
	}
	got, want := there.ChecksumSHA256, st.smallSum()
	if st.upload != "" {
		got, want = there.ChecksumCRC32, st.sumOfParts()
	}
	if aws.ToInt64(there.ContentLength) != u.Size || aws.ToString(got) != *want {
		return fmt.Errorf("another future was completed: %w", blobs.ErrUploadLost)
	}
	return nil
}

// smallSum is the checksum of an object that is made of the tail alone.
func (st *state) smallSum() *string {
	if st.tail.size == 0 {
		empty := sha256.Sum256(nil)
		return encodeSHA256(empty[:])
	}
	return encodeSHA256(st.tail.sha256[:])
}

// sumOfParts is the checksum that S3 gives an object of several parts: that of
// their checksums, and their number.
func (st *state) sumOfParts() *string {
	sums := make([]byte, 0, 4*len(st.parts)+4)
	for _, p := range st.parts {
		sums = binary.BigEndian.AppendUint32(sums, p.crc)
	}
	if st.tail.size > 0 {
		sums = binary.BigEndian.AppendUint32(sums, st.tail.crc)
	}
	return aws.String(fmt.Sprintf("%s-%d", *encodeCRC(crc32.ChecksumIEEE(sums)), len(sums)/4))
}
