package distribution_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/berthregistry/berth/shared/distribution"
	"github.com/berthregistry/berth/shared/oci"
	"github.com/berthregistry/berth/shared/registry"
)

func TestPing(t *testing.T) {
	s := serve(t, registry.Options{})
	for _, target := range []string{"/v2/", "/v2", "/v2/?account=me"} {
		a := s.get(target)
		s.want(a, http.StatusOK, "")
		if a.get("Docker-Distribution-API-Version") != "registry/2.0" || a.get("Content-Type") != "application/json" || string(a.body) != "{}" {
			t.Errorf("GET %s = %v %s", target, a.header, a.body)
		}
	}
	if a := s.head("/v2/"); a.status != http.StatusOK || a.get("Content-Length") != "2" {
		t.Errorf("HEAD /v2/ = %d, Content-Length %s", a.status, a.get("Content-Length"))
	}
}

// Every method that a resource lacks is answered with those that it has.
func TestMethods(t *testing.T) {
	s := serve(t, registry.Options{})
	all := []string{"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "PROPFIND", "get", "X" + strings.Repeat("Y", 5000)}
	for target, has := range map[string]string{
		"/v2/":                             "GET, HEAD",
		"/v2/_catalog":                     "GET, HEAD",
		"/v2/a/tags/list":                  "GET, HEAD",
		"/v2/a/referrers/" + digest256:     "GET, HEAD",
		"/v2/a/manifests/x":                "DELETE, GET, HEAD, PUT",
		"/v2/a/manifests/" + digest256:     "DELETE, GET, HEAD, PUT",
		"/v2/a/blobs/" + digest256:         "DELETE, GET, HEAD",
		"/v2/a/blobs/uploads/":             "POST",
		"/v2/a/blobs/uploads/" + "some-id": "DELETE, GET, HEAD, PATCH, PUT",
		"/v2/a/_oci/ext/discover":          "GET, HEAD",
	} {
		for _, method := range all {
			a := s.do(method, target, nil)
			if strings.Contains(", "+has+",", " "+method+",") {
				if a.status == http.StatusMethodNotAllowed {
					t.Errorf("%s %s = 405", method, target)
				}
				continue
			}
			if a.status != http.StatusMethodNotAllowed || a.get("Allow") != has {
				t.Errorf("%.20s %s = %d, Allow %q, want 405 and %q", method, target, a.status, a.get("Allow"), has)
			}
			if method != "HEAD" && a.codes(t) != "UNSUPPORTED" {
				t.Errorf("%.20s %s = %.100s", method, target, a.body)
			}
		}
	}
	for _, method := range all {
		if a := s.do(method, "/v2/nothing/here", nil); a.status != http.StatusNotFound {
			t.Errorf("%.20s of no endpoint = %d, want 404", method, a.status)
		}
	}
}

// The answer to a HEAD is that to a GET without its body, errors included.
func TestHeadIsGet(t *testing.T) {
	s := serve(t, registry.Options{})
	image := s.image("app", "1", "layer")
	large := s.blob("app", noise(100<<10))
	for _, target := range []string{
		"/v2/", "/v2/_catalog", "/v2/app/tags/list", "/v2/app/tags/list?n=0", "/v2/none/tags/list", "/v2/app/tags/list?n=x",
		manifestURL("app", "1"), manifestURL("app", string(image.Digest)), manifestURL("app", "2"), manifestURL("app", "sha256:x"),
		"/v2/app/blobs/" + string(large.Digest), "/v2/app/blobs/" + digest256, "/v2/app/blobs/x",
		"/v2/app/referrers/" + string(image.Digest), "/v2/app/referrers/x", "/v2/app/blobs/uploads/x", s.begin("app"), "/nowhere",
		"/v2/app/_oci/ext/discover", "/v2/app/_berth/v1/uploads", "/v2/app/_berth/v1/uploads/x", "/v2/app/_berth/v1/uploads/x?after=x",
	} {
		get, head := s.get(target), s.head(target)
		for _, name := range []string{"Date", "X-Request-Id"} {
			get.header.Del(name)
			head.header.Del(name)
		}
		if get.status != head.status || fmt.Sprint(get.header) != fmt.Sprint(head.header) {
			t.Errorf("%s:\n GET %d %v\nHEAD %d %v", target, get.status, get.header, head.status, head.header)
		}
		if get.status != http.StatusNoContent && get.get("Content-Length") != fmt.Sprint(len(get.body)) {
			t.Errorf("GET %s: Content-Length %q of %d", target, get.get("Content-Length"), len(get.body))
		}
	}
}

func TestRequestID(t *testing.T) {
	s := serve(t, registry.Options{})
	for _, id := range []string{"a", "8f14e45f-ceea-467f", strings.Repeat("x", 64)} {
		if got := s.get("/v2/", "X-Request-Id", id).get("X-Request-Id"); got != id {
			t.Errorf("the request came with id %q and went with %q", id, got)
		}
	}
	seen := map[string]bool{}
	for _, id := range []string{"", strings.Repeat("x", 65), `a"b`, "a b", "a\tb", "ä"} {
		got := s.get("/nowhere", "X-Request-Id", id).get("X-Request-Id")
		if got == id || len(got) < 20 || seen[got] {
			t.Errorf("the request came with id %q and went with %q", id, got)
		}
		seen[got] = true
	}
}

// observed collects exchanges by their request ids.
type observed struct {
	mu  sync.Mutex
	all map[string][]distribution.Exchange
}

func (o *observed) observe(_ *http.Request, x distribution.Exchange) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.all[x.RequestID] = append(o.all[x.RequestID], x)
}

