package distribution_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/berthregistry/berth/shared/blobs/blobstest"
	"github.com/berthregistry/berth/shared/direct"
	"github.com/berthregistry/berth/shared/distribution"
	"github.com/berthregistry/berth/shared/oci"
	"github.com/berthregistry/berth/shared/registry"
)

// A harbour is a registry to whose store clients send bytes themselves. All that
// is logged or observed of it is kept, and no URL of the store may be in that.
type harbour struct {
	*server
	reg   *registry.Registry
	store *blobstest.Memory

	received atomic.Int64 // bytes of PUTs to the store

	mu   sync.Mutex
	told bytes.Buffer
	seen []distribution.Exchange
}

func newHarbour(t testing.TB, o registry.Options, d distribution.Options) *harbour {
	t.Helper()
	h := &harbour{}
	bucket := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h.watch(r)
		h.store.ServeHTTP(w, r)
	}))
	t.Cleanup(bucket.Close)
	h.store = blobstest.NewMemory(blobstest.MemoryOptions{Base: bucket.URL})
	items, _ := newStores(t)
	h.reg = registry.New(items, h.store, o)
	d.Log = slog.New(slog.NewTextHandler(h, nil))
	d.Observe = func(_ *http.Request, x distribution.Exchange) {
		fmt.Fprintf(h, "%+v\n", x)
		h.mu.Lock()
		defer h.mu.Unlock()
		h.seen = append(h.seen, x)
	}
	h.server = serveHandler(t, distribution.New(h.reg, d))
	t.Cleanup(func() {
		h.mu.Lock()
		defer h.mu.Unlock()
		if told := h.told.String(); strings.Contains(told, "signature=") || strings.Contains(told, bucket.URL) {
			t.Errorf("a URL of the store was told: %s", told)
		}
	})
	return h
}

// Write implements io.Writer for what is logged.
func (h *harbour) Write(p []byte) (int, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.told.Write(p)
}

// exchange waits for what is told of the answer: the client may be faster.
func (h *harbour) exchange(a answer) distribution.Exchange {
	h.Helper()
	for deadline := time.Now().Add(5 * time.Second); time.Now().Before(deadline); time.Sleep(time.Millisecond) {
		h.mu.Lock()
		for _, x := range h.seen {
			if x.RequestID == a.get("X-Request-Id") {
				h.mu.Unlock()
				return x
			}
		}
		h.mu.Unlock()
	}
	h.Fatal("the request was not observed")
	return distribution.Exchange{}
}

// send sends a body in JSON.
func (s *server) send(method, target string, body any) answer {
	s.Helper()
	return s.do(method, target, bytes.NewReader(encode(body)), "Content-Type", "application/json")
}

// take holds an answer to a status and reads it.
func take[T any](s *server, a answer, status int) (v T) {
	s.Helper()
	s.want(a, status, "")
	if a.get("Content-Type") != "application/json" || a.get("Cache-Control") != "no-store" {
		s.Errorf("%d with %v, want JSON that is not stored", a.status, a.header)
	}
	decoder := json.NewDecoder(bytes.NewReader(a.body))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&v); err != nil {
		s.Errorf("%s: %v", a.body, err)
	}
	return v
}

const uploads = "/v2/team/app/_berth/v1/uploads"

func (h *harbour) beginOne(w direct.Wanted) direct.Blob {
	h.Helper()
	return take[direct.Begun](h.server, h.send("POST", uploads, direct.Begin{Blobs: []direct.Wanted{w}}), 200).Blobs[0]
}

// put sends bytes to the store, as a target says.
func (h *harbour) putPart(to direct.Target, content []byte) {
	h.Helper()
	header := http.Header{}
	for name, value := range to.Header {
		header.Set(name, value)
	}
	if err := h.store.Send(to.URL, header, content); err != nil {
		h.Fatalf("PUT to the store: %v", err)
	}
}

// sendParts sends content as parts of an upload.
func (h *harbour) sendParts(id string, content []byte, size int) {
	h.Helper()
	var s direct.Sign
	var pieces [][]byte
	for rest := content; len(rest) > 0; rest = rest[min(len(rest), size):] {
		piece := rest[:min(len(rest), size)]
		pieces = append(pieces, piece)
		s.Parts = append(s.Parts, direct.Part{Number: len(pieces), Size: int64(len(piece)), SHA256: sumOf(piece)})
	}
	signed := take[direct.Signed](h.server, h.send("POST", uploads+"/"+id+"/parts", s), 200)
	for i, to := range signed.Parts {
		if to.Number != i+1 {
			h.Errorf("target %d is of part %d", i, to.Number)
		}
		h.putPart(to, pieces[i])
	}
}

