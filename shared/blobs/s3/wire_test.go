package s3_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"hash/crc32"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws/ratelimit"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	awss3 "github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/berthregistry/berth/shared/blobs"
	"github.com/berthregistry/berth/shared/blobs/blobstest"
	"github.com/berthregistry/berth/shared/blobs/s3"
)

const part = 5 << 20

// hasty is a client that retries as the SDK does, without the pauses.
func (s service) hasty() *awss3.Client {
	options := s.client().Options()
	options.Retryer = retry.NewStandard(func(o *retry.StandardOptions) {
		o.MaxAttempts = 3
		o.Backoff = retry.BackoffDelayerFunc(func(int, error) (time.Duration, error) { return time.Millisecond, nil })
		o.RateLimiter = ratelimit.None
	})
	return awss3.New(options)
}

// throughProxy returns a store whose requests the proxy sees.
func throughProxy(t *testing.T, options ...s3.Option) (*proxy, *s3.Store) {
	t.Helper()
	direct := testService(t)
	p, s := newProxy(t, direct)
	prefix := newPrefix()
	direct.cleanUp(t, prefix)
	return p, s3.New(s.hasty(), s.bucket, prefix, options...)
}

func add(t *testing.T, store *s3.Store, u blobs.Upload, body []byte) blobs.Upload {
	t.Helper()
	next, err := store.Append(t.Context(), u, bytes.NewReader(body))
	if err != nil {
		t.Fatalf("append %d bytes at %d: %v", len(body), u.Size, err)
	}
	return next
}

func contents(t *testing.T, store *s3.Store, key string, size int) ([]byte, error) {
	t.Helper()
	r, err := store.Open(t.Context(), key, int64(size))
	if err != nil {
		return nil, err
	}
	defer r.Close()
	return io.ReadAll(r)
}

func wantObject(t *testing.T, store *s3.Store, key string, want []byte) {
	t.Helper()
	got, err := contents(t, store, key, len(want))
	if err != nil || !bytes.Equal(got, want) {
		t.Fatalf("object %s: got %d bytes, error %v, want %d", key, len(got), err, len(want))
	}
}

// TestRequests pins what each call costs.
func TestRequests(t *testing.T) {
	p, store := throughProxy(t)
	ctx := t.Context()
	small, large := blobs.Upload{Key: "small"}, blobs.Upload{Key: "large"}
	body := blobstest.Bytes(1, 2*part+100)
	var read io.ReadSeekCloser
	steps := []struct {
		name string
		do   func() error
		want []string
	}{
		{"put", func() error { return store.Put(ctx, "a", []byte("abc")) }, []string{putObject}},
		{"open", func() (err error) { read, err = store.Open(ctx, "a", 3); return err }, nil},
		{"seek to the end and back", func() error {
			_, err := read.Seek(0, io.SeekEnd)
			if err == nil {
				_, err = read.Seek(0, io.SeekStart)
			}
			return err
		}, nil},
		{"read", func() error { _, err := io.ReadAll(read); return err }, []string{getObject}},
		{"append nothing", func() (err error) { small, err = store.Append(ctx, small, strings.NewReader("")); return err }, nil},
		{"append little", func() (err error) { small, err = store.Append(ctx, small, strings.NewReader("abc")); return err }, []string{putObject}},
		{"append little again", func() (err error) { small, err = store.Append(ctx, small, strings.NewReader("def")); return err }, []string{getObject, putObject}},
		{"complete small", func() error { return store.Complete(ctx, small) }, []string{deleteObjects, getObject, putObject}},
		{"complete small again", func() error { return store.Complete(ctx, small) }, []string{deleteObjects, getObject, headObject}},
		{"append a part", func() (err error) { large, err = store.Append(ctx, large, bytes.NewReader(body[:part])); return err }, []string{createUpload, uploadPart}},
		{"append a part again", func() (err error) {
			large, err = store.Append(ctx, large, bytes.NewReader(body[part:2*part]))
			return err
		}, []string{uploadPart}},
		{"append a tail", func() (err error) {
			large, err = store.Append(ctx, large, bytes.NewReader(body[2*part:]))
			return err
		}, []string{putObject}},
		{"complete large", func() error { return store.Complete(ctx, large) }, []string{completeUpload, deleteObjects, uploadPartCopy}},
		{"delete", func() error { return store.Delete(ctx, "large") }, []string{deleteObject}},
		{"abort", func() error { return store.Abort(ctx, blobs.Upload{Key: "b"}) }, []string{deleteObject, listUploads, listObjects}},
		{"locate", func() error { _, err := store.ReadURL(ctx, "a", http.MethodGet, time.Minute); return err }, nil},
		{"locate for writing", func() error {
			_, _, err := store.WriteURL(ctx, "c", 3, nil, time.Minute)
			return err
		}, nil},
	}
	for _, step := range steps {
		if err := step.do(); err != nil {
			t.Fatalf("%s: %v", step.name, err)
		}
		if got, want := p.take(), strings.Join(step.want, " "); got != want {
			t.Errorf("%s: got requests %q, want %q", step.name, got, want)
		}
	}
}

