package distribution_test

import (
	"bytes"
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	"net/http"
	"strconv"
	"strings"
	"testing"

	"github.com/berthregistry/berth/shared/oci"
	"github.com/berthregistry/berth/shared/registry"
)

// Sizes around what is kept in the item and what in a file.
var blobSizes = []int{0, 1, 16 << 10, 16<<10 + 1, 300 << 10}

func TestBlob(t *testing.T) {
	s := serve(t, registry.Options{})
	for _, size := range blobSizes {
		content := noise(size)
		for _, d := range []oci.Digest{oci.SHA256.Sum(content), oci.SHA512.Sum(content)} {
			target := "/v2/a/b/blobs/" + string(d)
			s.want(s.get(target), http.StatusNotFound, "BLOB_UNKNOWN")
			s.want(s.head(target), http.StatusNotFound, "")
			a := s.do(http.MethodPost, "/v2/a/b/blobs/uploads/?digest="+string(d), bytes.NewReader(content))
			s.want(a, http.StatusCreated, "")
			if a.get("Location") != target || a.get("Docker-Content-Digest") != string(d) {
				t.Errorf("POST of %s: %v", d, a.header)
			}
			for _, a := range []answer{s.get(target), s.head(target)} {
				s.want(a, http.StatusOK, "")
				for name, want := range map[string]string{
					"Content-Type": "application/octet-stream", "Content-Length": strconv.Itoa(size),
					"Docker-Content-Digest": string(d), "Etag": `"` + string(d) + `"`, "Accept-Ranges": "bytes",
				} {
					if got := a.get(name); got != want {
						t.Errorf("blob of %d: %s %q, want %q", size, name, got, want)
					}
				}
			}
			if a := s.get(target); !bytes.Equal(a.body, content) {
				t.Errorf("blob of %d came back different", size)
			}
		}
	}
}

func TestBlobRange(t *testing.T) {
	s := serve(t, registry.Options{})
	const n = 40_000
	for _, size := range []int{n, 5000} { // in a file, in an item
		content := noise(size)
		d := s.blob("a", content)
		target, etag := "/v2/a/blobs/"+string(d.Digest), `"`+string(d.Digest)+`"`
		last := size - 1
		for _, c := range []struct {
			header      string
			first, last int
		}{
			{"bytes=0-0", 0, 0},
			{"bytes=0-499", 0, 499},
			{"bytes=500-999", 500, 999},
			{"bytes=500-", 500, last},
			{fmt.Sprintf("bytes=%d-", last), last, last},
			{fmt.Sprintf("bytes=0-%d", last), 0, last},
			{"bytes=0-99999999", 0, last},
			{"bytes=100-99999999999999999", 100, last},
			{"bytes=-1", last, last},
			{"bytes=-500", size - 500, last},
			{"bytes=-99999999", 0, last},
			{"bytes= 3-4 ", 3, 4},
		} {
			a := s.get(target, "Range", c.header)
			want := fmt.Sprintf("bytes %d-%d/%d", c.first, c.last, size)
			if a.status != http.StatusPartialContent || a.get("Content-Range") != want || !bytes.Equal(a.body, content[c.first:c.last+1]) {
				t.Errorf("Range %q = %d, %q and %d bytes, want %q", c.header, a.status, a.get("Content-Range"), len(a.body), want)
			}
			if a.get("Docker-Content-Digest") != string(d.Digest) || a.get("Etag") != etag {
				t.Errorf("Range %q: %v", c.header, a.header)
			}
			if a := s.head(target, "Range", c.header); a.status != http.StatusOK || a.get("Content-Length") != strconv.Itoa(size) {
				t.Errorf("HEAD with Range = %d, Content-Length %s: only GET has ranges", a.status, a.get("Content-Length"))
			}
		}
	}
}

