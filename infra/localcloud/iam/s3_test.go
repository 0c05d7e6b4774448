package iam_test

import (
	"bytes"
	"cmp"
	"context"
	"crypto/rand"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awss3 "github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"github.com/berthregistry/berth/infra/localcloud/iam"
	"github.com/berthregistry/berth/shared/blobs"
	"github.com/berthregistry/berth/shared/blobs/blobstest"
	"github.com/berthregistry/berth/shared/blobs/s3"
)

const s3Variable = "BERTH_TEST_S3"

// The S3 service of the tests is one region's, and has one account.
const s3Region = "us-east-1"

func s3Root() aws.Credentials {
	return aws.Credentials{
		AccessKeyID:     cmp.Or(os.Getenv("BERTH_TEST_S3_ACCESS_KEY"), "berth-test"),
		SecretAccessKey: cmp.Or(os.Getenv("BERTH_TEST_S3_SECRET_KEY"), "berth-test-secret"),
	}
}

func testBucket() string { return cmp.Or(os.Getenv("BERTH_TEST_S3_BUCKET"), "berth-test") }

// objectActions and bucketActions are what the driver says it must be allowed
// on its prefix and on its bucket.
var (
	objectActions = []string{"s3:GetObject", "s3:PutObject", "s3:DeleteObject", "s3:AbortMultipartUpload"}
	bucketActions = []string{"s3:ListBucket", "s3:ListBucketMultipartUploads"}
)

