package s3

import (
	"context"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"github.com/berthregistry/berth/shared/blobs"
)

// Abort removes everything that belongs to the key, also of futures that u
// knows nothing of: this is the one place where the bucket is listed. What can
// still become the object goes before the object.
func (s *Store) Abort(ctx context.Context, u blobs.Upload) error {
	for _, step := range []func(context.Context, string) error{s.abortUploads, s.deleteAllTails, s.Delete} {
		if err := step(ctx, u.Key); err != nil {
			return fmt.Errorf("abort upload: %w", err)
		}
	}
	return nil
}

// abortUploads aborts every multipart upload of a key.
func (s *Store) abortUploads(ctx context.Context, key string) error {
	objectKey := s.objectKey(key)
	pages := s3.NewListMultipartUploadsPaginator(s.client, &s3.ListMultipartUploadsInput{
		Bucket: &s.bucket,
		Prefix: &objectKey,
	})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return fmt.Errorf("list uploads: %w", err)
		}
		for _, upload := range page.Uploads {
			if aws.ToString(upload.Key) != objectKey {
				continue // ours is only the prefix of its key
			}
			if err := s.abortUpload(ctx, objectKey, upload.UploadId); err != nil {
				return err
			}
		}
	}
	return nil
}

func (s *Store) abortUpload(ctx context.Context, objectKey string, id *string) error {
	_, err := s.client.AbortMultipartUpload(ctx, &s3.AbortMultipartUploadInput{
		Bucket:   &s.bucket,
		Key:      &objectKey,
		UploadId: id,
	})
	if err != nil && !hasCode(err, "NoSuchUpload") {
		return fmt.Errorf("abort multipart upload: %w", err)
	}
	return nil
}

// deleteAllTails deletes the tails of all futures of a key.
func (s *Store) deleteAllTails(ctx context.Context, key string) error {
	pages := s3.NewListObjectsV2Paginator(s.client, &s3.ListObjectsV2Input{
		Bucket: &s.bucket,
		Prefix: aws.String(s.tailPrefix(key)),
	})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return fmt.Errorf("list tails: %w", err)
		}
		var keys []string
		for _, object := range page.Contents {
			keys = append(keys, aws.ToString(object.Key))
		}
		if err := s.deleteObjects(ctx, keys); err != nil {
			return err
		}
	}
	return nil
}

// deleteTails deletes the tails that one state knows of, all in one call.
func (s *Store) deleteTails(ctx context.Context, key string, tails []tailID) error {
	var keys []string
	for _, id := range tails {
		keys = append(keys, s.tailKey(key, id))
	}
	return s.deleteObjects(ctx, keys)
}

// deleteObjects deletes up to a thousand objects. Absent is success.
func (s *Store) deleteObjects(ctx context.Context, keys []string) error {
	if len(keys) == 0 {
		return nil
	}
	var objects []types.ObjectIdentifier
	for _, key := range keys {
		objects = append(objects, types.ObjectIdentifier{Key: &key})
	}
	out, err := s.client.DeleteObjects(ctx, &s3.DeleteObjectsInput{
		Bucket: &s.bucket,
		Delete: &types.Delete{Objects: objects, Quiet: aws.Bool(true)},
	})
	if err != nil {
		return fmt.Errorf("delete tails: %w", err)
	}
	if len(out.Errors) > 0 {
		first := out.Errors[0]
		return fmt.Errorf("delete tails: %d failed, the first: %s: %s",
			len(out.Errors), aws.ToString(first.Code), aws.ToString(first.Message))
	}
	return nil
}