func sumOf(p []byte) string {
	sum := sha256.Sum256(p)
	return hex.EncodeToString(sum[:])
}

func completing(content []byte) direct.Complete {
	return direct.Complete{Digest: oci.SHA256.Sum(content), Size: int64(len(content))}
}

func TestDiscover(t *testing.T) {
	const path = "/v2/team/app/_oci/ext/discover"
	if a := serve(t, registry.Options{}).get(path); a.status != 200 || string(a.body) != `{"extensions":[]}` {
		t.Errorf("without: got %d %s", a.status, a.body)
	}
	h := newHarbour(t, registry.Options{}, distribution.Options{})
	a := h.get(path)
	var found direct.Discovery
	if err := json.Unmarshal(a.body, &found); err != nil || len(found.Extensions) != 1 {
		t.Fatalf("got %d %s, %v", a.status, a.body, err)
	}
	e := found.Extensions[0]
	if e.Name != "_berth" || len(e.Endpoints) != 1 || e.Endpoints[0] != "_berth/v1/uploads" || !strings.HasSuffix(e.URL, "/docs/direct-transfer.md") {
		t.Errorf("got %+v", e)
	}
	if x := h.exchange(a); x.Route != "discover" || x.Repo != "team/app" {
		t.Errorf("told as %+v", x)
	}
}

// All there is, in the order of a push.
func TestDirectPush(t *testing.T) {
	h := newHarbour(t, registry.Options{}, distribution.Options{})
	small, one, many := noise(100<<10), noise(4<<20+1), noise(17<<20)
	there, elsewhere := h.blob("team/app", []byte("there")), h.blob("team/base", []byte("elsewhere"))
	image := h.image("team/app", "1", "layer")
	a := h.send("POST", uploads, direct.Begin{
		Blobs: []direct.Wanted{
			{Digest: there.Digest, Size: there.Size}, {Digest: elsewhere.Digest, Size: elsewhere.Size, From: "team/base"},
			{Digest: oci.SHA256.Sum(small), Size: int64(len(small))}, {Digest: oci.SHA256.Sum(one), Size: int64(len(one))},
			{Digest: oci.SHA256.Sum(many), Size: int64(len(many))}, {Size: -1},
		},
		Manifests: []oci.Digest{image.Digest, oci.Digest(digest256)},
	})
	begun := take[direct.Begun](h.server, a, 200)
	for i, want := range []direct.State{direct.Present, direct.Mounted, direct.Small, direct.Upload, direct.Upload, direct.Upload} {
		if got := begun.Blobs[i].State; got != want {
			t.Errorf("blob %d is %q, want %q", i, got, want)
		}
	}
	if !begun.Manifests[0].Present || begun.Manifests[1].Present {
		t.Errorf("manifests are %+v", begun.Manifests)
	}
	if x := h.exchange(a); x.Route != "direct-uploads" || x.Mounted != 1 || x.Status != 200 {
		t.Errorf("told as %+v", x)
	}

	upload := begun.Blobs[3].Upload
	h.putPart(*upload.Put, one)
	h.complete(upload.ID, one)

	upload = begun.Blobs[4].Upload
	if upload.PartSize != 16<<20 || upload.Parts != 2 || upload.Put != nil {
		t.Errorf("an upload of 17 MiB is %+v", upload)
	}
	h.sendParts(upload.ID, many, int(upload.PartSize))
	status := take[direct.Status](h.server, h.get(uploads+"/"+upload.ID), 200)
	if status.State != direct.Open || len(status.Received) != 2 || status.Received[1].SHA256 != sumOf(many[16<<20:]) {
		t.Errorf("with all parts there: %+v", status)
	}
	status = take[direct.Status](h.server, h.get(uploads+"/"+upload.ID+"?after=1"), 200)
	if len(status.Received) != 1 || status.Received[0].Number != 2 {
		t.Errorf("after the first part: %+v", status)
	}
	if a := h.head(uploads + "/" + upload.ID); a.status != 200 || len(a.body) != 0 || a.get("Cache-Control") != "no-store" {
		t.Errorf("HEAD: %d %v", a.status, a.header)
	}
	h.complete(upload.ID, many)

	stream := begun.Blobs[5].Upload
	content := noise(6 << 20)
	h.sendParts(stream.ID, content, 5<<20)
	h.complete(stream.ID, content)
	if left := h.store.Marked(); len(left) > 0 {
		t.Errorf("published and still marked: %v", left)
	}
}

