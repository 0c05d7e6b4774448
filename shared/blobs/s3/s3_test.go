package s3_test

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"net/http"
	"os"
	"testing"

	"github.com/aws/aws-sdk-go-v2/credentials"
	awss3 "github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/berthregistry/berth/shared/blobs"
	"github.com/berthregistry/berth/shared/blobs/blobstest"
	"github.com/berthregistry/berth/shared/blobs/s3"
)

// service is the S3 service under test. The defaults are those of
// scripts/services/s3.
type service struct {
	endpoint, accessKey, secretKey, bucket string
}

func serviceFromEnv() (service, error) {
	s := service{
		endpoint:  os.Getenv("BERTH_TEST_S3"),
		accessKey: cmp.Or(os.Getenv("BERTH_TEST_S3_ACCESS_KEY"), "berth-test"),
		secretKey: cmp.Or(os.Getenv("BERTH_TEST_S3_SECRET_KEY"), "berth-test-secret"),
		bucket:    cmp.Or(os.Getenv("BERTH_TEST_S3_BUCKET"), "berth-test"),
	}
	if s.endpoint == "" {
		return s, errors.New("no S3 service: set BERTH_TEST_S3 to the address of one, such as scripts/services/s3 runs")
	}
	return s, nil
}

func testService(t testing.TB) service {
	t.Helper()
	s, err := serviceFromEnv()
	if err != nil && os.Getenv("BERTH_TEST_REQUIRE") == "1" {
		t.Fatalf("%v; BERTH_TEST_REQUIRE forbids to skip", err)
	}
	if err != nil {
		t.Skip(err)
	}
	return s
}

// client has all its settings from here, none from the environment.
func (s service) client() *awss3.Client {
	return awss3.New(awss3.Options{
		BaseEndpoint: &s.endpoint,
		Region:       "us-east-1",
		Credentials:  credentials.NewStaticCredentialsProvider(s.accessKey, s.secretKey, ""),
		UsePathStyle: true,
		HTTPClient:   http.DefaultClient,
	})
}

// newPrefix returns a prefix that no test has used.
func newPrefix() string {
	var id [8]byte
	rand.Read(id[:]) // never fails
	return "test-" + hex.EncodeToString(id[:]) + "/"
}

// cleanUp has what a test leaves in the bucket removed at its end, lest it fill
// the disk of a service that serves many runs.
func (s service) cleanUp(t testing.TB, prefix string) {
	t.Cleanup(func() {
		ctx := context.WithoutCancel(t.Context())
		client := s.client()
		objects := awss3.NewListObjectsV2Paginator(client, &awss3.ListObjectsV2Input{Bucket: &s.bucket, Prefix: &prefix})
		for objects.HasMorePages() {
			page, err := objects.NextPage(ctx)
			if err != nil {
				t.Errorf("clean up: %v", err)
				return
			}
			for _, o := range page.Contents {
				client.DeleteObject(ctx, &awss3.DeleteObjectInput{Bucket: &s.bucket, Key: o.Key})
			}
		}
		uploads := awss3.NewListMultipartUploadsPaginator(client, &awss3.ListMultipartUploadsInput{Bucket: &s.bucket, Prefix: &prefix})
		for uploads.HasMorePages() {
			page, err := uploads.NextPage(ctx)
			if err != nil {
				t.Errorf("clean up: %v", err)
				return
			}
			for _, u := range page.Uploads {
				client.AbortMultipartUpload(ctx, &awss3.AbortMultipartUploadInput{Bucket: &s.bucket, Key: u.Key, UploadId: u.UploadId})
			}
		}
	})
}

func open(t testing.TB) blobs.Store {
	s := testService(t)
	prefix := newPrefix()
	s.cleanUp(t, prefix)
	return s3.New(s.client(), s.bucket, prefix)
}

func TestContract(t *testing.T) {
	testService(t)
	blobstest.Run(t, open)
}

func TestLocator(t *testing.T) {
	testService(t)
	blobstest.RunLocator(t, open)
}
