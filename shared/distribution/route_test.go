package distribution_test

import (
	"errors"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/berthregistry/berth/shared/distribution"
	"github.com/berthregistry/berth/shared/oci"
	"github.com/berthregistry/berth/shared/registry"
)

var (
	digest256 = "sha256:" + strings.Repeat("0a", 32)
	digest512 = "sha512:" + strings.Repeat("0a", 64)
)

// The words of the spec's paths are good segments of names, too.
func TestParse(t *testing.T) {
	for path, want := range map[string]distribution.Target{
		"/v2":                                    {Route: distribution.RoutePing},
		"/v2/":                                   {Route: distribution.RoutePing},
		"/v2/_catalog":                           {Route: distribution.RouteCatalog},
		"/v2/a/tags/list":                        {Route: distribution.RouteTags, Repo: "a"},
		"/v2/tags/list/tags/list":                {Route: distribution.RouteTags, Repo: "tags/list"},
		"/v2/tags/tags/list":                     {Route: distribution.RouteTags, Repo: "tags"},
		"/v2/a/manifests/tags/list":              {Route: distribution.RouteTags, Repo: "a/manifests"},
		"/v2/a/manifests/latest":                 {Route: distribution.RouteManifest, Repo: "a", Ref: oci.Reference{Tag: "latest"}},
		"/v2/manifests/manifests/manifests":      {Route: distribution.RouteManifest, Repo: "manifests", Ref: oci.Reference{Tag: "manifests"}},
		"/v2/a/tags/manifests/list":              {Route: distribution.RouteManifest, Repo: "a/tags", Ref: oci.Reference{Tag: "list"}},
		"/v2/a/blobs/manifests/uploads":          {Route: distribution.RouteManifest, Repo: "a/blobs", Ref: oci.Reference{Tag: "uploads"}},
		"/v2/a/blobs/uploads/manifests/x":        {Route: distribution.RouteManifest, Repo: "a/blobs/uploads", Ref: oci.Reference{Tag: "x"}},
		"/v2/a/manifests/" + digest256:           {Route: distribution.RouteManifest, Repo: "a", Ref: oci.Reference{Digest: oci.Digest(digest256)}},
		"/v2/a/blobs/" + digest512:               {Route: distribution.RouteBlob, Repo: "a", Digest: oci.Digest(digest512)},
		"/v2/blobs/uploads/blobs/" + digest256:   {Route: distribution.RouteBlob, Repo: "blobs/uploads", Digest: oci.Digest(digest256)},
		"/v2/a/referrers/" + digest256:           {Route: distribution.RouteReferrers, Repo: "a", Digest: oci.Digest(digest256)},
		"/v2/a/referrers/referrers/" + digest256: {Route: distribution.RouteReferrers, Repo: "a/referrers", Digest: oci.Digest(digest256)},
		"/v2/a/blobs/uploads/":                   {Route: distribution.RouteUploads, Repo: "a"},
		"/v2/a/blobs/uploads":                    {Route: distribution.RouteUploads, Repo: "a"},
		"/v2/a/blobs/uploads/blobs/uploads/":     {Route: distribution.RouteUploads, Repo: "a/blobs/uploads"},
		"/v2/a/blobs/uploads/some-id":            {Route: distribution.RouteUpload, Repo: "a", Upload: "some-id"},
		"/v2/a/blobs/uploads/uploads":            {Route: distribution.RouteUpload, Repo: "a", Upload: "uploads"},
		"/v2/a/blobs/uploads/blobs/uploads/id":   {Route: distribution.RouteUpload, Repo: "a/blobs/uploads", Upload: "id"},

		"/v2/a/_oci/ext/discover":                    {Route: distribution.RouteDiscover, Repo: "a"},
		"/v2/a/_berth/v1/events":                     {Route: distribution.RouteEvents, Repo: "a"},
		"/v2/berth/v1/events/_berth/v1/events":       {Route: distribution.RouteEvents, Repo: "berth/v1/events"},
		"/v2/oci/ext/discover/_oci/ext/discover":     {Route: distribution.RouteDiscover, Repo: "oci/ext/discover"},
		"/v2/a/_berth/v1/uploads":                    {Route: distribution.RouteDirectUploads, Repo: "a"},
		"/v2/a/blobs/uploads/_berth/v1/uploads":      {Route: distribution.RouteDirectUploads, Repo: "a/blobs/uploads"},
		"/v2/berth/v1/uploads/_berth/v1/uploads/id":  {Route: distribution.RouteDirectUpload, Repo: "berth/v1/uploads", Upload: "id"},
		"/v2/a/_berth/v1/uploads/parts":              {Route: distribution.RouteDirectUpload, Repo: "a", Upload: "parts"},
		"/v2/a/_berth/v1/uploads/blobs":              {Route: distribution.RouteDirectUpload, Repo: "a", Upload: "blobs"},
		"/v2/a/tags/list/_berth/v1/uploads/id/parts": {Route: distribution.RouteDirectParts, Repo: "a/tags/list", Upload: "id"},
		"/v2/a/_berth/v1/uploads/parts/parts":        {Route: distribution.RouteDirectParts, Repo: "a", Upload: "parts"},
		"/v2/a/_berth/v1/uploads/manifests/parts":    {Route: distribution.RouteDirectParts, Repo: "a", Upload: "manifests"},
		"/v2/a/manifests/_berth":                     {Route: distribution.RouteManifest, Repo: "a", Ref: oci.Reference{Tag: "_berth"}},
		"/v2/a/blobs/uploads/_berth":                 {Route: distribution.RouteUpload, Repo: "a", Upload: "_berth"},
	} {
		got, err := distribution.Parse(path)
		if err != nil || got != want {
			t.Errorf("Parse(%q) = %+v, %v, want %+v", path, got, err, want)
		}
	}
}

