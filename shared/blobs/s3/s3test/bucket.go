// Package s3test shows tests what is in a bucket, past the store.
package s3test

import (
	"context"
	"fmt"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/berthregistry/berth/shared/blobs/blobstest"
)

// A Bucket is one that a broom can sweep. It has no versions.
type Bucket struct {
	client *s3.Client
	name   string
	prefix string
}

var _ blobstest.Bucket = (*Bucket)(nil)

// NewBucket returns what is under a prefix of a bucket, as if it were a bucket of
// its own: rules see keys without the prefix.
func NewBucket(client *s3.Client, name, prefix string) *Bucket {
	return &Bucket{client, name, prefix}
}

// Entries implements blobstest.Bucket.
func (b *Bucket) Entries(ctx context.Context) ([]blobstest.Entry, error) {
	objects, err := b.objects(ctx)
	if err != nil {
		return nil, fmt.Errorf("list objects: %w", err)
	}
	uploads, err := b.uploads(ctx)
	if err != nil {
		return nil, fmt.Errorf("list uploads: %w", err)
	}
	return append(objects, uploads...), nil
}

func (b *Bucket) objects(ctx context.Context) (all []blobstest.Entry, err error) {
	pages := s3.NewListObjectsV2Paginator(b.client, &s3.ListObjectsV2Input{Bucket: &b.name, Prefix: &b.prefix})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return nil, err
		}
		for _, o := range page.Contents {
			tags, err := b.tags(ctx, o.Key)
			if err != nil {
				return nil, err
			}
			all = append(all, blobstest.Entry{Key: b.within(o.Key), Since: aws.ToTime(o.LastModified), Tags: tags})
		}
	}
	return all, nil
}

func (b *Bucket) tags(ctx context.Context, key *string) (map[string]string, error) {
	out, err := b.client.GetObjectTagging(ctx, &s3.GetObjectTaggingInput{Bucket: &b.name, Key: key})
	if err != nil {
		return nil, err
	}
	tags := map[string]string{}
	for _, tag := range out.TagSet {
		tags[aws.ToString(tag.Key)] = aws.ToString(tag.Value)
	}
	return tags, nil
}

func (b *Bucket) uploads(ctx context.Context) (all []blobstest.Entry, err error) {
	pages := s3.NewListMultipartUploadsPaginator(b.client, &s3.ListMultipartUploadsInput{Bucket: &b.name, Prefix: &b.prefix})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return nil, err
		}
		for _, u := range page.Uploads {
			all = append(all, blobstest.Entry{Key: b.within(u.Key), Upload: aws.ToString(u.UploadId), Since: aws.ToTime(u.Initiated)})
		}
	}
	return all, nil
}

// within is a key as rules see it.
func (b *Bucket) within(key *string) string { return strings.TrimPrefix(aws.ToString(key), b.prefix) }

// Remove implements blobstest.Bucket.
func (b *Bucket) Remove(ctx context.Context, e blobstest.Entry) error {
	key := b.prefix + e.Key
	if e.Upload == "" {
		_, err := b.client.DeleteObject(ctx, &s3.DeleteObjectInput{Bucket: &b.name, Key: &key})
		return err
	}
	_, err := b.client.AbortMultipartUpload(ctx, &s3.AbortMultipartUploadInput{Bucket: &b.name, Key: &key, UploadId: &e.Upload})
	return err
}
