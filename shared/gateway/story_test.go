package gateway_test

import (
	"bufio"
	"bytes"
	"encoding/base64"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/berthregistry/berth/shared/distribution"
	"github.com/berthregistry/berth/shared/gateway"
)

type step struct {
	sample string
	status int
}

// story is every sample in an order that makes sense: an image is pushed,
// pulled in all ways, and deleted.
var story = []step{
	{"ping", 200},
	{"ping-no-slash", 200},
	{"ping-head", 200},
	{"ping-two-slashes", 404},
	{"blob-head-missing", 404},
	{"upload-start", 202},
	{"upload-patch", 202},
	{"upload-status", 204},
	{"upload-finish", 201},
	{"upload-start", 202},
	{"upload-cancel", 204},
	{"blob-post-text", 201},
	{"manifest-put", 201},
	{"manifest-get", 200},
	{"manifest-get-cookies", 200},
	{"manifest-get-escaped-slash", 200},
	{"manifest-get-plus", 404},
	{"manifest-get-unchanged", 304},
	{"manifest-get-missing", 404},
	{"manifest-head", 200},
	{"blob-get", 200},
	{"blob-get-range", 206},
	{"blob-get-text", 200},
	{"blob-head", 200},
	{"tags-list", 200},
	{"referrers", 200},
	{"manifest-delete", 202},
	{"manifest-get", 404},
}

// A client that speaks to the gateway is answered as one that speaks to the
// registry itself: the same story, told to two registries, has the same answers.
func TestStory(t *testing.T) {
	behind := function(gateway.New(newRegistry(t, distribution.Door{})))
	web := httptest.NewServer(newRegistry(t, distribution.Door{}))
	t.Cleanup(web.Close)
	var upload, uploadAtSocket string
	for _, step := range story {
		t.Run(step.sample, func(t *testing.T) {
			event := sample(t, step.sample)
			got := invoke(t, behind, renamed(event, upload))
			want, body := socket(t, web.Listener.Addr(), renamed(event, uploadAtSocket))
			if got.StatusCode != step.status || want.StatusCode != step.status {
				t.Fatalf("status %d, on a socket %d, want %d: %s", got.StatusCode, want.StatusCode, step.status, got.body)
			}
			if step.sample == "upload-start" {
				upload, uploadAtSocket = got.get("Docker-Upload-Uuid"), want.Header.Get("Docker-Upload-Uuid")
			}
			got.Response = renamedBack(got.Response, upload)
			want.Header = renamedHeader(want.Header, uploadAtSocket)
			sameHeader(t, got, want)
			if !bytes.Equal(got.body, body) {
				t.Errorf("body %q, on a socket %q", got.body, body)
			}
		})
	}
}

// No sample lies about without a test.
func TestStoryHasAllSamples(t *testing.T) {
	files, err := os.ReadDir(samples)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		name := strings.TrimSuffix(f.Name(), ".json")
		if !slices.ContainsFunc(story, func(s step) bool { return s.sample == name }) {
			t.Errorf("%s is in no test", f.Name())
		}
	}
}

// sameHeader compares headers. What a socket computes so does the gateway: the
// length of a body that is there.
func sameHeader(t *testing.T, got answer, want *http.Response) {
	t.Helper()
	if n := got.get("Content-Length"); n != "" && want.Request.Method != http.MethodHead {
		t.Errorf("Content-Length %s is not ours to say", n)
	}
	if want.Request.Method != http.MethodHead {
		want.Header.Del("Content-Length")
	}
	want.Header.Del("Date")
	for name := range want.Header {
		if v := strings.Join(want.Header[name], ","); got.get(name) != v && name != "X-Request-Id" {
			t.Errorf("%s: %q, on a socket %q", name, got.get(name), v)
		}
	}
	for name, v := range got.Headers {
		if want.Header[name] == nil {
			t.Errorf("%s: %q, on a socket none", name, v)
		}
	}
}

// socket sends what the client of an event sent, as text, and so goes round
// everything that the gateway's own code does.
func socket(t *testing.T, addr net.Addr, e gateway.Request) (*http.Response, []byte) {
	t.Helper()
	conn, err := net.Dial(addr.Network(), addr.String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	body := e.Body
	if e.IsBase64Encoded {
		raw, err := base64.StdEncoding.DecodeString(e.Body)
		if err != nil {
			t.Fatal(err)
		}
		body = string(raw)
	}
	if announced := e.Headers["content-length"]; announced != strconv.Itoa(len(body)) {
		t.Fatalf("the sample has %d bytes and announces %s", len(body), announced)
	}
	var head strings.Builder
	uri := e.RawPath
	if e.RawQueryString != "" {
		uri += "?" + e.RawQueryString
	}
	fmt.Fprintf(&head, "%s %s HTTP/1.1\r\n", e.RequestContext.HTTP.Method, uri)
	for name, value := range e.Headers {
		fmt.Fprintf(&head, "%s: %s\r\n", name, value)
	}
	for _, cookie := range e.Cookies {
		fmt.Fprintf(&head, "cookie: %s\r\n", cookie)
	}
	if _, err := io.WriteString(conn, head.String()+"\r\n"+body); err != nil {
		t.Fatal(err)
	}
	resp, err := http.ReadResponse(bufio.NewReader(conn), &http.Request{Method: e.RequestContext.HTTP.Method})
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	got, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp, got
}

// renamed has an event speak of another upload.
func renamed(e gateway.Request, upload string) gateway.Request {
	e.RawPath = strings.Replace(e.RawPath, sampleUpload, upload, 1)
	return e
}

func renamedBack(r gateway.Response, upload string) gateway.Response {
	for name, v := range r.Headers {
		if upload != "" {
			r.Headers[name] = strings.Replace(v, upload, sampleUpload, 1)
		}
	}
	return r
}

func renamedHeader(h http.Header, upload string) http.Header {
	for _, values := range h {
		if upload != "" {
			values[0] = strings.Replace(values[0], upload, sampleUpload, 1)
		}
	}
	return h
}