func TestBlobRangeRefused(t *testing.T) {
	s := serve(t, registry.Options{})
	for _, size := range []int{40_000, 5000} {
		d := s.blob("a", noise(size))
		target := "/v2/a/blobs/" + string(d.Digest)
		for _, header := range []string{
			fmt.Sprintf("bytes=%d-", size), fmt.Sprintf("bytes=%d-%d", size, size+5), "bytes=99999999-", "bytes=500-0", "bytes=-0",
			"bytes=-", "bytes=x-y", "bytes=1", "bytes=--1", "bytes=1-2-3", "bytes=99999999999999999999-",
		} {
			a := s.get(target, "Range", header)
			if a.status != http.StatusRequestedRangeNotSatisfiable || a.get("Content-Range") != fmt.Sprintf("bytes */%d", size) {
				t.Errorf("Range %q = %d, Content-Range %q: %.100q", header, a.status, a.get("Content-Range"), a.body)
				continue
			}
			if got := a.codes(t); got != "SIZE_INVALID" {
				t.Errorf("Range %q: %s", header, got)
			}
		}
	}
}

// What is not understood, or no longer true, is ignored: the whole blob is a
// right answer to any range.
func TestBlobRangeIgnored(t *testing.T) {
	s := serve(t, registry.Options{})
	content := noise(40_000)
	d := s.blob("a", content)
	empty := s.blob("a", nil)
	for _, c := range []struct {
		digest oci.Digest
		header []string
	}{
		{d.Digest, []string{"Range", "items=0-5"}},
		{d.Digest, []string{"Range", "lines=1-"}},
		{d.Digest, []string{"Range", "0-5"}},
		{d.Digest, []string{"Range", "bytes="}},
		{d.Digest, []string{"Range", "bytes=0-5", "If-Range", `"` + digest256 + `"`}},
		{d.Digest, []string{"Range", "bytes=0-5", "If-Range", `W/"` + string(d.Digest) + `"`}},
		{d.Digest, []string{"Range", "bytes=0-5", "If-Range", "Wed, 21 Oct 2015 07:28:00 GMT"}},
		{empty.Digest, []string{"Range", "bytes=0-"}},
		{empty.Digest, []string{"Range", "bytes=0-0"}},
		{empty.Digest, []string{"Range", "bytes=-5"}},
		{empty.Digest, []string{"Range", "bytes=5-"}},
	} {
		want := content
		if c.digest == empty.Digest {
			want = nil
		}
		a := s.get("/v2/a/blobs/"+string(c.digest), c.header...)
		if a.status != http.StatusOK || !bytes.Equal(a.body, want) || a.get("Content-Range") != "" {
			t.Errorf("%q = %d, %d bytes, Content-Range %q", c.header, a.status, len(a.body), a.get("Content-Range"))
		}
	}
	a := s.get("/v2/a/blobs/"+string(d.Digest), "Range", "bytes=0-5", "If-Range", `"`+string(d.Digest)+`"`)
	if a.status != http.StatusPartialContent || !bytes.Equal(a.body, content[:6]) {
		t.Errorf("If-Range of the blob = %d, %d bytes", a.status, len(a.body))
	}
}

// podman asks for several ranges at once with zstd:chunked.
func TestBlobMultiRange(t *testing.T) {
	s := serve(t, registry.Options{})
	content := noise(40_000)
	d := s.blob("a", content)
	a := s.get("/v2/a/blobs/"+string(d.Digest), "Range", "bytes=0-9,1000-1999, 39990-")
	s.want(a, http.StatusPartialContent, "")
	kind, params, err := mime.ParseMediaType(a.get("Content-Type"))
	if err != nil || kind != "multipart/byteranges" {
		t.Fatalf("Content-Type %q", a.get("Content-Type"))
	}
	parts := multipart.NewReader(bytes.NewReader(a.body), params["boundary"])
	for _, want := range [][2]int{{0, 10}, {1000, 2000}, {39990, 40_000}} {
		p, err := parts.NextPart()
		if err != nil {
			t.Fatal(err)
		}
		got, err := io.ReadAll(p)
		if err != nil || !bytes.Equal(got, content[want[0]:want[1]]) {
			t.Errorf("part %v is %d bytes, %v", want, len(got), err)
		}
		if got, want := p.Header.Get("Content-Range"), fmt.Sprintf("bytes %d-%d/40000", want[0], want[1]-1); got != want {
			t.Errorf("Content-Range %q, want %q", got, want)
		}
	}
	// More than the blob has is no saving.
	a = s.get("/v2/a/blobs/"+string(d.Digest), "Range", "bytes=0-29999,0-29999")
	if a.status != http.StatusOK || !bytes.Equal(a.body, content) {
		t.Errorf("ranges that overlap = %d, %d bytes", a.status, len(a.body))
	}
}

