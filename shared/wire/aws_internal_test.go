package wire

import (
	"bytes"
	"cmp"
	"context"
	"crypto/rand"
	"encoding/base64"
	"io"
	"log/slog"
	mathrand "math/rand/v2"
	"net/http"
	"os"
	"strconv"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/berthregistry/berth/shared/gateway"
	"github.com/berthregistry/berth/shared/table/dynamo"
)

// service returns the address in an environment variable, or ends the test.
func service(t *testing.T, variable string) string {
	t.Helper()
	address := os.Getenv(variable)
	switch {
	case address != "":
	case os.Getenv("BERTH_TEST_REQUIRE") == "1":
		t.Fatalf("%s is not set, and BERTH_TEST_REQUIRE=1 wants it", variable)
	default:
		t.Skipf("%s is not set: scripts/test starts the service and sets it", variable)
	}
	return address
}

// onServices is the environment of functions on a new table and a prefix of
// their own, in whatever stands in for DynamoDB and S3.
func onServices(t *testing.T) Config {
	t.Helper()
	name := "berth-test-" + rand.Text()
	env := map[string]string{
		"BERTH_TABLE":               name,
		"BERTH_ACCESS":              "open",
		"BERTH_BUCKET":              cmp.Or(os.Getenv("BERTH_TEST_S3_BUCKET"), "berth-test"),
		"BERTH_PREFIX":              strings.ToLower(name) + "/",
		"BERTH_INLINE_LIMIT":        "65536",
		"BERTH_SETTINGS":            "repositories:\n  - pattern: team/*\n    referrers-header: absent-only\n",
		"AWS_REGION":                "us-east-1",
		"AWS_ACCESS_KEY_ID":         cmp.Or(os.Getenv("BERTH_TEST_S3_ACCESS_KEY"), "berth-test"),
		"AWS_SECRET_ACCESS_KEY":     cmp.Or(os.Getenv("BERTH_TEST_S3_SECRET_KEY"), "berth-test-secret"),
		"AWS_ENDPOINT_URL_DYNAMODB": service(t, "BERTH_TEST_DYNAMODB"),
		"AWS_ENDPOINT_URL_S3":       service(t, "BERTH_TEST_S3"),
	}
	c, err := Read(func(name string) (string, bool) { value, ok := env[name]; return value, ok })
	if err != nil {
		t.Fatal(err)
	}
	db := newDynamoDB(c)
	if err := dynamo.CreateTable(t.Context(), db, name); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx := context.Background() // t.Context has ended by now
		if _, err := db.DeleteTable(ctx, &dynamodb.DeleteTableInput{TableName: &name}); err != nil {
			t.Log(err)
		}
		empty(ctx, t, c)
	})
	return c
}

// empty removes what a test has put into the bucket.
func empty(ctx context.Context, t *testing.T, c Config) {
	client := newS3(c)
	pages := s3.NewListObjectsV2Paginator(client, &s3.ListObjectsV2Input{Bucket: &c.Bucket, Prefix: &c.Prefix})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			t.Log(err)
			return
		}
		for _, o := range page.Contents {
			if _, err := client.DeleteObject(ctx, &s3.DeleteObjectInput{Bucket: &c.Bucket, Key: o.Key}); err != nil {
				t.Log(err)
			}
		}
	}
}

// functions are the three of a deployed registry, and what they log.
type functions struct {
	t                  *testing.T
	pull, push, delete func(context.Context, gateway.Request) (gateway.Response, error)
	log                bytes.Buffer
}

func newFunctions(t *testing.T, c Config) *functions {
	f := &functions{t: t}
	log := NewLog(&f.log, slog.LevelInfo)
	f.pull = gateway.New(Handler(c, log, http.MethodGet, http.MethodHead), gateway.Log(log))
	f.push = gateway.New(Handler(c, log, http.MethodPost, http.MethodPatch, http.MethodPut), gateway.Log(log))
	f.delete = gateway.New(Handler(c, log, http.MethodDelete), gateway.Log(log))
	return f
}

// send routes a request as the template does, and returns the answer's header
// and body.
func (f *functions) send(want int, method, path, query, contentType string, body []byte) (map[string]string, string) {
	f.t.Helper()
	function := f.push
	switch method {
	case http.MethodGet, http.MethodHead:
		function = f.pull
	case http.MethodDelete:
		function = f.delete
	}
	got, err := function(invocation(f.t.Context(), "an-invocation"), event(method, path, query, contentType, body))
	if err != nil {
		f.t.Fatalf("%s %s: %v", method, path, err)
	}
	if got.StatusCode != want {
		f.t.Fatalf("%s %s: got %d %s, want %d; log:\n%s", method, path, got.StatusCode, got.Body, want, f.log.String())
	}
	if !got.IsBase64Encoded {
		return got.Headers, got.Body
	}
	raw, err := base64.StdEncoding.DecodeString(got.Body)
	if err != nil {
		f.t.Fatalf("%s %s: %v", method, path, err)
	}
	return got.Headers, string(raw)
}

