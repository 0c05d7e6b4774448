package proxy

import (
	"errors"
	"net/http"
	"strings"
	"testing"

	"github.com/berthregistry/berth/shared/oci"
)

var someDigest = oci.SHA256.Sum([]byte("some"))

func TestParse(t *testing.T) {
	for path, want := range map[string]target{
		"/v2":                                   {},
		"/v2/":                                  {},
		"/v2/_catalog":                          {},
		"/v2/team/app/tags/list":                {repo: "team/app", last: "list"},
		"/v2/team/app/manifests/1.0":            {kindManifest, "team/app", "1.0"},
		"/v2/a/manifests/" + string(someDigest): {kindManifest, "a", string(someDigest)},
		"/v2/a/referrers/" + string(someDigest): {kindReferrers, "a", string(someDigest)},
		"/v2/a/blobs/" + string(someDigest):     {kindBlob, "a", string(someDigest)},
		"/v2/a/blobs/uploads/":                  {kind: kindUploads, repo: "a"},
		"/v2/a/blobs/uploads":                   {kind: kindUploads, repo: "a"},
		"/v2/a/blobs/uploads/X":                 {kindUpload, "a", "X"},
		"/v2/a/blobs/uploads/blobs/uploads/X":   {kindUpload, "a/blobs/uploads", "X"},
		"/v2/a/blobs/blobs/x":                   {kindBlob, "a/blobs", "x"},
		"/v2/a/manifests/manifests/x":           {kindManifest, "a/manifests", "x"},
		"/v2/a/b/_oci/ext/discover":             {repo: "a/b"},
		"/v2/a/_berth/v1/uploads/X/parts":       {repo: "a"},
		"/v2/unheard/of":                        {},
		"/v2/blobs/uploads/x/y":                 {},
	} {
		if got, err := parse(path); err != nil || got != want {
			t.Errorf("parse(%q) = %+v, %v, want %+v", path, got, err, want)
		}
	}
}

// With the proxy's login nobody gets to what the registry has beside /v2/.
func TestNoPathLeadsOut(t *testing.T) {
	for _, path := range []string{
		"", "/", "/v1/", "/v2x", "/token", "/_berth/policy", "v2/", "//v2/",
		"/v2/../_berth/policy", "/v2/a/../../_berth/policy", "/v2/..", "/v2/./a/tags/list", "/v2//a/tags/list", "/v2//",
		`/v2/..\_berth`, "/v2/%2e%2e/_berth", "/v2/a?b", "/v2/a#b", "/v2/a b", "/v2/a\x00", "/v2/ä",
	} {
		if got, err := parse(path); !errors.Is(err, oci.ErrUnsupported) {
			t.Errorf("parse(%q) = %+v, %v, want an error", path, got, err)
		}
	}
}

func TestUploadsHaveARepository(t *testing.T) {
	for _, path := range []string{"/v2/A/blobs/uploads/", "/v2/a-/blobs/uploads/x", "/v2/" + strings.Repeat("a", 256) + "/blobs/uploads/"} {
		if _, err := parse(path); !errors.Is(err, oci.ErrNameInvalid) {
			t.Errorf("parse(%q): got %v", path, err)
		}
	}
}

func FuzzParse(f *testing.F) {
	for _, path := range []string{"/v2/", "/v2/a/blobs/uploads/x", "/v2/a/_oci/ext/discover", "/v2/../a", "/v2/a/manifests/b"} {
		f.Add(path)
	}
	f.Fuzz(func(t *testing.T, path string) {
		got, err := parse(path)
		if err != nil {
			return
		}
		if !strings.HasPrefix(path+"/", "/v2/") || strings.Contains(path, "..") && hasSegment(path, "..") {
			t.Errorf("parse(%q) leads out", path)
		}
		if got.repo != "" && !strings.HasPrefix(path, "/v2/"+got.repo+"/") {
			t.Errorf("parse(%q) found %q", path, got.repo)
		}
		if (got.kind == kindUpload || got.kind == kindUploads) && !oci.ValidName(got.repo) {
			t.Errorf("parse(%q) is an upload in %q", path, got.repo)
		}
		if got.kind == kindUpload && got.last == "" {
			t.Errorf("parse(%q) is an upload without an id", path)
		}
	})
}

func hasSegment(path, segment string) bool {
	return strings.Contains(path+"/", "/"+segment+"/")
}

func FuzzParseRange(f *testing.F) {
	for _, text := range []string{"0-0", "5-9", "9-5", "-1", "0-", "0-18446744073709551615", "bytes 0-1", "+1-2", "0-4611686018427387903"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		start, size, err := parseRange(text)
		if err == nil && (start < 0 || size <= 0 || start+size < start) {
			t.Errorf("parseRange(%q) = %d, %d", text, start, size)
		}
	})
}

func TestReadChunk(t *testing.T) {
	for _, c := range []struct {
		text   string
		body   string
		length int64
		start  int64
		read   string
		err    error // of the headers or of the body
	}{
		{"", "abc", 3, -1, "abc", nil},
		{"", "abc", -1, -1, "abc", nil},
		{"0-2", "abc", 3, 0, "abc", nil},
		{"7-9", "abc", -1, 7, "abc", nil},
		{"7-9", "abcd", -1, 7, "abc", oci.ErrSizeInvalid},
		{"7-9", "ab", -1, 7, "ab", oci.ErrSizeInvalid},
		{"7-9", "abcd", 4, 0, "", oci.ErrSizeInvalid},
		{"9-7", "abc", 3, 0, "", oci.ErrUploadInvalid},
		{"bytes 0-2/3", "abc", 3, 0, "", oci.ErrUploadInvalid},
		{"-2", "abc", 3, 0, "", oci.ErrUploadInvalid},
	} {
		r, err := http.NewRequestWithContext(t.Context(), "PATCH", "/", strings.NewReader(c.body))
		if err != nil {
			t.Fatal(err)
		}
		r.ContentLength = c.length
		if c.text != "" {
			r.Header.Set("Content-Range", c.text)
		}
		got, err := readChunk(r)
		var read strings.Builder
		if err == nil {
			_, err = copyTo(&read, got.body)
		}
		if !errors.Is(err, c.err) || err == nil && got.start != c.start || read.String() != c.read {
			t.Errorf("%q of %q: got %d, %q, %v, want %d, %q, %v", c.text, c.body, got.start, &read, err, c.start, c.read, c.err)
		}
	}
}