func TestParseRefuses(t *testing.T) {
	long := strings.Repeat("a", 300)
	for path, want := range map[string]*oci.Error{
		"":                                     oci.ErrUnsupported,
		"/":                                    oci.ErrUnsupported,
		"/v1/":                                 oci.ErrUnsupported,
		"/v22":                                 oci.ErrUnsupported,
		"/v2//":                                oci.ErrUnsupported,
		"/v2/_catalog/":                        oci.ErrUnsupported,
		"/v2/a":                                oci.ErrUnsupported,
		"/v2/tags/list":                        oci.ErrUnsupported,
		"/v2/manifests/x":                      oci.ErrUnsupported,
		"/v2/blobs/uploads/":                   oci.ErrUnsupported,
		"/v2/a/tags/list/":                     oci.ErrUnsupported,
		"/v2/a/blobs/uploads//":                oci.ErrUnsupported,
		"/v2//tags/list":                       oci.ErrUnsupported,
		"/v2/_oci/ext/discover":                oci.ErrUnsupported,
		"/v2/A/tags/list":                      oci.ErrNameInvalid,
		"/v2//a/tags/list":                     oci.ErrNameInvalid,
		"/v2/a//manifests/x":                   oci.ErrNameInvalid,
		"/v2/../etc/manifests/x":               oci.ErrNameInvalid,
		"/v2/a/../b/manifests/x":               oci.ErrNameInvalid,
		"/v2/a\x00b/manifests/x":               oci.ErrNameInvalid,
		"/v2/ä/manifests/x":                    oci.ErrNameInvalid,
		"/v2/a\r\nSet-Cookie: b=c/manifests/x": oci.ErrNameInvalid,
		"/v2/" + long + "/manifests/x":         oci.ErrNameInvalid,
		"/v2/a/manifests/":                     oci.ErrManifestUnknown,
		"/v2/a/manifests/.x":                   oci.ErrManifestUnknown,
		"/v2/a/manifests/" + long:              oci.ErrManifestUnknown,
		"/v2/a/manifests/x@" + digest256:       oci.ErrDigestInvalid,
		"/v2/a/manifests/sha256:totallywrong":  oci.ErrDigestInvalid,
		"/v2/a/manifests/" + digest256 + "\n":  oci.ErrDigestInvalid,
		"/v2/a/blobs/":                         oci.ErrDigestInvalid,
		"/v2/a/blobs/latest":                   oci.ErrDigestInvalid,
		"/v2/a/blobs/blake3:" + digest256[7:]:  oci.ErrDigestInvalid,
		"/v2/a/referrers/":                     oci.ErrDigestInvalid,
		"/v2/a/referrers/sha512:" + digest256:  oci.ErrDigestInvalid,
		"/v2/a/blobs/uploads/" + long:          oci.ErrUploadUnknown,
		"/v2/a/blobs/uploads/line\nbreak":      oci.ErrUploadUnknown,
		"/v2/a/blobs/uploads/..":               oci.ErrUploadUnknown,
		"/v2/a/blobs/uploads/\xff\xfe":         oci.ErrUploadUnknown,
		"/v2/a/blobs/uploads/%2e%2e":           oci.ErrUploadUnknown,

		"/v2/a/_oci/ext/discover/":                  oci.ErrUnsupported,
		"/v2/A/_oci/ext/discover":                   oci.ErrNameInvalid,
		"/v2/_berth/v1/uploads":                     oci.ErrUnsupported,
		"/v2//_berth/v1/uploads":                    oci.ErrUnsupported,
		"/v2/a/_berth/v2/uploads":                   oci.ErrUnsupported,
		"/v2/a/_berth/v1/uploadsx":                  oci.ErrUnsupported,
		"/v2/a/_berth/v1/uploads/x/y":               oci.ErrUnsupported,
		"/v2/a/_berth/v1/uploads/x/parts/":          oci.ErrUnsupported,
		"/v2/a/_berth/v1/uploads/x/y/parts":         oci.ErrUnsupported,
		"/v2/a/_berth/v1/uploads/_berth/v1/uploads": oci.ErrUnsupported,
		"/v2/a/_berth/v1/uploads/tags/list":         oci.ErrNameInvalid,
		"/v2/a/_berth/v1/uploads/manifests/x":       oci.ErrNameInvalid,
		"/v2/a\n/_berth/v1/uploads":                 oci.ErrNameInvalid,
		"/v2/a/_berth/v1/uploads/":                  oci.ErrUploadUnknown,
		"/v2/a/_berth/v1/uploads//parts":            oci.ErrUploadUnknown,
		"/v2/a/_berth/v1/uploads/../parts":          oci.ErrUploadUnknown,
		"/v2/a/_berth/v1/uploads/" + long:           oci.ErrUploadUnknown,
		"/v2/a/_berth/v1/uploads/\xff/parts":        oci.ErrUploadUnknown,
	} {
		got, err := distribution.Parse(path)
		if !errors.Is(err, want) {
			t.Errorf("Parse(%.60q) = %+v, %v, want %v", path, got, err, want)
		}
		if n := len(got.Label()); n > 200 {
			t.Errorf("Parse(%.60q) has a label of %d bytes", path, n)
		}
	}
}

