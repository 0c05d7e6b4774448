package iam_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	awss3 "github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/berthregistry/berth/shared/blobs"
	"github.com/berthregistry/berth/shared/blobs/blobstest"
	"github.com/berthregistry/berth/shared/blobs/s3"
)

// directActions is what the driver says it needs beside the rest for what
// clients send themselves.
var directActions = []string{"s3:PutObjectTagging", "s3:DeleteObjectTagging", "s3:ListMultipartUploadParts"}

// What clients send themselves passes its contract with the permissions that
// the driver's comment asks for, and no others: those of a URL are its signer's.
func TestDirectContract(t *testing.T) {
	service(t, s3Variable)
	type placed struct {
		*s3.Store
		prefix string
	}
	blobstest.RunDirect(t, func(t testing.TB) blobs.Store {
		prefix := newPrefix(t)
		address := serve(t, s3Config(t, s3Policy(t, prefix, slices.Concat(objectActions, directActions), bucketActions)))
		return placed{s3.New(newS3(address, region, session), testBucket(), prefix), prefix}
	}, func(t testing.TB, store blobs.Store, key string) bool {
		bucket, object := testBucket(), store.(placed).prefix+"object/"+key
		out, err := newS3(service(t, s3Variable), s3Region, s3Root()).GetObjectTagging(t.Context(),
			&awss3.GetObjectTaggingInput{Bucket: &bucket, Key: &object})
		if err != nil {
			t.Fatal(err)
		}
		return len(out.TagSet) > 0
	})
}

// Each permission for what clients send themselves is needed, by the driver or
// by who has a URL of it.
func TestEachDirectPermission(t *testing.T) {
	run := func(t *testing.T, missing string) (*ledger, error) {
		used, prefix := newLedger(), newPrefix(t)
		c := s3Config(t, s3Policy(t, prefix, without(slices.Concat(objectActions, directActions), missing), without(bucketActions, missing)))
		c.Used = used.note
		return used, useDirect(t, s3.New(newS3(serve(t, c), region, session), testBucket(), prefix))
	}
	needed := []string{"s3:GetObject", "s3:PutObject"}
	needed = append(needed, directActions...)
	t.Run("all", func(t *testing.T) {
		used, err := run(t, "")
		// What Sum copies is deleted.
		if got, want := used.list(true), strings.Join(slices.Sorted(slices.Values(append(needed, "s3:DeleteObject"))), " "); err != nil || got != want {
			t.Errorf("used: got %s, %v\nwant %s", got, err, want)
		}
	})
	for _, action := range needed {
		t.Run(action, func(t *testing.T) {
			used, err := run(t, action)
			wantDenied(t, err, used, action)
		})
	}
}

// useDirect makes every kind of call that there is for what clients send
// themselves, up to the first that goes wrong, and then the others.
func useDirect(t *testing.T, store *s3.Store) error {
	ctx, part, sum := t.Context(), make([]byte, 5<<20), sha256.Sum256(make([]byte, 5<<20))
	url, header, err := store.MarkedURL(ctx, "one", int64(len(part)), sum[:], time.Minute)
	failed := []error{err, send(ctx, url, header, part), store.Keep(ctx, "one")}
	id, err := store.BeginParts(ctx, "many")
	if err != nil {
		return errors.Join(append(failed, err)...)
	}
	for number := 1; number <= 2; number++ {
		url, header, err := store.PartURL(ctx, "many", id, blobs.Part{Number: number, Size: int64(len(part)), SHA256: sum[:]}, time.Minute)
		failed = append(failed, err, send(ctx, url, header, part))
	}
	parts, _, err := store.Parts(ctx, "many", id, 0)
	if err != nil {
		return errors.Join(append(failed, err)...)
	}
	join := store.Join(ctx, "many", id, parts)
	_, _, stat := store.Stat(ctx, "many")
	_, sums := store.Sum(ctx, "many", int64(2*len(part)))
	read := store.ReadAt(ctx, "many", make([]byte, 10), 5)
	return errors.Join(append(failed, join, stat, sums, read, store.Keep(ctx, "many"))...)
}

// send does what a client does with a URL.
func send(ctx context.Context, url string, header http.Header, body []byte) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodPut, url, bytes.NewReader(body))
	if err != nil {
		return err
	}
	req.Header = header.Clone()
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	said, err := io.ReadAll(resp.Body)
	if err == nil && resp.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s: %s", resp.Status, said)
	}
	return err
}
