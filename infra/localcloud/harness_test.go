package main

import (
	"bytes"
	"cmp"
	"crypto/rand"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"testing"
)

// projectRoot is where the tests find template and scripts.
const projectRoot = "../.."

// newConfig is a cloud on the services that the environment names, and with
// them the test is skipped or not.
func newConfig(t *testing.T) config {
	t.Helper()
	logged := &lines{}
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("log of the cloud:\n%s", logged)
		}
	})
	return config{
		root: projectRoot, template: projectRoot + "/template.yaml",
		parameters: map[string]string{"Access": "open"},
		listen:     "127.0.0.1:0", control: "127.0.0.1:0",
		dynamoDB: serviceURL(t, "BERTH_TEST_DYNAMODB"), s3: serviceURL(t, "BERTH_TEST_S3"),
		s3AccessKey: cmp.Or(os.Getenv("BERTH_TEST_S3_ACCESS_KEY"), presetKey),
		s3SecretKey: cmp.Or(os.Getenv("BERTH_TEST_S3_SECRET_KEY"), presetSecret),
		data:        t.TempDir(), bootstraps: bootstraps(t),
		faults: newFaults(), output: logged, log: slog.New(slog.NewTextHandler(logged, nil)),
	}
}

// newCloud starts the project's template, and ends it with the test.
func newCloud(t *testing.T, change ...func(*config)) *cloud {
	t.Helper()
	cfg := newConfig(t)
	for _, f := range change {
		f(&cfg)
	}
	c, err := start(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := c.close(); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	return c
}

// serviceURL returns the address in an environment variable, or ends the test.
func serviceURL(t *testing.T, variable string) string {
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

// built is the folder of the functions' binaries, the same for all tests.
var built struct {
	once sync.Once
	dir  string
	err  error

	berth string // folder of the command
}

// The test binary is localcloud, and the function of the tests, as well.
func TestMain(m *testing.M) {
	if os.Getenv("BERTH_TEST_AS_COMMAND") != "" {
		main()
	}
	if os.Getenv("BERTH_TEST_AS_FUNCTION") != "" {
		listen()
	}
	code := m.Run()
	_ = os.RemoveAll(built.dir) // empty if nothing was built
	_ = os.RemoveAll(built.berth)
	os.Exit(code)
}

func bootstraps(t *testing.T) string {
	t.Helper()
	built.once.Do(func() {
		if built.dir, built.err = os.MkdirTemp("", "localcloud-bootstraps-"); built.err != nil {
			return
		}
		build := exec.Command("scripts/build", "--native", built.dir)
		build.Dir = projectRoot
		var out []byte
		if out, built.err = build.CombinedOutput(); built.err != nil {
			built.err = fmt.Errorf("%w\n%s", built.err, out)
		}
	})
	if built.err != nil {
		t.Fatalf("build the functions: %v", built.err)
	}
	return built.dir
}

// lines is a buffer that several may write to.
type lines struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(p)
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.String()
}

// A client speaks plain HTTP to a registry, and follows no redirect. The
// registry alone is shown its authorization.
type client struct {
	t             *testing.T
	base          string
	authorization string
	http          *http.Client
}

func newClient(t *testing.T, base string) *client {
	return &client{t: t, base: base, http: &http.Client{
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
}

// A reply is an answer that was read to its end.
type reply struct {
	status int
	header http.Header
	body   []byte
}

func (r reply) String() string {
	return fmt.Sprintf("%d %v %s", r.status, r.header, r.body[:min(len(r.body), 500)])
}

// do sends a request. The headers are names and values in turn; one without a
// value is left out.
func (c *client) do(method, path string, body []byte, headers ...string) reply {
	c.t.Helper()
	if strings.HasPrefix(path, "/") {
		path = c.base + path
	}
	req, err := http.NewRequestWithContext(c.t.Context(), method, path, bytes.NewReader(body))
	if err != nil {
		c.t.Fatal(err)
	}
	if c.authorization != "" && strings.HasPrefix(path, c.base) {
		req.Header.Set("Authorization", c.authorization)
	}
	for i := 0; i < len(headers); i += 2 {
		if req.Header.Del(headers[i]); headers[i+1] != "" {
			req.Header.Set(headers[i], headers[i+1])
		}
	}
	resp, err := c.http.Do(req)
	if err != nil {
		c.t.Fatal(err)
	}
	defer resp.Body.Close()
	got, err := io.ReadAll(resp.Body)
	if err != nil {
		c.t.Fatal(err)
	}
	return reply{resp.StatusCode, resp.Header, got}
}

// want is do, and ends the test if the status is another.
func (c *client) want(status int, method, path string, body []byte, headers ...string) reply {
	c.t.Helper()
	r := c.do(method, path, body, headers...)
	if r.status != status {
		c.t.Fatalf("%s %s: got %v, want status %d", method, path, r, status)
	}
	return r
}

func digest(b []byte) string { return fmt.Sprintf("sha256:%x", sha256.Sum256(b)) }

// noise is bytes that no two calls agree on.
func noise(size int) []byte {
	b := make([]byte, size)
	_, _ = rand.Read(b) // it never fails
	return b
}

// pushBlob sends a blob in one request after the POST.
func (c *client) pushBlob(repo string, blob []byte) {
	c.t.Helper()
	where := c.want(202, "POST", "/v2/"+repo+"/blobs/uploads/", nil).header.Get("Location")
	c.want(201, "PUT", with(where, "digest", digest(blob)), blob, "Content-Type", "application/octet-stream")
}

// pushChunks sends a blob in chunks of a size.
func (c *client) pushChunks(repo string, blob []byte, size int) {
	c.t.Helper()
	where := c.startChunks(repo, slices.Collect(slices.Chunk(blob, size))...)
	c.want(201, "PUT", with(where, "digest", digest(blob)), nil)
}

// startChunks starts an upload, sends it chunks, and returns where it goes on.
func (c *client) startChunks(repo string, chunks ...[]byte) string {
	c.t.Helper()
	return c.sendChunks(c.want(202, "POST", "/v2/"+repo+"/blobs/uploads/", nil).header.Get("Location"), chunks...)
}

// sendChunks goes on with an upload that has nothing yet.
func (c *client) sendChunks(where string, chunks ...[]byte) string {
	c.t.Helper()
	at := 0
	for _, chunk := range chunks {
		where = c.want(202, "PATCH", where, chunk, "Content-Type", "application/octet-stream",
			"Content-Range", fmt.Sprintf("%d-%d", at, at+len(chunk)-1)).header.Get("Location")
		at += len(chunk)
	}
	return where
}

// with adds a parameter to a URL.
func with(url, name, value string) string {
	separator := "?"
	if strings.Contains(url, "?") {
		separator = "&"
	}
	return url + separator + name + "=" + value
}

const (
	imageType = "application/vnd.oci.image.manifest.v1+json"
	indexType = "application/vnd.oci.image.index.v1+json"
)

type descriptor struct {
	MediaType string `json:"mediaType"`
	Digest    string `json:"digest"`
	Size      int    `json:"size"`
}

func describe(mediaType string, b []byte) descriptor {
	return descriptor{mediaType, digest(b), len(b)}
}

// image is a manifest of a config and layers. More goes into fields.
func image(config []byte, layers [][]byte, fields map[string]any) []byte {
	m := map[string]any{"schemaVersion": 2, "mediaType": imageType, "config": describe("application/vnd.oci.image.config.v1+json", config)}
	listed := []descriptor{}
	for _, l := range layers {
		listed = append(listed, describe("application/vnd.oci.image.layer.v1.tar", l))
	}
	m["layers"] = listed
	for name, v := range fields {
		m[name] = v
	}
	body, _ := json.Marshal(m) // of strings and numbers alone
	return body
}

// pushImage pushes blobs and the manifest of them under a reference, and
// returns the manifest.
func (c *client) pushImage(repo, reference string, layers ...[]byte) []byte {
	c.t.Helper()
	config := fmt.Appendf(nil, `{"architecture":"arm64","os":"linux","n":%q}`, digest(noise(8)))
	for _, b := range append([][]byte{config}, layers...) {
		c.pushBlob(repo, b)
	}
	m := image(config, layers, nil)
	c.want(201, "PUT", "/v2/"+repo+"/manifests/"+reference, m, "Content-Type", imageType)
	return m
}
