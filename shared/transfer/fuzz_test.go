package transfer

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/berthregistry/berth/shared/direct"
	"github.com/berthregistry/berth/shared/oci"
)

func FuzzContentRange(f *testing.F) {
	for _, v := range []string{
		"bytes 0-0/1", "bytes 0-699/9000", "bytes 5-9/*", "bytes */100", "bytes 1-0/2", "bytes 0-5/5", "bytes -1-2/3",
		"bytes 0-4611686018427387904/*", "items 0-1/2", "bytes 0-1", "bytes 0-1/2/3", "bytes=0-1/2", "",
	} {
		f.Add(v)
	}
	f.Fuzz(func(t *testing.T, v string) {
		first, last, size, err := parseContentRange(v)
		if err != nil {
			return
		}
		if first < 0 || last < first || size != -1 && size <= last || last+1 <= 0 {
			t.Errorf("%q: %d-%d of %d", v, first, last, size)
		}
		again := fmt.Sprintf("bytes %d-%d/%d", first, last, size)
		if size < 0 {
			again = fmt.Sprintf("bytes %d-%d/*", first, last)
		}
		f2, l2, s2, err := parseContentRange(again)
		if err != nil || f2 != first || l2 != last || s2 != size {
			t.Errorf("%q, written as %q: %d-%d of %d, %v", v, again, f2, l2, s2, err)
		}
	})
}

func FuzzReceived(f *testing.F) {
	for _, v := range []string{"0-0", "0-99", "bytes=0-99", "1-5", "0-", "-5", "0-4611686018427387903", "0-9999999999999999999", "0--1", ""} {
		f.Add(v)
	}
	f.Fuzz(func(t *testing.T, v string) {
		n, err := parseReceived(v)
		if err == nil && (n < 0 || n == 1) {
			t.Errorf("%q: %d bytes", v, n)
		}
	})
}

// Whatever a registry answers to a begin, what is believed of it is within bounds.
func FuzzBegun(f *testing.F) {
	digest := describe(nil).Digest
	for _, v := range []string{
		`{"blobs":[{"digest":"` + string(digest) + `","size":5,"state":"present"}],"manifests":[]}`,
		`{"blobs":[{"digest":"` + string(digest) + `","size":5,"state":"upload","upload":{"id":"a","state":"open","partSize":16}}],"manifests":[]}`,
		`{"blobs":[{"digest":"` + string(digest) + `","state":"upload","upload":{"id":"../../x","state":"open","partSize":0}}]}`,
		`{"blobs":[{"digest":"` + string(digest) + `","state":"upload","upload":{"id":"a","state":"open","partSize":9223372036854775807}}]}`,
		`{"blobs":[{"digest":"` + string(digest) + `","state":"upload"}]}`, `{"blobs":[{"state":"nonsense"}]}`, `{}`, `[]`, `null`, `<html>`,
	} {
		f.Add([]byte(v), int64(5))
	}
	r := &Repository{base: mustURL(f, "https://registry.test/v2/team/app/")}
	f.Fuzz(func(t *testing.T, raw []byte, size int64) {
		if size < -1 || size > direct.MaxSize {
			return
		}
		var begun direct.Begun
		if decode(&http.Response{Body: io.NopCloser(bytes.NewReader(raw))}, &begun) != nil {
			return
		}
		asked := direct.Begin{Blobs: []direct.Wanted{{Digest: digest, Size: size}}}
		if r.checkBegun(asked, begun) != nil {
			return
		}
		b := begun.Blobs[0]
		if b.Digest != digest || b.State == direct.Upload && b.Upload == nil {
			t.Fatalf("%s is believed", raw)
		}
		if b.State != direct.Upload {
			return
		}
		u := b.Upload
		if at := r.at(direct.Uploads + "/" + u.ID).String(); mustURL(t, at).Path != r.base.Path+direct.Uploads+"/"+u.ID || strings.Contains(at, "..") {
			t.Errorf("the id %q leads to %s", u.ID, at)
		}
		if u.State == direct.Open && (u.PartSize < 1 || u.PartSize > direct.MaxPart || parts(size, u.PartSize) > direct.MaxNumber) {
			t.Errorf("parts of %d for %d bytes", u.PartSize, size)
		}
		if u.Put != nil {
			_, _ = r.putCall(*u.Put, payload{})
		}
	})
}

