package main

import (
	"strings"
	"testing"

	"github.com/berthregistry/berth/shared/oci"
)

// Without guards functions find the stores themselves, and so do clients: what is
// presigned leads to S3 itself. Nobody is asked what may be done.
func TestUnguarded(t *testing.T) {
	t.Parallel()
	cl := newCloud(t, func(cfg *config) { cfg.unguarded = true })
	c := newClient(t, cl.registryURL)
	blob := noise(6 << 20) // too large for an answer of Lambda
	d := oci.SHA256.Sum(blob)
	id := c.sendDirect("team/app", d, blob)
	c.complete("team/app", id, d, len(blob))
	c.ends("team/app", id)
	c.wantBlob("team/app", d, blob)
	to := c.want(307, "GET", "/v2/team/app/blobs/"+string(d), nil).header.Get("Location")
	if !strings.HasPrefix(to, cl.s3+"/") {
		t.Errorf("a layer is at %.40s..., want S3 at %s", to, cl.s3)
	}
	for function, did := range cl.actions() {
		for _, u := range did {
			if u.Allowed+u.Refused > 0 {
				t.Errorf("somebody watched %s: %+v", function, u)
			}
		}
	}
}
