package s3_test

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	awss3 "github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/berthregistry/berth/shared/blobs"
	"github.com/berthregistry/berth/shared/blobs/blobstest"
	"github.com/berthregistry/berth/shared/blobs/s3"
	"github.com/berthregistry/berth/shared/blobs/s3/s3test"
)

// placed is a store, and where it keeps its objects.
type placed struct {
	*s3.Store
	service
	prefix string
}

func openPlaced(t testing.TB) blobs.Store {
	s := testService(t)
	prefix := newPrefix()
	s.cleanUp(t, prefix)
	return placed{s3.New(s.client(), s.bucket, prefix), s, prefix}
}

// marked asks the service for the tags of an object.
func marked(t testing.TB, store blobs.Store, key string) bool {
	t.Helper()
	p := store.(placed)
	object := p.prefix + "object/" + key
	out, err := p.client().GetObjectTagging(t.Context(), &awss3.GetObjectTaggingInput{Bucket: &p.bucket, Key: &object})
	if err != nil {
		t.Fatalf("tags: %v", err)
	}
	for _, tag := range out.TagSet {
		if *tag.Key != "berth" || *tag.Value != "unverified" {
			t.Errorf("tag: got %s=%s", *tag.Key, *tag.Value)
		}
	}
	return len(out.TagSet) == 1
}

// TestSweep has the lifecycle rules of the bucket go over one of each thing that
// a store can leave behind, and over what it must keep.
func TestSweep(t *testing.T) {
	store := openPlaced(t).(placed)
	ctx := t.Context()
	for _, key := range []string{"marked", "kept"} {
		sendMarked(t, store.Store, key, []byte("abc"))
	}
	if err := store.Keep(ctx, "kept"); err != nil {
		t.Fatal(err)
	}
	if err := store.Put(ctx, "put", []byte("abc")); err != nil {
		t.Fatal(err)
	}
	if _, err := store.BeginParts(ctx, "parts"); err != nil {
		t.Fatal(err)
	}
	if _, err := store.Append(ctx, blobs.Upload{Key: "tail"}, strings.NewReader("abc")); err != nil {
		t.Fatal(err)
	}
	rules, err := blobstest.LifecycleRules("../../../infra/state.yaml", 7)
	if err != nil {
		t.Fatal(err)
	}
	bucket := s3test.NewBucket(store.client(), store.bucket, store.prefix)
	if removed, err := blobstest.Sweep(ctx, bucket, rules, time.Now().Add(blobs.UploadLife)); err != nil || len(removed) > 0 {
		t.Errorf("sweep within the life of an upload: removed %v, error %v", removed, err)
	}
	removed, err := blobstest.Sweep(ctx, bucket, rules, time.Now().Add(blobs.UploadLife+48*time.Hour))
	if err != nil || len(removed) != 3 {
		t.Errorf("sweep: removed %v, error %v, want 3 things", removed, err)
	}
	left, err := bucket.Entries(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if len(left) != 2 || left[0].Key != "object/kept" || left[1].Key != "object/put" {
		t.Errorf("left: got %v, want the two objects that are in use", left)
	}
}

// sendMarked is the PUT of a client.
func sendMarked(t *testing.T, store *s3.Store, key string, body []byte) {
	t.Helper()
	sum := sha256.Sum256(body)
	url, header, err := store.MarkedURL(t.Context(), key, int64(len(body)), sum[:], time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	sendTo(t, url, header, body)
}

// sendParts begins an upload and sends these parts, as a client does.
func sendParts(t *testing.T, store *s3.Store, key string, bodies ...[]byte) (id string) {
	t.Helper()
	id, err := store.BeginParts(t.Context(), key)
	if err != nil {
		t.Fatal(err)
	}
	sendInto(t, store, key, id, bodies...)
	return id
}

func sendInto(t *testing.T, store *s3.Store, key, id string, bodies ...[]byte) {
	t.Helper()
	for i, body := range bodies {
		sum := sha256.Sum256(body)
		url, header, err := store.PartURL(t.Context(), key, id, blobs.Part{Number: i + 1, Size: int64(len(body)), SHA256: sum[:]}, time.Minute)
		if err != nil {
			t.Fatal(err)
		}
		sendTo(t, url, header, body)
	}
}

func sendTo(t *testing.T, url string, header http.Header, body []byte) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPut, url, bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header = header
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		t.Fatalf("PUT: got %s", resp.Status)
	}
}

// TestPutSaidToBeEncoded: a client adds a header to its PUT that no URL keeps it
// from, and that whoever reads the object would go by.
func TestPutSaidToBeEncoded(t *testing.T) {
	store := openPlaced(t).(placed)
	body := []byte("abc")
	sum := sha256.Sum256(body)
	at, header, err := store.MarkedURL(t.Context(), "a", int64(len(body)), sum[:], time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	header.Set("Content-Encoding", "gzip")
	sendTo(t, at, header, body)
	if size, _, err := store.Stat(t.Context(), "a"); !errors.Is(err, blobs.ErrAbsent) {
		t.Errorf("stat: got %d bytes, error %v, want ErrAbsent", size, err)
	}
}

func TestDirect(t *testing.T) {
	testService(t)
	blobstest.RunDirect(t, openPlaced, marked)
}

// BenchmarkSum compares what S3 says of an object with reading it: a service on
// this machine says how much work it is, not how fast S3 is at it.
func BenchmarkSum(b *testing.B) {
	const size = 64 << 20
	store := openPlaced(b).(placed)
	if err := store.Put(b.Context(), "a", blobstest.Bytes(1, size)); err != nil {
		b.Fatal(err)
	}
	b.Run("sum", func(b *testing.B) {
		b.SetBytes(size)
		for b.Loop() {
			if _, err := store.Sum(b.Context(), "a", size); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("ranges", func(b *testing.B) {
		b.SetBytes(size)
		span := make([]byte, 8<<20)
		for b.Loop() {
			h := sha256.New()
			for at := int64(0); at < size; at += int64(len(span)) {
				if err := store.ReadAt(b.Context(), "a", span, at); err != nil {
					b.Fatal(err)
				}
				h.Write(span)
			}
		}
	})
}