// complete completes an upload, twice, and reads the blob.
func (h *harbour) complete(id string, content []byte) {
	h.Helper()
	c := completing(content)
	for range 2 {
		a := h.send("PUT", uploads+"/"+id, c)
		status := take[direct.Status](h.server, a, 201)
		blob := "/v2/team/app/blobs/" + string(c.Digest)
		if a.get("Location") != blob || a.get("Docker-Content-Digest") != string(c.Digest) || a.get("Retry-After") != "" {
			h.Errorf("completed with %v", a.header)
		}
		if status.State != direct.Done || status.ID != id || status.Digest != c.Digest || status.Size != c.Size {
			h.Errorf("completed as %+v", status)
		}
		if x := h.exchange(a); x.Route != "direct-upload" || x.Ref != id {
			h.Errorf("told as %+v", x)
		}
		if got := h.get(blob); !bytes.Equal(got.body, content) {
			h.Errorf("pulled: %d and %d bytes, want %d", got.status, len(got.body), len(content))
		}
	}
}

// What takes long is verified elsewhere; until then the client is told when to
// come again.
func TestDirectVerifiedLater(t *testing.T) {
	started := make(chan string, 10)
	h := newHarbour(t, registry.Options{
		VerifyInline: 1,
		Verify:       func(_ context.Context, repo, id string) error { started <- repo + " " + id; return nil },
	}, distribution.Options{})
	content := noise(6 << 20)
	id := h.beginOne(direct.Wanted{Size: -1}).Upload.ID
	h.sendParts(id, content, 5<<20)
	a := h.send("PUT", uploads+"/"+id, completing(content))
	status := take[direct.Status](h.server, a, 202)
	if status.State != direct.Verifying || a.get("Location") != uploads+"/"+id || a.get("Retry-After") != "1" {
		t.Errorf("got %+v with %v", status, a.header)
	}
	if got := <-started; got != "team/app "+id {
		t.Errorf("started for %q", got)
	}
	h.want(h.get("/v2/team/app/blobs/"+string(oci.SHA256.Sum(content))), 404, "BLOB_UNKNOWN")
	a = h.get(uploads + "/" + id)
	if status := take[direct.Status](h.server, a, 200); status.State != direct.Verifying || a.get("Retry-After") != "1" {
		t.Errorf("while it is verified: %+v with %v", status, a.header)
	}
	if err := h.reg.VerifyDirect(t.Context(), "team/app", id); err != nil {
		t.Fatal(err)
	}
	a = h.get(uploads + "/" + id)
	if status := take[direct.Status](h.server, a, 200); status.State != direct.Done || a.get("Retry-After") != "" {
		t.Errorf("afterwards: %+v with %v", status, a.header)
	}
	h.complete(id, content)
}

// What is not what it was said to be is gone, and the client is told what it was.
func TestDirectWrongBytes(t *testing.T) {
	h := newHarbour(t, registry.Options{}, distribution.Options{})
	content := noise(6 << 20)
	id := h.beginOne(direct.Wanted{Size: -1}).Upload.ID
	h.sendParts(id, content, 5<<20)
	wrong := direct.Complete{Digest: oci.Digest(digest256), Size: int64(len(content))}
	for range 2 {
		a := h.send("PUT", uploads+"/"+id, wrong)
		h.want(a, 400, "DIGEST_INVALID")
		if !strings.Contains(string(a.body), string(oci.SHA256.Sum(content))) {
			t.Errorf("does not say what it was: %s", a.body)
		}
	}
	status := take[direct.Status](h.server, h.get(uploads+"/"+id), 200)
	if status.State != direct.Failed || status.Found != oci.SHA256.Sum(content) {
		t.Errorf("got %+v", status)
	}
	h.want(h.send("POST", uploads+"/"+id+"/parts", direct.Sign{Parts: []direct.Part{{Number: 1, Size: 1, SHA256: sumOf(nil)}}}), 404, "BLOB_UPLOAD_UNKNOWN")
	if keys := h.store.Keys(); len(keys) > 0 {
		t.Errorf("left in the store: %v", keys)
	}
}

func TestDirectAbort(t *testing.T) {
	h := newHarbour(t, registry.Options{}, distribution.Options{})
	id := h.beginOne(direct.Wanted{Size: -1}).Upload.ID
	h.want(h.delete(uploads+"/"+id), 204, "")
	for _, method := range []string{"GET", "DELETE"} {
		h.want(h.do(method, uploads+"/"+id, nil), 404, "BLOB_UPLOAD_UNKNOWN")
	}
	if left := h.store.Uploads(); len(left) > 0 {
		t.Errorf("left in the store: %v", left)
	}
}