// What Parse accepts prints as a path that means the same, so a Location or
// Link leads back to what it was made for.
func FuzzParse(f *testing.F) {
	for _, path := range []string{
		"/v2/", "/v2/_catalog", "/v2/a/b/tags/list", "/v2/a/manifests/x", "/v2/a/blobs/" + digest256,
		"/v2/a/referrers/" + digest512, "/v2/a/blobs/uploads/", "/v2/a/blobs/uploads/x", "/v2/blobs/uploads/manifests/uploads",
		"/v2/a/_oci/ext/discover", "/v2/a/b/_berth/v1/uploads", "/v2/a/_berth/v1/uploads/x", "/v2/a/_berth/v1/uploads/x/parts",
	} {
		f.Add(path)
	}
	f.Fuzz(func(t *testing.T, path string) {
		target, err := distribution.Parse(path)
		_ = target.Label()
		if err != nil {
			var known *oci.Error
			if !errors.As(err, &known) {
				t.Fatalf("Parse(%q) = %v, want an error of the spec", path, err)
			}
			return
		}
		again, err := distribution.Parse(target.Path())
		if err != nil || again != target {
			t.Fatalf("Parse(%q) = %+v, prints as %q, which is %+v, %v", path, target, target.Path(), again, err)
		}
		if u, err := url.Parse(target.Path()); err != nil || u.Path != target.Path() {
			t.Fatalf("%q needs escapes to be a URL: %v", target.Path(), err)
		}
	})
}

