// Package s3 keeps objects in a bucket of S3, or of a service that is as
// strict: it must honour If-None-Match on writes and verify checksums.
//
//	<prefix>object/<key>            an object, whole
//	<prefix>tail/<key>/<random>     the end of an upload, too small to be a part,
//	                                or a copy that is made to learn a checksum
//	multipart uploads of <prefix>object/<key>
//
// A part of a multipart upload has at least 5 MiB unless it is the last, so
// what an Append has left over waits in a tail object until the next one takes
// it up. An upload that never fills a part stays one tail and becomes an
// ordinary object.
//
// What clients send straight to the bucket has the tag berth=unverified until
// it is kept.
//
// A crash, or a future that nobody keeps to, can strand tails, multipart uploads
// and objects with that tag, and nothing else. Three lifecycle rules on the
// bucket remove them: one expires <prefix>tail/, one what has the tag, and one
// aborts incomplete multipart uploads, all after blobs.UploadLife and a day.
// Nothing here does that work itself.
//
// An object has at most 10,000 parts. Parts grow as the upload does: streamed
// in one Append the limit is near 140 GiB, in the smallest pieces near 85 GiB.
//
// The credentials need s3:GetObject, PutObject, DeleteObject and
// AbortMultipartUpload on the prefix, and on the bucket ListBucket, without
// which S3 answers 403 for what is absent, and ListBucketMultipartUploads. For
// what clients send themselves also PutObjectTagging, DeleteObjectTagging and
// ListMultipartUploadParts on <prefix>object/; the URLs that are signed are good
// for no longer than the credentials that signed them.
// Whoever holds them can read, replace and delete every blob; readers notice
// by the digest.
package s3

import (
	"sync"

	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/berthregistry/berth/shared/blobs"
)

var (
	_ blobs.Store   = (*Store)(nil)
	_ blobs.Locator = (*Store)(nil)
	_ blobs.Direct  = (*Store)(nil)
)

const (
	minPart  = 5 << 20 // what S3 demands of every part but the last
	maxParts = 10_000
)

// Store is a blobs.Store in a bucket.
type Store struct {
	client   *s3.Client
	presign  *s3.PresignClient
	bucket   string
	prefix   string
	partSize int64
	blocks   sync.Pool
}

// An Option changes how a Store works.
type Option func(*Store)

// WithPartSize sets the bytes that are gathered before a part is uploaded: 8
// MiB otherwise, and never below 5. An Append holds up to two parts in memory
// at a time; fewer and larger parts cost fewer requests.
func WithPartSize(bytes int64) Option {
	return func(s *Store) { s.partSize = max(bytes, minPart) }
}

// New returns the store in a bucket under a prefix, which is empty or ends in
// a slash. It makes no call.
func New(client *s3.Client, bucket, prefix string, options ...Option) *Store {
	s := &Store{
		client:   client,
		presign:  s3.NewPresignClient(client, s3.WithPresignClientFromClientOptions(withoutChecksums)),
		bucket:   bucket,
		prefix:   prefix,
		partSize: 8 << 20,
		blocks:   sync.Pool{New: func() any { return new(block) }},
	}
	for _, option := range options {
		option(s)
	}
	return s
}

func (s *Store) objectKey(key string) string { return s.prefix + "object/" + key }

// tailPrefix begins the keys of all tails of an upload. No tail of another
// begins so, since no key is the folder of another.
func (s *Store) tailPrefix(key string) string { return s.prefix + "tail/" + key + "/" }

func (s *Store) tailKey(key string, id tailID) string { return s.tailPrefix(key) + id.String() }
