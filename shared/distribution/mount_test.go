package distribution_test

import (
	"bytes"
	"net/http"
	"testing"

	"github.com/berthregistry/berth/shared/oci"
	"github.com/berthregistry/berth/shared/registry"
)

func (s *server) mount(repo, query string) answer {
	s.Helper()
	return s.do(http.MethodPost, "/v2/"+repo+"/blobs/uploads/?"+query, nil)
}

func TestMount(t *testing.T) {
	s := serve(t, registry.Options{})
	for _, size := range blobSizes {
		content := noise(size)
		for _, d := range []oci.Digest{oci.SHA256.Sum(content), oci.SHA512.Sum(content)} {
			a := s.do(http.MethodPost, "/v2/from/here/blobs/uploads/?digest="+string(d), bytes.NewReader(content))
			s.want(a, http.StatusCreated, "")
			for repo, query := range map[string]string{
				"named":     "mount=" + string(d) + "&from=from/here",
				"anonymous": "mount=" + string(d),
				"empty":     "mount=" + string(d) + "&from=",
				"from/here": "mount=" + string(d) + "&from=nowhere", // it is here already
				"crane":     "mount=" + string(d) + "&from=from/here&origin=registry.example.org",
			} {
				a := s.mount(repo, query)
				s.want(a, http.StatusCreated, "")
				want := "/v2/" + repo + "/blobs/" + string(d)
				if a.get("Location") != want || a.get("Docker-Content-Digest") != string(d) {
					t.Errorf("mount to %s: %v", repo, a.header)
				}
				s.wantBlob(repo, d, content)
			}
			// Each repository has its own: the source may go.
			s.want(s.delete("/v2/from/here/blobs/"+string(d)), http.StatusAccepted, "")
			s.wantBlob("named", d, content)
			s.want(s.delete("/v2/named/blobs/"+string(d)), http.StatusAccepted, "")
			s.wantBlob("anonymous", d, content)
		}
	}
}

// What cannot be mounted is to be uploaded, and the answer says where.
func TestMountUnknown(t *testing.T) {
	s := serve(t, registry.Options{})
	d := s.blob("here", []byte("content")).Digest
	other := oci.SHA256.Sum([]byte("other"))
	for _, query := range []string{
		"mount=" + digest256, "mount=" + digest512, "mount=" + digest256 + "&from=here", "mount=" + string(d) + "&from=nowhere",
		"mount=" + string(d) + "&from=../here", "mount=" + string(d) + "&from=Here", "mount=" + string(d) + "&from=here%00",
		"mount=" + string(other) + "&from=here&digest-algorithm=sha256",
	} {
		a := s.mount("there", query)
		s.want(a, http.StatusAccepted, "")
		s.wantAt(a.get("Location"), 0)
		s.want(s.finish(a.get("Location"), other, -1, []byte("other")), http.StatusCreated, "")
		s.want(s.delete("/v2/there/blobs/"+string(other)), http.StatusAccepted, "")
	}
	for _, query := range []string{"mount=", "mount", "mount=x", "mount=sha256:x&from=here", "mount=blake3:" + digest256[7:], "mount=&digest=" + string(d)} {
		s.want(s.mount("there", query), http.StatusBadRequest, "DIGEST_INVALID")
	}
	s.want(s.get("/v2/there/blobs/"+string(d)), http.StatusNotFound, "BLOB_UNKNOWN")
}

func TestPostRefuses(t *testing.T) {
	s := serve(t, registry.Options{})
	for _, query := range []string{"digest=", "digest=x", "digest=sha256:x", "digest=" + digest256, "digest=" + digest512, "digest=blake3:" + digest256[7:]} {
		a := s.do(http.MethodPost, "/v2/a/blobs/uploads/?"+query, bytes.NewReader([]byte("content")))
		s.want(a, http.StatusBadRequest, "DIGEST_INVALID")
	}
	s.want(s.get("/v2/a/tags/list"), http.StatusNotFound, "NAME_UNKNOWN")
}