// pushInChunks uploads a blob as a client does that was told how much passes.
func (f *functions) pushInChunks(repo string, blob []byte) {
	f.t.Helper()
	header, _ := f.send(202, "POST", "/v2/"+repo+"/blobs/uploads/", "", "", nil)
	chunk, err := strconv.Atoi(header["Oci-Chunk-Max-Length"])
	if err != nil {
		f.t.Fatalf("no chunk size in %v", header)
	}
	for rest := blob; len(rest) > 0; rest = rest[min(chunk, len(rest)):] {
		header, _ = f.send(202, "PATCH", header["Location"], "", "application/octet-stream", rest[:min(chunk, len(rest))])
	}
	f.send(201, "PUT", header["Location"], "digest="+digest(blob), "", nil)
}

// An image goes in and out through the functions, on services that stand in for
// those of AWS.
func TestFunctions(t *testing.T) {
	f := newFunctions(t, onServices(t))
	small := []byte("a layer that is sent inline")
	large := make([]byte, 23<<20) // two parts and a rest, in six chunks
	mathrand.NewChaCha8([32]byte{}).Read(large)
	config, manifest := image(small, large)
	const repo = "team/app"

	for _, blob := range [][]byte{config, small} {
		f.send(201, "POST", "/v2/"+repo+"/blobs/uploads/", "digest="+digest(blob), "application/octet-stream", blob)
	}
	f.pushInChunks(repo, large)
	f.send(201, "PUT", "/v2/"+repo+"/manifests/1", "", manifestType, manifest)

	header, body := f.send(200, "GET", "/v2/"+repo+"/manifests/1", "", "", nil)
	if body != string(manifest) || header["Oci-Referrers"] != "absent" {
		t.Errorf("GET of the manifest: got %v %s", header, body)
	}
	// The gateway counts the body of a HEAD.
	if _, body := f.send(200, "HEAD", "/v2/"+repo+"/manifests/1", "", "", nil); body != string(manifest) {
		t.Errorf("HEAD of the manifest: got %q", body)
	}
	if _, body := f.send(200, "GET", "/v2/"+repo+"/blobs/"+digest(small), "", "", nil); body != string(small) {
		t.Errorf("GET of the small layer: got %q", body)
	}
	header, _ = f.send(307, "GET", "/v2/"+repo+"/blobs/"+digest(large), "", "", nil)
	if got := fetch(t, header["Location"]); digest(got) != digest(large) {
		t.Errorf("GET of the large layer: got %d bytes of another digest", len(got))
	}

	f.send(202, "DELETE", "/v2/"+repo+"/manifests/"+digest(manifest), "", "", nil)
	f.send(404, "GET", "/v2/"+repo+"/manifests/1", "", "", nil)
	checkLog(t, &f.log)
}

func fetch(t *testing.T, url string) []byte {
	t.Helper()
	resp, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != http.StatusOK {
		t.Fatalf("got %s, %v: %.200s", resp.Status, err, body)
	}
	return body
}

// checkLog holds that each of the three functions was cold once, that each line
// says its invocation, and that none is of an error or tells a secret.
func checkLog(t *testing.T, log *bytes.Buffer) {
	t.Helper()
	if strings.Contains(log.String(), "secret") || strings.Contains(log.String(), "X-Amz-Signature") {
		t.Error("the log tells a secret")
	}
	cold := 0
	for _, line := range lines(t, log) {
		if line["cold"] == true {
			cold++
		}
		if line["lambda_request_id"] != "an-invocation" || line["level"] != "INFO" {
			t.Errorf("line %v", line)
		}
	}
	if cold != 3 {
		t.Errorf("%d cold starts of 3 functions", cold)
	}
}

// What is wrong with the services is told to the log, not to the client.
func TestServicesThatAreNotThere(t *testing.T) {
	c := onServices(t)
	c.Table = "berth-test-" + rand.Text()
	f := newFunctions(t, c)
	_, body := f.send(500, "GET", "/v2/team/app/manifests/1", "", "", nil)
	if strings.Contains(body, c.Table) || strings.Contains(body, "ResourceNotFound") {
		t.Errorf("the client is told %s", body)
	}
	if !strings.Contains(f.log.String(), "ResourceNotFoundException") {
		t.Errorf("the log does not say why:\n%s", f.log.String())
	}
}
