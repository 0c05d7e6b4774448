package httpapi_test

import (
	"context"
	"io"
	"net/http"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/berthregistry/berth/infra/localcloud/httpapi"
)

const manifestType = "application/vnd.oci.image.manifest.v1+json"

// Bodies of a few types come as text, all others as base64.
func TestBodyEncoding(t *testing.T) {
	d := open(t, httpapi.Config{})
	for _, c := range []struct {
		contentType, body string
		text              bool
	}{
		{"text/plain", "a\"\\\n\x00\u20ac\u2028<&>", true},
		{"TEXT/html; charset=utf-8", "a", true},
		{"application/json", `{"a":"b"}`, true},
		{" application/json ; charset=utf-8", `{}`, true},
		{"application/xml", "<a/>", true},
		{"application/javascript", "a()", true},
		{"application/octet-stream", "abc", false},
		{"application/x-www-form-urlencoded", "a=b", false},
		{manifestType, "{}", false},
		{"application/vnd.docker.distribution.manifest.v2+json", "{}", false},
		{"application/jsonlines", "{}", false},
		{"application/problem+json", "{}", false},
		{"", "abc", false},
		{"text/plain", "not utf-8: \xff", false},
		{"application/octet-stream", fill(100_000), false},
	} {
		d.do("PUT", "/v2/", c.body, "Content-Type", c.contentType)
		want := c.body
		if !c.text {
			want = b64(c.body)
		}
		e := d.event()
		if e.IsBase64Encoded == c.text || e.Body != want {
			t.Errorf("%q: base64 %v, body %.40q, want %.40q", c.contentType, e.IsBase64Encoded, e.Body, want)
		}
		if got := e.Headers["content-length"]; got != strconv.Itoa(len(c.body)) {
			t.Errorf("%q: content-length %s of %d bytes", c.contentType, got, len(c.body))
		}
	}
}

func TestNoBody(t *testing.T) {
	d := open(t, httpapi.Config{})
	for _, contentType := range []string{"", "application/octet-stream", "text/plain"} {
		d.do("PUT", "/v2/", "", "Content-Type", contentType)
		if e := d.event(); e.IsBase64Encoded || e.Body != "" {
			t.Errorf("%q: %v %q", contentType, e.IsBase64Encoded, e.Body)
		}
	}
}

// As text a manifest arrives whole, and bytes that are no text do not.
func TestTextBodies(t *testing.T) {
	d := open(t, httpapi.Config{Deviations: httpapi.Deviations{TextBodies: true}})
	for _, c := range []struct {
		contentType, sent, body string
		text                    bool
	}{
		{manifestType, "{\"\u20ac\"}", "{\"\u20ac\"}", true},
		{manifestType, "\xffa\xe2\x82", "\ufffda\ufffd\ufffd", true},
		{"Application/VND.docker.distribution.manifest.list.v2+json; a=b", "\xff", "\ufffd", true},
		{"application/octet-stream", "{}", b64("{}"), false},
		{"", "{}", b64("{}"), false},
		{"text/plain", "\xff", b64("\xff"), false}, // is none of these types
	} {
		d.do("PUT", "/v2/", c.sent, "Content-Type", c.contentType)
		if e := d.event(); e.IsBase64Encoded == c.text || e.Body != c.body {
			t.Errorf("%q of type %q: base64 %v, body %q, want %q", c.sent, c.contentType, e.IsBase64Encoded, e.Body, c.body)
		}
	}
}

// Functions get the length of a body of which the client did not tell it.
func TestChunkedBody(t *testing.T) {
	d := open(t, httpapi.Config{})
	d.exchange("PATCH /v2/ HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nTrailer: X-Sum\r\n\r\n" +
		"3\r\nabc\r\n4\r\ndefg\r\n0\r\nX-Sum: 1\r\n\r\n")
	e := d.event()
	if e.Body != b64("abcdefg") || e.Headers["content-length"] != "7" {
		t.Errorf("body %q, content-length %q", e.Body, e.Headers["content-length"])
	}
	for _, name := range []string{"transfer-encoding", "trailer", "x-sum"} {
		if v, ok := e.Headers[name]; ok {
			t.Errorf("%s: %q", name, v)
		}
	}
}

// The gateway takes 10 MiB, Lambda an event of 6 MiB, which is about 4.5 MiB of
// bytes: what is between the two is refused in other words.
func TestBodyLimits(t *testing.T) {
	var largest atomic.Int64
	d := open(t, httpapi.Config{Routes: []httpapi.Route{{
		Path: "$default",
		Invoke: func(_ context.Context, raw []byte) ([]byte, error) { // looks at no event: they are large
			largest.Store(max(largest.Load(), int64(len(raw))))
			return []byte(`{"statusCode":200}`), nil
		},
	}}})
	for _, c := range []struct {
		size        int
		contentType string
		message     string // empty: passes
	}{
		{4_500_000, "", ""},
		{4_718_300, "", "Request Too Long"}, // fits as it is, not with the event around it
		{6_000_000, "text/plain", ""},
		{6<<20 + 1, "text/plain", "Request Too Long"},
		{10 << 20, "text/plain", "Request Too Long"},
		{10<<20 + 1, "text/plain", "Request Entity Too Large"},
	} {
		for _, length := range []int64{int64(c.size), -1} {
			req, err := http.NewRequestWithContext(t.Context(), "PUT", d.url+"/v2/", io.LimitReader(zeros{}, int64(c.size)))
			if err != nil {
				t.Fatal(err)
			}
			req.ContentLength = length
			if c.contentType != "" {
				req.Header.Set("Content-Type", c.contentType)
			}
			got := d.send(req)
			if c.message != "" {
				wantRefusal(t, got, 413, c.message)
			} else if got.status != 200 {
				t.Errorf("%d bytes: %d %s", c.size, got.status, got.body)
			}
		}
	}
	if n := largest.Load(); n < 6_000_000 || n > 6<<20 {
		t.Errorf("the largest event was of %d bytes", n)
	}
}

func TestMaxRequest(t *testing.T) {
	d := open(t, httpapi.Config{Deviations: httpapi.Deviations{MaxRequest: 1000, MaxHeaders: 2000}})
	if got := d.do("PUT", "/v2/", strings.Repeat("a", 1000)); got.status != 200 {
		t.Errorf("1,000 bytes: %d", got.status)
	}
	wantRefusal(t, d.do("PUT", "/v2/", strings.Repeat("a", 1001)), 413, "Request Entity Too Large")
	wantRefusal(t, d.do("GET", "/v2/", "", "X-Pad", strings.Repeat("a", 2000)), 431, "Request Header Fields Too Large")
}

// A client that breaks off is no reason to call the function.
func TestBodyBreaksOff(t *testing.T) {
	d := open(t, httpapi.Config{})
	h, err := httpapi.New(httpapi.Config{Routes: []httpapi.Route{{Path: "$default", Invoke: d.invoke}}})
	if err != nil {
		t.Fatal(err)
	}
	wantRefusal(t, record(t, h, "PUT /v2/ HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nabc"), 400, "Bad Request")
	if d.calls.Load() != 0 {
		t.Error("the function was called")
	}
}

// zeros is an endless body that is text to those who are told so.
type zeros struct{}

func (zeros) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = '0'
	}
	return len(p), nil
}