// Names as strangers spell them, over the wire. wellFormed sees to it that
// none of them is an internal error, or is repeated at length.
func TestHostileURLs(t *testing.T) {
	s := serve(t, registry.Options{})
	for path, want := range map[string]int{
		"/v2/a%2Fb/tags/list":                                       http.StatusNotFound, // is a/b
		"/v2/a%00b/tags/list":                                       http.StatusBadRequest,
		"/v2/%2e%2e/%2e%2e/etc/passwd/tags/list":                    http.StatusBadRequest,
		"/v2/../../etc/passwd":                                      http.StatusNotFound,
		"/v2/a/../../../manifests/latest":                           http.StatusBadRequest,
		"/v2/a/%2e/tags/list":                                       http.StatusBadRequest,
		"/v2/a%0d%0aX-Evil:%201/tags/list":                          http.StatusBadRequest,
		"/v2/%F0%9F%90%B3/tags/list":                                http.StatusBadRequest,
		"/v2/%FF%FE/tags/list":                                      http.StatusBadRequest,
		"/v2/" + strings.Repeat("a", 300) + "/tags/list":            http.StatusBadRequest,
		"/v2/" + strings.Repeat("%0a", 100_000) + "/tags/list":      http.StatusBadRequest,
		"/v2/" + strings.Repeat("a/", 200_000) + "tags/list":        http.StatusBadRequest,
		"/v2/a/manifests/" + strings.Repeat("%01", 100_000):         http.StatusNotFound,
		"/v2/a/manifests/sha256:" + strings.Repeat("a", 300_000):    http.StatusBadRequest,
		"/v2/a/blobs/" + strings.Repeat("%01", 100_000):             http.StatusBadRequest,
		"/v2/a/blobs/sha256:" + digest256[7:] + "%0d%0aX:1":         http.StatusBadRequest,
		"/v2/a/blobs/uploads/" + strings.Repeat("%01", 100_000):     http.StatusNotFound,
		"/v2/a/blobs/uploads/%2e%2e%2f%2e%2e%2fetc":                 http.StatusNotFound,
		"/v2/a/_berth/v1/uploads/" + strings.Repeat("%01", 100_000): http.StatusNotFound,
		"/v2/a/_berth/v1/uploads/%2e%2e%2fparts":                    http.StatusNotFound,
		"/v2/a/referrers/" + digest256 + "%00":                      http.StatusBadRequest,
		"/v2/a/tags/list?last=" + strings.Repeat("%01", 100_000):    http.StatusBadRequest,
		"/v2/_catalog?last=" + strings.Repeat("a", 300_000):         http.StatusBadRequest,
		"/v2/_catalog?n=%zz&last=%zz":                               http.StatusOK, // no parameter at all
	} {
		if a := s.get(path); a.status != want {
			t.Errorf("GET %.80s = %d %.200s, want %d", path, a.status, a.body, want)
		}
	}
}

func TestHostileParameters(t *testing.T) {
	s := serve(t, registry.Options{})
	junk := strings.Repeat("%01", 50_000)
	for _, c := range []struct {
		method, target string
		status         int
	}{
		{http.MethodPost, "/v2/a/blobs/uploads/?digest=" + junk, http.StatusBadRequest},
		{http.MethodPost, "/v2/a/blobs/uploads/?mount=" + junk, http.StatusBadRequest},
		{http.MethodPost, "/v2/a/blobs/uploads/?digest-algorithm=" + junk, http.StatusBadRequest},
		{http.MethodPost, "/v2/a/blobs/uploads/?mount=" + digest256 + "&from=" + junk, http.StatusAccepted},
		{http.MethodPut, "/v2/a/manifests/x?tag=" + junk, http.StatusBadRequest},
		{http.MethodPut, "/v2/a/manifests/x?tag=a%0d%0aX-Evil:1", http.StatusBadRequest},
		{http.MethodPut, "/v2/a/blobs/uploads/x?digest=" + digest256 + "%0d%0aX-Evil:1", http.StatusBadRequest},
		{http.MethodGet, "/v2/a/referrers/" + digest256 + "?artifactType=a%0d%0aX-Evil:1", http.StatusOK},
		{http.MethodGet, "/v2/a/referrers/" + digest256 + "?artifactType=" + junk, http.StatusOK},
		{http.MethodGet, "/v2/a/referrers/" + digest256 + "?artifactType=%ff%fe", http.StatusOK},
		{http.MethodGet, "/v2/a/referrers/" + digest256 + "?artifactType=" + strings.Repeat("a", 5000), http.StatusOK},
	} {
		a := s.do(c.method, c.target, nil)
		if a.status != c.status {
			t.Errorf("%s %.80s = %d %.200s, want %d", c.method, c.target, a.status, a.body, c.status)
		}
		if a.header.Get("X-Evil") != "" {
			t.Errorf("%s %.80s put a header into the answer", c.method, c.target)
		}
	}
}
