package absent

import (
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/berthregistry/berth/shared/oci"
)

// Whatever encoding/json takes for a subject is seen as one.
func FuzzMentionsSubject(f *testing.F) {
	for _, s := range []string{`{}`, `{"subject":{"digest":"sha256:1"}}`, `{"Subject":1}`, `{"\u0053UBJECT":[]}`, `{"ſubject":0}`, `{"subject":null,"subject":2}`, "\xff"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, body string) {
		var m struct {
			Subject json.RawMessage `json:"subject"`
		}
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPut, "https://r.test/v2/a/manifests/b", strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		if json.Unmarshal([]byte(body), &m) == nil && m.Subject != nil && !mentionsSubject(req) {
			t.Errorf("%q has a subject %s", body, m.Subject)
		}
	})
}

// Where a place is understood, it is what the path says, and nothing else.
func FuzzLocate(f *testing.F) {
	for _, s := range []string{
		"/v2/", "/v2/a/b/manifests/v1", "/v2/a/referrers/" + string(oci.SHA256.Sum(nil)), "/v2/a/blobs/uploads/",
		"/v2/a/blobs/uploads/manifests/v1", "/v2/a/../b/manifests/v1", "/v2/a%2Fb/manifests/v1", "/v2/a/_x/manifests/v1",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, path string) {
		u, err := url.ParseRequestURI("https://r.test" + path)
		if err != nil {
			return
		}
		p := locate(&http.Request{URL: u})
		infix := map[kind]string{kindManifest: "/manifests/", kindReferrers: "/referrers/"}[p.kind]
		if p.repo != "" && !oci.ValidName(p.repo) {
			t.Errorf("%q is in %q", path, p.repo)
		}
		if infix != "" && u.EscapedPath() != "/v2/"+p.repo+infix+p.last {
			t.Errorf("%q was read as %+v", path, p)
		}
		if p.kind == kindReferrers && string(p.digest) != p.last || p.digest != "" && string(p.digest) != p.last {
			t.Errorf("%q is about %q", path, p.digest)
		}
	})
}