// TestHeaders looks at what makes writes safe: the condition on objects, and a
// checksum on everything that carries bytes.
func TestHeaders(t *testing.T) {
	p, store := throughProxy(t)
	var mu sync.Mutex
	counts := map[string]int{}
	p.watch(func(op string, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		counts[op]++
		if problem := wrongHeaders(op, r); problem != "" {
			t.Errorf("%s %s: %s", op, r.URL.Path, problem)
		}
	})
	body := blobstest.Bytes(1, part+100)
	if err := store.Put(t.Context(), "a", body[:100]); err != nil {
		t.Fatal(err)
	}
	u := add(t, store, blobs.Upload{Key: "b"}, body)
	u = add(t, store, u, body[:100])
	if err := store.Complete(t.Context(), u); err != nil {
		t.Fatal(err)
	}
	wantObject(t, store, "b", append(body, body[:100]...))
	for _, op := range []string{putObject, uploadPart, createUpload, uploadPartCopy, completeUpload, getObject} {
		if counts[op] == 0 {
			t.Errorf("%s: never seen", op)
		}
	}
}

// wrongHeaders says what is wrong with a request.
func wrongHeaders(op string, r *http.Request) string {
	h := r.Header
	isTail := strings.Contains(r.URL.Path, "/tail/")
	makesObject := op == completeUpload || op == putObject && !isTail
	if got := h.Get("If-None-Match"); makesObject != (got == "*") {
		return fmt.Sprintf("If-None-Match is %q", got)
	}
	switch op {
	case putObject, createUpload:
		if got := h.Get("Content-Type"); got != "application/octet-stream" {
			return fmt.Sprintf("Content-Type is %q", got)
		}
	case getObject:
		if got := h.Get("Range"); !strings.HasPrefix(got, "bytes=0-") {
			return fmt.Sprintf("Range is %q", got)
		}
	}
	if op != putObject && op != uploadPart {
		return ""
	}
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return err.Error()
	}
	r.Body = io.NopCloser(bytes.NewReader(body))
	sum := sha256.Sum256(body)
	if got, want := h.Get("X-Amz-Content-Sha256"), fmt.Sprintf("%x", sum); got != want {
		return fmt.Sprintf("signed sum is %q, want %q", got, want)
	}
	name, want := "X-Amz-Checksum-Sha256", base64.StdEncoding.EncodeToString(sum[:])
	if op == uploadPart {
		crc := crc32.ChecksumIEEE(body)
		name, want = "X-Amz-Checksum-Crc32", base64.StdEncoding.EncodeToString([]byte{byte(crc >> 24), byte(crc >> 16), byte(crc >> 8), byte(crc)})
	}
	if got := h.Get(name); got != want {
		return fmt.Sprintf("%s is %q, want %q", name, got, want)
	}
	return ""
}

// TestReadResumes cuts the answer to a read once, which is mended, and for
// good, which is an error and no end.
func TestReadResumes(t *testing.T) {
	p, store := throughProxy(t)
	body := blobstest.Bytes(1, 1<<20)
	if err := store.Put(t.Context(), "a", body); err != nil {
		t.Fatal(err)
	}
	p.take()
	judge, _ := failing(getObject, cut, 1)
	p.set(judge)
	wantObject(t, store, "a", body)
	if got, want := p.take(), getObject+" "+getObject; got != want {
		t.Errorf("requests: got %q, want %q", got, want)
	}
	judge, _ = failing(getObject, cutAtOnce, -1)
	p.set(judge)
	if got, err := contents(t, store, "a", len(body)); err == nil {
		t.Errorf("read through a dead connection: got %d bytes and no error", len(got))
	}
}

func TestReadOfOtherSize(t *testing.T) {
	_, store := throughProxy(t)
	if err := store.Put(t.Context(), "a", []byte("abcdef")); err != nil {
		t.Fatal(err)
	}
	for _, size := range []int{5, 7} {
		if got, err := contents(t, store, "a", size); err == nil {
			t.Errorf("object of 6 bytes read as %d: got %q and no error", size, got)
		}
	}
}