// Whatever a server refuses with, the error is short and says nothing secret.
func FuzzRefusal(f *testing.F) {
	f.Add(503, []byte("<Error><Code>SlowDown</Code></Error>"), "120")
	f.Add(400, []byte(`{"errors":[{"code":"DIGEST_INVALID","message":"m","detail":{"a":1}}]}`), "Wed, 21 Oct 2026 07:28:00 GMT")
	f.Add(403, []byte("<Error><Code>a?signature=b</Code></Error>"), "-1")
	f.Add(200, []byte(""), "99999999999999999999")
	asked := mustURL(f, "https://store.test/key?signature=secret")
	f.Fuzz(func(t *testing.T, status int, body []byte, after string) {
		answer := func() *http.Response {
			return &http.Response{
				StatusCode: status, Header: http.Header{"Retry-After": {after}}, Body: io.NopCloser(bytes.NewReader(body)),
				Request: &http.Request{Method: http.MethodPut, URL: asked},
			}
		}
		err := storeRefusal(answer(), asked)
		if s := err.Error(); len(s) > 300 || strings.Contains(s, "?") || strings.Contains(s, "/key") {
			t.Errorf("the store's refusal is told as %q", s)
		}
		registry := registryRefusal(answer(), asked)
		if !bytes.Contains(body, []byte("secret")) && strings.Contains(registry.Error(), "signature=secret") {
			t.Errorf("the registry's refusal is told as %q", registry)
		}
		_ = worthAgain(t.Context(), registry)
		if d := usualPace.backoff(1, err); d < 0 || d > mostAsked {
			t.Errorf("the wait is %v", d)
		}
	})
}

func TestRetryAfter(t *testing.T) {
	now := time.Date(2026, 10, 21, 7, 28, 0, 0, time.UTC)
	for v, want := range map[string]time.Duration{
		"": 0, "0": 0, "7": 7 * time.Second, "86400": mostAsked, "-1": 0, "x": 0, "1.5": 0,
		"Wed, 21 Oct 2026 07:28:30 GMT": 30 * time.Second, "Wed, 21 Oct 2026 07:27:00 GMT": 0, "Thu, 22 Oct 2026 07:28:30 GMT": mostAsked,
	} {
		if got := retryAfter(http.Header{"Retry-After": {v}}, now); got != want {
			t.Errorf("%q: %v, want %v", v, got, want)
		}
	}
}

// FuzzSigned sends what a registry signs to nowhere: it is enough that it is
// refused or becomes a request.
func FuzzSigned(f *testing.F) {
	f.Add([]byte(`{"parts":[{"url":"https://store.test/a","header":{"a":"b"}}]}`))
	f.Add([]byte(`{"parts":[{"url":"http://[::1","header":{"a\n":"b\r\n"}}]}`))
	f.Add([]byte(`{"parts":null}`))
	r := &Repository{base: mustURL(f, "https://registry.test/v2/team/app/"), engine: New(Options{})}
	f.Fuzz(func(t *testing.T, raw []byte) {
		var signed direct.Signed
		if json.Unmarshal(raw, &signed) != nil {
			return
		}
		for _, target := range signed.Parts {
			c, err := r.putCall(target, bytesPayload([]byte("x"), &tally{d: oci.Descriptor{}, w: silent{}}))
			if err != nil {
				continue
			}
			if c.url.Scheme != "https" {
				t.Errorf("%s goes without TLS", raw)
			}
			if req, err := r.engine.request(t.Context(), c, c.url); err == nil && req.Header.Get("Authorization") != "" {
				t.Errorf("%s goes with credentials", raw)
			}
		}
	})
}