// one waits for the exchange of a request: the client may be faster.
func (o *observed) one(t *testing.T, id string) distribution.Exchange {
	t.Helper()
	for deadline := time.Now().Add(5 * time.Second); time.Now().Before(deadline); time.Sleep(time.Millisecond) {
		o.mu.Lock()
		got := o.all[id]
		o.mu.Unlock()
		if len(got) > 1 {
			t.Fatalf("request %s was observed %d times", id, len(got))
		}
		if len(got) == 1 {
			return got[0]
		}
	}
	t.Fatalf("request %s was not observed", id)
	return distribution.Exchange{}
}

func TestObserve(t *testing.T) {
	o := &observed{all: map[string][]distribution.Exchange{}}
	s := serveObserved(t, registry.Options{}, distribution.Options{Observe: o.observe})
	image := s.image("app", "1", "layer")
	large := s.blob("app", noise(100<<10))
	upload := s.begin("app")
	id := upload[strings.LastIndexByte(upload, '/')+1:]
	for _, c := range []struct {
		method, target, body, header string
		want                         distribution.Exchange
	}{
		{method: "GET", target: "/v2/", want: distribution.Exchange{Route: "ping", Status: 200, Bytes: 2}},
		{method: "GET", target: manifestURL("app", "1"), want: distribution.Exchange{Route: "manifest", Repo: "app", Ref: "1", Tag: "1", Pull: true, Status: 200, Bytes: image.Size}},
		{method: "HEAD", target: manifestURL("app", "1"), want: distribution.Exchange{Route: "manifest", Repo: "app", Ref: "1", Tag: "1", Status: 200}},
		{method: "GET", target: manifestURL("app", "1"), header: "*", want: distribution.Exchange{Route: "manifest", Repo: "app", Ref: "1", Tag: "1", Status: 304}},
		{method: "GET", target: "/v2/app/blobs/" + string(large.Digest), want: distribution.Exchange{Route: "blob", Repo: "app", Ref: string(large.Digest), Status: 200, Bytes: 100 << 10}},
		{method: "GET", target: "/v2/app/blobs/" + digest256, want: distribution.Exchange{Route: "blob", Repo: "app", Ref: digest256, Status: 404, Err: oci.ErrBlobUnknown}},
		{method: "HEAD", target: "/v2/app/blobs/" + digest256, want: distribution.Exchange{Route: "blob", Repo: "app", Ref: digest256, Status: 404, Err: oci.ErrBlobUnknown}},
		{method: "POST", target: "/v2/app/blobs/uploads/", want: distribution.Exchange{Route: "uploads", Repo: "app", Status: 202}},
		{method: "PATCH", target: upload, body: "body", want: distribution.Exchange{Route: "upload", Repo: "app", Ref: id, Status: 202}},
		{method: "DELETE", target: upload, want: distribution.Exchange{Route: "upload", Repo: "app", Ref: id, Status: 204}},
		{method: "PUT", target: manifestURL("app", "2"), body: "{}", want: distribution.Exchange{Route: "manifest", Repo: "app", Ref: "2", Tag: "2", Status: 400, Err: oci.ErrManifestInvalid}},
		{method: "GET", target: "/v2/A/manifests/1", want: distribution.Exchange{Route: "manifest", Status: 400, Err: oci.ErrNameInvalid}},
		{method: "GET", target: "/v2/app/manifests/sha256:x", want: distribution.Exchange{Route: "manifest", Repo: "app", Status: 400, Err: oci.ErrDigestInvalid}},
		{method: "BREW", target: "/v2/app/tags/list", want: distribution.Exchange{Route: "tags", Repo: "app", Status: 405, Err: oci.ErrMethod}},
		{method: "GET", target: "/nowhere", want: distribution.Exchange{Route: "none", Status: 404, Err: oci.ErrUnsupported}},
	} {
		a := s.do(c.method, c.target, strings.NewReader(c.body), "If-None-Match", c.header)
		got := o.one(t, a.get("X-Request-Id"))
		if got.Duration <= 0 {
			t.Errorf("%s %s took %v", c.method, c.target, got.Duration)
		}
		if (got.Err == nil) != (c.want.Err == nil) || got.Err != nil && !strings.HasPrefix(got.Err.Error(), c.want.Err.(*oci.Error).Code) {
			t.Errorf("%s %s: error %v, want %v", c.method, c.target, got.Err, c.want.Err)
		}
		if c.want.Err != nil && c.method != "HEAD" {
			c.want.Bytes = int64(len(a.body))
		}
		c.want.Method, got.Duration, got.RequestID, got.Err, c.want.Err = c.method, 0, "", nil, nil
		if !reflect.DeepEqual(got, c.want) {
			t.Errorf("%s %s\n got %+v\nwant %+v", c.method, c.target, got, c.want)
		}
	}
}