func TestBlobConditions(t *testing.T) {
	s := serve(t, registry.Options{})
	d := s.blob("a", noise(40_000))
	target, etag := "/v2/a/blobs/"+string(d.Digest), `"`+string(d.Digest)+`"`
	for _, c := range []struct {
		name, value string
		want        int
	}{
		{"If-None-Match", etag, http.StatusNotModified},
		{"If-None-Match", "W/" + etag, http.StatusNotModified},
		{"If-None-Match", `"other", ` + etag, http.StatusNotModified},
		{"If-None-Match", "*", http.StatusNotModified},
		{"If-None-Match", `"other"`, http.StatusOK},
		{"If-Match", etag, http.StatusOK},
		{"If-Match", "*", http.StatusOK},
		{"If-Match", `"other"`, http.StatusPreconditionFailed},
		{"If-Match", "W/" + etag, http.StatusPreconditionFailed},
	} {
		for _, method := range []string{http.MethodGet, http.MethodHead} {
			a := s.do(method, target, nil, c.name, c.value)
			if a.status != c.want {
				t.Errorf("%s with %s: %s = %d, want %d", method, c.name, c.value, a.status, c.want)
			}
			if a.status == http.StatusNotModified && (len(a.body) > 0 || a.get("Etag") != etag) {
				t.Errorf("%s 304: %d bytes, %v", method, len(a.body), a.header)
			}
		}
	}
}

func TestBlobDelete(t *testing.T) {
	s := serve(t, registry.Options{})
	for _, size := range blobSizes {
		d := s.blob("a", noise(size))
		s.blob("b", noise(size))
		target := "/v2/a/blobs/" + string(d.Digest)
		s.want(s.delete(target), http.StatusAccepted, "")
		s.want(s.get(target), http.StatusNotFound, "BLOB_UNKNOWN")
		s.want(s.delete(target), http.StatusNotFound, "BLOB_UNKNOWN")
		s.want(s.get("/v2/b/blobs/"+string(d.Digest)), http.StatusOK, "")
		s.blob("a", noise(size))
		s.want(s.get(target), http.StatusOK, "")
	}
}

// A blob that a manifest needs stays. RFC 9110 asks for Allow beside a 405.
func TestBlobDeleteInUse(t *testing.T) {
	s := serve(t, registry.Options{})
	image := s.image("a", "1", "layer")
	target := "/v2/a/blobs/" + string(oci.SHA256.Sum([]byte("layer")))
	a := s.delete(target)
	s.want(a, http.StatusMethodNotAllowed, "DENIED")
	if got := a.get("Allow"); got != "GET, HEAD" {
		t.Errorf("Allow %q, want GET, HEAD", got)
	}
	if detail := string(a.errors(t)[0].Detail); !strings.Contains(detail, string(image.Digest)) {
		t.Errorf("the detail %s does not name the manifest", detail)
	}
	s.want(s.head(target), http.StatusOK, "")
	s.want(s.delete(manifestURL("a", string(image.Digest))), http.StatusAccepted, "")
	s.want(s.delete(target), http.StatusAccepted, "")
}
