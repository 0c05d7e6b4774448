package distribution_test

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/opencontainers/image-spec/specs-go"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	blobstore "github.com/berthregistry/berth/shared/blobs/local"
	"github.com/berthregistry/berth/shared/distribution"
	"github.com/berthregistry/berth/shared/oci"
	"github.com/berthregistry/berth/shared/registry"
	tablestore "github.com/berthregistry/berth/shared/table/local"
)

// A server is a registry on the stores of one machine, behind a real listener.
type server struct {
	testing.TB
	url    string
	client *http.Client
}

// serve starts a registry that is empty and ends with the test.
func serve(t testing.TB, o registry.Options) *server {
	t.Helper()
	return serveObserved(t, o, distribution.Options{})
}

func serveObserved(t testing.TB, o registry.Options, d distribution.Options) *server {
	t.Helper()
	return serveHandler(t, distribution.New(newRegistry(t, o), d))
}

func serveHandler(t testing.TB, h http.Handler) *server {
	t.Helper()
	web := httptest.NewServer(h)
	t.Cleanup(web.Close)
	client := web.Client()
	client.Transport.(*http.Transport).ExpectContinueTimeout = time.Minute // no body before it is asked for
	client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return &server{TB: t, url: web.URL, client: client}
}

func newRegistry(t testing.TB, o registry.Options) *registry.Registry {
	t.Helper()
	items, objects := newStores(t)
	return registry.New(items, objects, o)
}

func newStores(t testing.TB) (*tablestore.Store, *blobstore.Store) {
	t.Helper()
	dir := t.TempDir()
	items, err := tablestore.Open(filepath.Join(dir, "table"), nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = items.Close() })
	objects, err := blobstore.Open(filepath.Join(dir, "blobs"))
	if err != nil {
		t.Fatal(err)
	}
	return items, objects
}

// ruled serves with the same rules for every repository.
func ruled(t testing.TB, rules registry.Rules) *server {
	t.Helper()
	return serve(t, registry.Options{Rules: func(string) registry.Rules { return rules }})
}

// An answer is a response, read to its end.
type answer struct {
	status int
	header http.Header
	body   []byte
}

func (a answer) get(name string) string { return a.header.Get(name) }

// An apiError is one error of an answer.
type apiError struct {
	Code    string          `json:"code"`
	Message string          `json:"message"`
	Detail  json.RawMessage `json:"detail"`
}

func (a answer) errors(t testing.TB) []apiError {
	t.Helper()
	var body struct{ Errors []apiError }
	if err := json.Unmarshal(a.body, &body); err != nil {
		t.Errorf("%d with a body that is not JSON: %v: %.200q", a.status, err, a.body)
	}
	return body.Errors
}

// codes returns the codes of the errors of an answer.
func (a answer) codes(t testing.TB) string {
	t.Helper()
	var codes []string
	for _, e := range a.errors(t) {
		codes = append(codes, e.Code)
	}
	return strings.Join(codes, " ")
}

// do sends a request and reads the answer. Header is name, value, name, value.
func (s *server) do(method, target string, body io.Reader, header ...string) answer {
	s.Helper()
	a, err := s.try(method, target, body, header...)
	if err != nil {
		s.Fatalf("%s %.200s: %v", method, target, err)
	}
	return a
}

// try is do for requests that the connection may not survive, and for
// goroutines, which must not end the test.
func (s *server) try(method, target string, body io.Reader, header ...string) (answer, error) {
	if !strings.HasPrefix(target, "http://") {
		target = s.url + target
	}
	r, err := http.NewRequestWithContext(s.Context(), method, target, body)
	if err != nil {
		return answer{}, err
	}
	for i := 0; i < len(header); i += 2 {
		r.Header.Add(header[i], header[i+1])
	}
	resp, err := s.client.Do(r)
	if err != nil {
		return answer{}, err
	}
	defer resp.Body.Close()
	a := answer{status: resp.StatusCode, header: resp.Header}
	if a.body, err = io.ReadAll(resp.Body); err != nil {
		return a, err
	}
	s.wellFormed(r, a)
	return a, nil
}

// specCodes are those of the spec, "Error Codes".
var specCodes = []string{
	"BLOB_UNKNOWN", "BLOB_UPLOAD_INVALID", "BLOB_UPLOAD_UNKNOWN", "DIGEST_INVALID", "MANIFEST_BLOB_UNKNOWN",
	"MANIFEST_INVALID", "MANIFEST_UNKNOWN", "NAME_INVALID", "NAME_UNKNOWN", "SIZE_INVALID", "UNAUTHORIZED",
	"DENIED", "UNSUPPORTED", "TOOMANYREQUESTS",
}

// wellFormed holds every answer of every test to what all answers share.
func (s *server) wellFormed(r *http.Request, a answer) {
	s.Helper()
	what := r.Method + " " + r.URL.RequestURI()
	if a.get("X-Request-Id") == "" {
		s.Errorf("%.200s: no X-Request-Id", what)
	}
	if a.status >= 500 {
		s.Errorf("%.200s: status %d %s", what, a.status, a.body)
	}
	if a.status < 400 {
		return
	}
	if got := a.get("Content-Type"); got != "application/json" {
		s.Errorf("%.200s: %d with Content-Type %q, want JSON", what, a.status, got)
	}
	if r.Method == http.MethodHead {
		return // and net/http has seen that there is no body
	}
	errs := a.errors(s)
	if len(errs) == 0 {
		s.Errorf("%.200s: %d without errors: %.200q", what, a.status, a.body)
	}
	for _, e := range errs {
		if !slices.Contains(specCodes, e.Code) || e.Message == "" {
			s.Errorf("%.200s: error %+v, want a code of the spec and a message", what, e)
		}
	}
	if len(a.body) > 16<<10 && len(errs) == 1 {
		s.Errorf("%.200s: one error of %d bytes", what, len(a.body))
	}
}