// Of what a stranger sends, only so much is told.
func TestObserveIsShort(t *testing.T) {
	o := &observed{all: map[string][]distribution.Exchange{}}
	s := serveObserved(t, registry.Options{}, distribution.Options{Observe: o.observe})
	long := strings.Repeat("x", 100_000)
	for _, a := range []answer{
		s.do(long, "/v2/", nil), s.get("/v2/" + long + "/tags/list"), s.get("/v2/a/manifests/" + long), s.get("/v2/a/blobs/" + long),
		s.get("/v2/a/blobs/uploads/" + long), s.get("/" + long), s.get("/v2/", "X-Request-Id", long),
	} {
		if got := o.one(t, a.get("X-Request-Id")); len(fmt.Sprint(got)) > 1000 {
			t.Errorf("observed %d bytes: %.200v", len(fmt.Sprint(got)), got)
		}
	}
}

// A client that hangs up is no fault of ours: nobody should be woken for it.
func TestClientGone(t *testing.T) {
	var log bytes.Buffer
	var seen distribution.Exchange
	h := distribution.New(newRegistry(t, registry.Options{}), distribution.Options{
		Log:     slog.New(slog.NewTextHandler(&log, nil)),
		Observe: func(_ *http.Request, x distribution.Exchange) { seen = x },
	})
	ctx, hangUp := context.WithCancel(t.Context())
	hangUp()
	for _, target := range []string{manifestURL("a", "x"), "/v2/a/tags/list", "/v2/a/blobs/" + digest256} {
		h.ServeHTTP(httptest.NewRecorder(), request(t, http.MethodGet, target, nil).WithContext(ctx))
		if seen.Status != 499 || !errors.Is(seen.Err, context.Canceled) || log.Len() > 0 {
			t.Errorf("GET %s: status %d, error %v, log %s", target, seen.Status, seen.Err, &log)
		}
	}
	// Whoever ran out of time was let down by us.
	ctx, cancel := context.WithDeadline(t.Context(), time.Now())
	defer cancel()
	h.ServeHTTP(httptest.NewRecorder(), request(t, http.MethodGet, manifestURL("a", "x"), nil).WithContext(ctx))
	if seen.Status != http.StatusInternalServerError || !strings.Contains(log.String(), seen.RequestID) {
		t.Errorf("status %d, log %s", seen.Status, &log)
	}
}

// A blob file is given to the connection as it is: whatever is in between must
// hand ReadFrom on, or the bytes are copied through this process.
func TestBlobKeepsSendfile(t *testing.T) {
	var seen distribution.Exchange
	h := distribution.New(newRegistry(t, registry.Options{}), distribution.Options{Observe: func(_ *http.Request, x distribution.Exchange) {
		seen = x
	}})
	content := noise(1 << 20)
	d := describe("", content)
	w := &sendfile{header: http.Header{}}
	h.ServeHTTP(w, request(t, http.MethodPost, "/v2/a/blobs/uploads/?digest="+string(d.Digest), content))
	if w.status != http.StatusCreated {
		t.Fatalf("push: status %d %s", w.status, w.written.Bytes())
	}
	for rangeHeader, want := range map[string][]byte{"": content, "bytes=1000-": content[1000:], "bytes=5-9": content[5:10]} {
		w = &sendfile{header: http.Header{}}
		r := request(t, http.MethodGet, "/v2/a/blobs/"+string(d.Digest), nil)
		if rangeHeader != "" {
			r.Header.Set("Range", rangeHeader)
		}
		h.ServeHTTP(w, r)
		if !bytes.Equal(w.sent.Bytes(), want) || w.written.Len() > 0 {
			t.Errorf("Range %q: %d bytes by ReadFrom, %d by Write, want %d and 0", rangeHeader, w.sent.Len(), w.written.Len(), len(want))
		}
		if !w.file {
			t.Errorf("Range %q: ReadFrom got something that is not a file", rangeHeader)
		}
		if seen.Bytes != int64(len(want)) {
			t.Errorf("Range %q: observed %d bytes, want %d", rangeHeader, seen.Bytes, len(want))
		}
	}
}

func request(t *testing.T, method, target string, body []byte) *http.Request {
	r, err := http.NewRequestWithContext(t.Context(), method, target, bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// sendfile is a http.ResponseWriter that tells the two ways apart.
type sendfile struct {
	header        http.Header
	status        int
	sent, written bytes.Buffer
	file          bool
}

func (w *sendfile) Header() http.Header         { return w.header }
func (w *sendfile) WriteHeader(status int)      { w.status = status }
func (w *sendfile) Write(p []byte) (int, error) { return w.written.Write(p) }

// ReadFrom looks for what net.TCPConn looks for: a file, perhaps with a limit.
func (w *sendfile) ReadFrom(r io.Reader) (int64, error) {
	if limited, ok := r.(*io.LimitedReader); ok {
		_, w.file = limited.R.(interface{ Fd() uintptr })
	}
	return w.sent.ReadFrom(r)
}