func s3Policy(t testing.TB, prefix string, object, bucket []string) iam.Policy {
	t.Helper()
	arn := "arn:aws:s3:::" + testBucket()
	p, err := iam.NewPolicy(
		iam.Statement{Effect: "Allow", Actions: object, Resources: []string{arn + "/" + prefix + "*"}},
		iam.Statement{Effect: "Allow", Actions: bucket, Resources: []string{arn}},
	)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// The driver passes its contract with the permissions that its comment asks
// for, and no others.
func TestBlobContract(t *testing.T) {
	service(t, s3Variable)
	blobstest.Run(t, openBlobs)
}

// URLs that the driver signs are good at the proxy, as they are at S3.
func TestLocatorContract(t *testing.T) {
	service(t, s3Variable)
	blobstest.RunLocator(t, openBlobs)
}

func openBlobs(t testing.TB) blobs.Store {
	prefix := newPrefix(t)
	address := serve(t, s3Config(t, s3Policy(t, prefix, objectActions, bucketActions)))
	return s3.New(newS3(address, region, session), testBucket(), prefix)
}

// s3Config is for a proxy before the service of the tests.
func s3Config(t testing.TB, allowed iam.Policy) iam.Config {
	c := newConfig(t, iam.S3, service(t, s3Variable), allowed)
	c.Root, c.TargetRegion = s3Root(), s3Region
	return c
}

func newS3(address, region string, who aws.Credentials) *awss3.Client {
	return awss3.New(awss3.Options{
		BaseEndpoint: &address, Region: region, Credentials: credentialsOf(who),
		UsePathStyle: true, HTTPClient: http.DefaultClient, Retryer: impatient(),
	})
}

// newPrefix returns a prefix that no test has used, and has it emptied at the
// end.
func newPrefix(t testing.TB) string {
	t.Helper()
	prefix := "test-" + rand.Text() + "/"
	t.Cleanup(func() { empty(t, prefix) })
	return prefix
}

// empty removes what is below a prefix, past the proxy.
func empty(t testing.TB, prefix string) {
	ctx, bucket := contextOf(t), testBucket()
	client := newS3(service(t, s3Variable), s3Region, s3Root())
	objects := awss3.NewListObjectsV2Paginator(client, &awss3.ListObjectsV2Input{Bucket: &bucket, Prefix: &prefix})
	for objects.HasMorePages() {
		page, err := objects.NextPage(ctx)
		if err != nil {
			t.Errorf("clean up: %v", err)
			return
		}
		for _, o := range page.Contents {
			client.DeleteObject(ctx, &awss3.DeleteObjectInput{Bucket: &bucket, Key: o.Key})
		}
	}
	uploads, err := client.ListMultipartUploads(ctx, &awss3.ListMultipartUploadsInput{Bucket: &bucket, Prefix: &prefix})
	if err != nil {
		t.Errorf("clean up: %v", err)
		return
	}
	for _, u := range uploads.Uploads {
		client.AbortMultipartUpload(ctx, &awss3.AbortMultipartUploadInput{Bucket: &bucket, Key: u.Key, UploadId: u.UploadId})
	}
}

// contextOf is one that a cleanup can still use.
func contextOf(t testing.TB) context.Context { return context.WithoutCancel(t.Context()) }

// Bytes that are not those of the signature are refused: the server behind is
// told the hash, and verifies it.
func TestPayloadMismatch(t *testing.T) {
	prefix := newPrefix(t)
	address := serve(t, s3Config(t, s3Policy(t, prefix, objectActions, bucketActions)))
	put := putObject
	put.url = "http://blobs.test/" + testBucket() + "/" + prefix + "object"
	put.payload = strings.Repeat("0", 64)
	resp := present(t, address, put, nil, nil)
	if body, _ := io.ReadAll(resp.Body); resp.StatusCode != http.StatusBadRequest {
		t.Errorf("got %s %s, want 400", resp.Status, body)
	}
}

// S3 calls it success if no object may be deleted, and says so of each. If
// some may be, the proxy has no answer.
func TestDeleteObjectsDenied(t *testing.T) {
	denying := func(allowed iam.Policy) *awss3.Client {
		return newS3(serve(t, newConfig(t, iam.S3, fakeTarget(t, nil), allowed)), region, session)
	}
	input := &awss3.DeleteObjectsInput{Bucket: aws.String("content"), Delete: &types.Delete{
		Objects: []types.ObjectIdentifier{{Key: aws.String("a/b")}, {Key: aws.String("c&d")}},
	}}
	out, err := denying(iam.Policy{}).DeleteObjects(t.Context(), input)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, e := range out.Errors {
		got = append(got, aws.ToString(e.Code)+" "+aws.ToString(e.Key))
	}
	if got, want := strings.Join(got, ", "), "AccessDenied a/b, AccessDenied c&d"; got != want || len(out.Deleted) > 0 {
		t.Errorf("got %s and %d deleted, want %s", got, len(out.Deleted), want)
	}
	_, err = denying(policy(t, []string{"s3:DeleteObject"}, "arn:aws:s3:::content/a/*")).DeleteObjects(t.Context(), input)
	wantAPIError(t, err, "NotImplemented")
}

// The keys that are judged are those that were signed.
func TestDeleteObjectsMismatch(t *testing.T) {
	s := signed{service: iam.S3, method: http.MethodPost, url: "http://blobs.test/content?delete=",
		body: "<Delete><Object><Key>a</Key></Object></Delete>"}
	g := newGuarded(t, iam.S3)
	answer, _ := g.send(read(t, s.wire(t)))
	wantCode(t, answer, "")
	answer, _ = g.send(read(t, bytes.Replace(s.wire(t), []byte("<Key>a"), []byte("<Key>b"), 1)))
	wantCode(t, answer, "XAmzContentSHA256Mismatch")
}

// A bucket may stand in the host name as well.
func TestVirtualHost(t *testing.T) {
	var got string
	target := fakeTarget(t, func(_ http.ResponseWriter, r *http.Request) { got = r.RequestURI })
	c := newConfig(t, iam.S3, target, policy(t, []string{"s3:GetObject"}, "arn:aws:s3:::content/a"))
	c.Domain = "s3.test"
	proxy, err := iam.NewProxy(c)
	if err != nil {
		t.Fatal(err)
	}
	for host, want := range map[string]string{
		"content.s3.test": "/content/a", "content.s3.test:8080": "/content/a",
		"s3.test": "", "other.s3.test": "", "content.s3.example": "",
	} {
		got = ""
		get := getURL
		get.url, get.date = "http://"+host+"/a", time.Now()
		proxy.ServeHTTP(httptest.NewRecorder(), read(t, get.wire(t)))
		if got != want {
			t.Errorf("%s: got %q, want %q", host, got, want)
		}
	}
}

// An upload without a length is refused as S3 does.
func TestNoLength(t *testing.T) {
	r := read(t, putObject.wire(t))
	r.ContentLength = -1
	answer, _ := newGuarded(t, iam.S3).send(r)
	wantCode(t, answer, "NotImplemented")
}

func TestConfig(t *testing.T) {
	for name, spoil := range map[string]func(*iam.Config){
		"service":    func(c *iam.Config) { c.Service = "sqs" },
		"target":     func(c *iam.Config) { c.Target = nil },
		"path":       func(c *iam.Config) { c.Target = c.Target.JoinPath("below") },
		"region":     func(c *iam.Config) { c.Region = "" },
		"account":    func(c *iam.Config) { c.Account = "" },
		"principals": func(c *iam.Config) { c.Principals = nil },
		"log":        func(c *iam.Config) { c.Log = nil },
	} {
		c := newConfig(t, iam.S3, "http://127.0.0.1:1", iam.Policy{})
		spoil(&c)
		if _, err := iam.NewProxy(c); err == nil {
			t.Errorf("a proxy was made with a wrong %s", name)
		}
	}
}
