package main

import (
	"bytes"
	"net/http"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/s3"
)

// An image goes up and comes down, small blobs through the gateway and large
// ones from the store.
func TestImage(t *testing.T) {
	cl := newCloud(t)
	c := newClient(t, cl.registryURL)
	small, large := noise(100<<10), noise(9<<20)
	c.pushChunks("team/app", large, 4<<20)
	m := c.pushImage("team/app", "v1", small)

	if got := c.want(200, "GET", "/v2/team/app/manifests/v1", nil); !bytes.Equal(got.body, m) {
		t.Errorf("got manifest %s, want %s", got.body, m)
	}
	if got := c.want(200, "HEAD", "/v2/team/app/manifests/v1", nil); got.header.Get("Docker-Content-Digest") != digest(m) {
		t.Errorf("HEAD says %v, want digest %s", got, digest(m))
	}
	if got := c.want(200, "GET", "/v2/team/app/blobs/"+digest(small), nil); !bytes.Equal(got.body, small) {
		t.Error("the small blob came back otherwise")
	}
	for _, method := range []string{"GET", "HEAD"} {
		to := c.want(307, method, "/v2/team/app/blobs/"+digest(large), nil).header.Get("Location")
		if !strings.HasPrefix(to, cl.guards.s3) {
			t.Fatalf("%s of the large blob leads to %s, want the guard at %s", method, to, cl.guards.s3)
		}
		got := c.want(200, method, to, nil)
		if method == "GET" && !bytes.Equal(got.body, large) {
			t.Error("the large blob came back otherwise")
		}
	}
}

// Two clouds on the same services do not see each other, and one that is closed
// leaves nothing there.
func TestSideBySide(t *testing.T) {
	one := newCloud(t)
	newClient(t, one.registryURL).pushImage("team/app", "v1", noise(1<<20))
	cfg := newConfig(t)
	other, err := start(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	c := newClient(t, other.registryURL)
	c.want(404, "GET", "/v2/team/app/manifests/v1", nil)
	c.pushImage("team/app", "v2", noise(300<<10))
	// An upload that is not finished does not keep the bucket.
	c.startChunks("team/app", noise(4<<20), noise(4<<20))
	if err := other.close(); err != nil {
		t.Fatal(err)
	}
	if _, err := http.Get(other.registryURL + "/v2/"); err == nil {
		t.Error("a closed cloud answers")
	}
	if _, err := one.s3Client().HeadBucket(t.Context(), &s3.HeadBucketInput{Bucket: &other.stack.Buckets[0].Name}); err == nil {
		t.Error("the bucket of the closed cloud is still there")
	}
	newClient(t, one.registryURL).want(200, "GET", "/v2/team/app/manifests/v1", nil)
}
