package s3

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"github.com/berthregistry/berth/shared/blobs"
)

// ErrTooLarge is wrapped by Append's error about an upload that has used up
// its parts. What it holds can still be completed.
var ErrTooLarge = errors.New("upload is too large")

const (
	// maxState is the bound that the port sets on Upload.State, less what the
	// state needs beside its parts.
	maxState = 300<<10 - 12<<10
	// inFlight is how many parts an Append has in memory, being filled or on
	// their way.
	inFlight = 2
)

// uploader sends the parts of one Append, some at a time.
type uploader struct {
	store *Store
	key   string
	id    string // of the multipart upload, empty until the first part
	had   int    // parts that the state had
	slots chan struct{}
	wg    sync.WaitGroup

	mu   sync.Mutex
	sent []sentPart // in the order of their bytes
	err  error      // the first
	room int        // bytes left for parts in the state
}

type sentPart struct {
	part
	size   int64
	stored bool
}

func newUploader(s *Store, u blobs.Upload, st *state) *uploader {
	return &uploader{
		store: s,
		key:   u.Key,
		id:    st.upload,
		had:   len(st.parts),
		slots: make(chan struct{}, inFlight),
		room:  maxState - len(u.State),
	}
}

// take returns an empty buffer, when there is one to be had.
func (u *uploader) take() *buffer {
	u.slots <- struct{}{}
	return &buffer{pool: &u.store.blocks}
}

// give frees a buffer that was taken.
func (u *uploader) give(b *buffer) {
	b.free()
	<-u.slots
}

// send uploads a buffer as the next part, in the background, and then gives
// it. The error is that of an earlier part, or says that none can be sent.
func (u *uploader) send(ctx context.Context, b *buffer) error {
	number, err := u.next(b.size)
	if err == nil {
		err = u.begin(ctx)
	}
	if err != nil {
		u.give(b)
		return err
	}
	u.wg.Go(func() {
		defer u.give(b)
		p, err := u.upload(ctx, u.had+number, b)
		u.done(number, p, err)
	})
	return nil
}

// next counts a part, from one, among those of this Append. The last part that
// S3 allows is left for the tail.
func (u *uploader) next(size int64) (number int, err error) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.err != nil {
		return 0, u.err
	}
	if u.had+len(u.sent) >= maxParts-1 || u.room < 0 {
		return 0, ErrTooLarge
	}
	u.sent = append(u.sent, sentPart{size: size})
	return len(u.sent), nil
}

// begin begins the multipart upload if there is none. Should the answer be
// lost, or the state not be kept, it stays for the lifecycle rule.
func (u *uploader) begin(ctx context.Context) error {
	if u.id != "" {
		return nil
	}
	out, err := u.store.client.CreateMultipartUpload(ctx, &s3.CreateMultipartUploadInput{
		Bucket:            &u.store.bucket,
		Key:               aws.String(u.store.objectKey(u.key)),
		ContentType:       aws.String(binaryType),
		ChecksumAlgorithm: types.ChecksumAlgorithmCrc32,
		ChecksumType:      types.ChecksumTypeComposite,
	})
	if err != nil {
		return fmt.Errorf("begin multipart upload: %w", err)
	}
	u.id = aws.ToString(out.UploadId)
	return nil
}

// upload sends one part. S3 verifies it twice: by the CRC that Complete will
// repeat, and by the SHA-256 in the signature.
func (u *uploader) upload(ctx context.Context, number int, b *buffer) (part, error) {
	out, err := u.store.client.UploadPart(ctx, &s3.UploadPartInput{
		Bucket:        &u.store.bucket,
		Key:           aws.String(u.store.objectKey(u.key)),
		UploadId:      &u.id,
		PartNumber:    aws.Int32(int32(number)),
		Body:          b.reader(),
		ContentLength: &b.size,
		ChecksumCRC32: encodeCRC(b.crc),
	}, withSignedPayload)
	if hasCode(err, "NoSuchUpload") {
		return part{}, fmt.Errorf("upload part %d: %w", number, blobs.ErrUploadLost)
	}
	if err != nil {
		return part{}, fmt.Errorf("upload part %d: %w", number, err)
	}
	return newPart(out.ETag, b.crc), nil
}

// done notes what came of a part.
func (u *uploader) done(number int, p part, err error) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if err != nil {
		if u.err == nil {
			u.err = err
		}
		return
	}
	sent := &u.sent[number-1]
	sent.part, sent.stored = p, true
	u.room -= len(appendETag(nil, p.etag)) + 4
}

// wait waits for all parts and returns the first error.
func (u *uploader) wait() error {
	u.wg.Wait()
	return u.err
}

// stored returns the parts before the first that failed, after wait.
func (u *uploader) stored() (parts []part, size int64, all bool) {
	for _, p := range u.sent {
		if !p.stored {
			return parts, size, false
		}
		parts = append(parts, p.part)
		size += p.size
	}
	return parts, size, true
}
