package absent_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"

	v1 "github.com/opencontainers/image-spec/specs-go/v1"
	"oras.land/oras-go/v2/registry/remote"
	"oras.land/oras-go/v2/registry/remote/auth"
	"oras.land/oras-go/v2/registry/remote/retry"

	"github.com/berthregistry/berth/shared/absent"
)

// With oras-go the Transport goes beneath the client that logs in. Each request
// that is tried again passes it again.
func ExampleTransport_orasGo() {
	host, done := someRegistry()
	defer done()
	ctx := context.Background()

	spared := &absent.Transport{Reference: host + "/team/app:v1"}
	repo, err := remote.NewRepository(host + "/team/app")
	if err != nil {
		fmt.Println(err)
		return
	}
	repo.PlainHTTP = true
	repo.Client = &auth.Client{Client: &http.Client{Transport: retry.NewTransport(spared)}, Cache: auth.NewCache()}

	image, err := repo.Resolve(ctx, "v1")
	if err != nil {
		fmt.Println(err)
		return
	}
	err = repo.Referrers(ctx, image, "", func(referrers []v1.Descriptor) error {
		fmt.Println("a page of", len(referrers))
		return nil
	})
	fmt.Println(err, "and spared:", spared.Spared())
	// Output: <nil> and spared: 1
}

// someRegistry starts one that has an image, to which nothing refers.
func someRegistry() (host string, done func()) {
	web := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("OCI-Referrers") == "request" {
			w.Header().Set("OCI-Referrers", "absent")
		}
		w.Header().Set("Docker-Content-Digest", string(image))
		w.Header().Set("Content-Type", v1.MediaTypeImageManifest)
		w.Header().Set("Content-Length", "2")
	}))
	return strings.TrimPrefix(web.URL, "http://"), web.Close
}