// want holds the answer to a status and, if it is an error, to its code.
func (s *server) want(a answer, status int, code string) {
	s.Helper()
	if a.status != status {
		s.Fatalf("status %d, want %d: %.300s", a.status, status, a.body)
	}
	if code != "" {
		if got := a.codes(s); got != code {
			s.Errorf("error codes %q, want %q", got, code)
		}
	}
}

func (s *server) get(target string, header ...string) answer {
	s.Helper()
	return s.do(http.MethodGet, target, nil, header...)
}

func (s *server) head(target string, header ...string) answer {
	s.Helper()
	return s.do(http.MethodHead, target, nil, header...)
}

func (s *server) delete(target string, header ...string) answer {
	s.Helper()
	return s.do(http.MethodDelete, target, nil, header...)
}

// begin starts an upload and returns its URL.
func (s *server) begin(repo string) string {
	s.Helper()
	a := s.do(http.MethodPost, "/v2/"+repo+"/blobs/uploads/", nil)
	s.want(a, http.StatusAccepted, "")
	return a.get("Location")
}

// blob pushes a blob and describes it.
func (s *server) blob(repo string, content []byte) v1.Descriptor {
	s.Helper()
	d := describe("application/vnd.test.blob", content)
	a := s.do(http.MethodPost, "/v2/"+repo+"/blobs/uploads/?digest="+string(d.Digest), bytes.NewReader(content))
	s.want(a, http.StatusCreated, "")
	return d
}

func describe(mediaType string, content []byte) v1.Descriptor {
	return v1.Descriptor{MediaType: mediaType, Digest: oci.SHA256.Sum(content), Size: int64(len(content))}
}

// put pushes a manifest and describes it. Ref is a tag, or "" for its digest.
func (s *server) put(repo, ref, mediaType string, body []byte) v1.Descriptor {
	s.Helper()
	d := describe(mediaType, body)
	if ref == "" {
		ref = string(d.Digest)
	}
	s.want(s.tryPut(repo, ref, mediaType, body), http.StatusCreated, "")
	return d
}

func (s *server) tryPut(repo, ref, mediaType string, body []byte, header ...string) answer {
	s.Helper()
	return s.do(http.MethodPut, manifestURL(repo, ref), bytes.NewReader(body),
		append(header, "Content-Type", mediaType)...)
}

func manifestURL(repo, ref string) string { return "/v2/" + repo + "/manifests/" + ref }

// image pushes an image of one layer, made from its name, under a tag.
func (s *server) image(repo, tag, name string) v1.Descriptor {
	s.Helper()
	config, layer := s.blob(repo, []byte("{}")), s.blob(repo, []byte(name))
	return s.put(repo, tag, oci.MediaTypeImage, imageOf(config, layer))
}

// imageOf writes an image manifest.
func imageOf(config v1.Descriptor, layers ...v1.Descriptor) []byte {
	return encode(v1.Manifest{Versioned: specs.Versioned{SchemaVersion: 2}, MediaType: oci.MediaTypeImage,
		Config: config, Layers: append([]v1.Descriptor{}, layers...)})
}

// indexOf writes an index.
func indexOf(manifests ...v1.Descriptor) []byte {
	return encode(v1.Index{Versioned: specs.Versioned{SchemaVersion: 2}, MediaType: oci.MediaTypeIndex,
		Manifests: append([]v1.Descriptor{}, manifests...)})
}

// attach pushes a manifest with a subject and describes it as a list should.
func (s *server) attach(repo string, subject v1.Descriptor, artifactType string, annotations map[string]string) v1.Descriptor {
	s.Helper()
	body := referrerOf(s.blob(repo, []byte("{}")), subject, artifactType, annotations)
	d := s.put(repo, "", oci.MediaTypeImage, body)
	d.ArtifactType, d.Annotations = artifactType, annotations
	return d
}

func referrerOf(config, subject v1.Descriptor, artifactType string, annotations map[string]string) []byte {
	return encode(v1.Manifest{Versioned: specs.Versioned{SchemaVersion: 2}, MediaType: oci.MediaTypeImage,
		ArtifactType: artifactType, Config: config, Layers: []v1.Descriptor{}, Subject: &subject, Annotations: annotations})
}

func encode(v any) []byte {
	raw, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return raw
}

// chunked hides the length of a body, so that it is sent in chunks.
func chunked(body []byte) io.Reader { return struct{ io.Reader }{bytes.NewReader(body)} }

// noise is bytes that look random and are the same in every run.
func noise(n int) []byte {
	out, x := make([]byte, n), uint32(n)|1
	for i := range out {
		x ^= x << 13
		x ^= x >> 17
		x ^= x << 5
		out[i] = byte(x)
	}
	return out
}
