package mirror_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	v1 "github.com/opencontainers/image-spec/specs-go/v1"
	"oras.land/oras-go/v2/registry/remote"

	"github.com/berthregistry/berth/shared/mirror"
	"github.com/berthregistry/berth/shared/oci"
)

// Tags of what is known by another digest than a SHA-256 come in a request of their
// own, which may be cut as any other.
func TestTagsInARequestThatIsCut(t *testing.T) {
	var asked atomic.Int64
	web := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		if tag := r.URL.Query().Get("tag"); tag != "" {
			if asked.Add(1) == 1 {
				panic(http.ErrAbortHandler)
			}
			w.Header().Set("OCI-Tag", tag)
		}
		w.WriteHeader(http.StatusCreated)
	}))
	defer web.Close()
	repo, err := remote.NewRepository(strings.TrimPrefix(web.URL, "http://") + "/team/app")
	if err != nil {
		t.Fatal(err)
	}
	repo.PlainHTTP, repo.Client = true, web.Client()
	raw := []byte(`{"schemaVersion":2}`)
	d := oci.Descriptor{MediaType: v1.MediaTypeImageManifest, Digest: oci.SHA512.Sum(raw), Size: int64(len(raw))}
	if err := (&mirror.Remote{Repo: repo}).PutManifest(t.Context(), d, raw, []string{"v1"}); err != nil || asked.Load() != 2 {
		t.Errorf("%v after %d requests", err, asked.Load())
	}
}
