package proxy

import (
	"errors"
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