func TestDirectMethods(t *testing.T) {
	h := newHarbour(t, registry.Options{}, distribution.Options{})
	for target, allow := range map[string]string{
		uploads:                   "POST",
		uploads + "/x":            "DELETE, GET, HEAD, PUT",
		uploads + "/x/parts":      "POST",
		"/v2/a/_oci/ext/discover": "GET, HEAD",
	} {
		a := h.do("PATCH", target, strings.NewReader("{}"))
		if a.status != 405 || a.get("Allow") != allow || a.codes(t) != "UNSUPPORTED" {
			t.Errorf("PATCH %s: got %d, Allow %q, want 405 and %q", target, a.status, a.get("Allow"), allow)
		}
	}
}

func TestDirectRefuses(t *testing.T) {
	h := newHarbour(t, registry.Options{}, distribution.Options{})
	id := h.beginOne(direct.Wanted{Size: -1}).Upload.ID
	huge := "{" + strings.Repeat(" ", direct.MaxRequest) + "}"
	for _, c := range []struct {
		method, path, body string
		status             int
		code               string
	}{
		{"POST", "", "", 400, "BLOB_UPLOAD_INVALID"},
		{"POST", "", "null", 400, "BLOB_UPLOAD_INVALID"},
		{"POST", "", `{"blobs":[{"digest":"x","size":1}]}`, 400, "DIGEST_INVALID"},
		{"POST", "", `{"blobs":[{"digest":"` + digest256 + `"}]}`, 400, "SIZE_INVALID"},
		{"POST", "", `{"blobs":[{"from":"A"}]}`, 400, "NAME_INVALID"},
		{"POST", "", huge, 413, "SIZE_INVALID"},
		{"POST", "/" + id + "/parts", `{"parts":[]}`, 400, "BLOB_UPLOAD_INVALID"},
		{"POST", "/" + id + "/parts", huge, 413, "SIZE_INVALID"},
		{"POST", "/none/parts", `{"parts":[{"number":1,"size":1,"sha256":"` + digest256[7:] + `"}]}`, 404, "BLOB_UPLOAD_UNKNOWN"},
		{"PUT", "/" + id, `{}`, 400, "DIGEST_INVALID"},
		{"PUT", "/" + id, `{"digest":"` + digest256 + `"}`, 400, "SIZE_INVALID"},
		{"PUT", "/" + id, huge, 413, "SIZE_INVALID"},
		{"PUT", "/none", `{"digest":"` + digest256 + `","size":1}`, 404, "BLOB_UPLOAD_UNKNOWN"},
		{"GET", "/none", "", 404, "BLOB_UPLOAD_UNKNOWN"},
		{"GET", "/" + id + "?after=-1", "", 400, "UNSUPPORTED"},
		{"GET", "/" + id + "?after=", "", 400, "UNSUPPORTED"},
		{"GET", "/" + id + "?after=10001", "", 400, "UNSUPPORTED"},
		{"GET", "/" + id + "?after=99999999999999999999", "", 400, "UNSUPPORTED"},
		{"GET", "/" + id + "?after=10000", "", 200, ""},
		{"DELETE", "/none", "", 404, "BLOB_UPLOAD_UNKNOWN"},
	} {
		for _, body := range []interface{ Read([]byte) (int, error) }{strings.NewReader(c.body), chunked([]byte(c.body))} {
			a := h.do(c.method, uploads+c.path, body)
			if a.status != c.status || c.code != "" && a.codes(t) != c.code {
				t.Errorf("%s %s %.60s: got %d %s, want %d %s", c.method, c.path, c.body, a.status, a.body, c.status, c.code)
			}
		}
	}
}

// A registry on a store that has no URLs to write to says so before it reads
// anything, in words from which clients know that it lacks the extension.
func TestNoDirect(t *testing.T) {
	h := distribution.New(newRegistry(t, registry.Options{}), distribution.Options{})
	for _, c := range []struct{ method, path string }{
		{"POST", uploads}, {"PUT", uploads}, {"GET", uploads + "/x"}, {"PUT", uploads + "/x"}, {"DELETE", uploads + "/x"}, {"POST", uploads + "/x/parts"},
	} {
		body := &untouched{}
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), c.method, c.path, body))
		if w.Code != 404 || !strings.Contains(w.Body.String(), `"UNSUPPORTED"`) || body.read {
			t.Errorf("%s %s: got %d %s, body read: %t", c.method, c.path, w.Code, w.Body, body.read)
		}
	}
}
