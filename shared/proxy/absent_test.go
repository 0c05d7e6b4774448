package proxy_test

import (
	"encoding/json"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/opencontainers/image-spec/specs-go"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/berthregistry/berth/shared/oci"
)

// pushArtifact puts an artifact through the proxy, on subject unless that is nil.
func (p *pair) pushArtifact(name string, subject *oci.Descriptor) oci.Descriptor {
	p.Helper()
	empty := v1.DescriptorEmptyJSON
	p.want(http.StatusCreated, "POST", p.proxy+"/v2/team/app/blobs/uploads/?digest="+string(empty.Digest), strings.NewReader("{}"))
	raw, err := json.Marshal(v1.Manifest{
		Versioned: specs.Versioned{SchemaVersion: 2}, MediaType: v1.MediaTypeImageManifest, ArtifactType: "test/" + name,
		Config: empty, Layers: []v1.Descriptor{empty}, Subject: subject,
	})
	if err != nil {
		p.Fatal(err)
	}
	d := oci.Descriptor{MediaType: v1.MediaTypeImageManifest, Digest: oci.SHA256.Sum(raw), Size: int64(len(raw))}
	p.want(http.StatusCreated, "PUT", p.manifest(d), strings.NewReader(string(raw)), "Content-Type", d.MediaType)
	return d
}

func (p *pair) manifest(d oci.Descriptor) string {
	return p.proxy + "/v2/team/app/manifests/" + string(d.Digest)
}

// referrers asks the proxy what refers to a manifest.
func (p *pair) referrers(d oci.Descriptor) int {
	p.Helper()
	resp, raw := p.do("GET", p.proxy+"/v2/team/app/referrers/"+string(d.Digest), nil)
	var index v1.Index
	if err := json.Unmarshal(raw, &index); err != nil || resp.StatusCode != http.StatusOK {
		p.Fatalf("got %d %s, %v", resp.StatusCode, raw, err)
	}
	return len(index.Manifests)
}

// Clients that know nothing of OCI-Referrers have its gain behind the proxy, and
// what one of them attaches is there for the others at once.
func TestReferrersThatAreAbsentAreNotAskedFor(t *testing.T) {
	p := newPair(t, "plain", 0)
	var asked atomic.Int64
	p.fault(func(_ http.ResponseWriter, r *http.Request) bool {
		if strings.Contains(r.URL.Path, "/referrers/") {
			asked.Add(1)
		}
		return false
	})
	check := func(d oci.Descriptor, referrers int, requests int64) {
		t.Helper()
		before := asked.Load()
		if got := p.referrers(d); got != referrers {
			t.Errorf("got %d referrers, want %d", got, referrers)
		}
		if got := asked.Load() - before; got != requests {
			t.Errorf("got %d requests at the registry, want %d", got, requests)
		}
	}
	app := p.pushArtifact("app", nil)
	check(app, 0, 1) // nothing is known yet
	p.want(http.StatusOK, "GET", p.manifest(app), nil)
	check(app, 0, 0)
	check(app, 0, 0)
	sbom := p.pushArtifact("sbom", &app)
	check(app, 1, 1)
	p.want(http.StatusOK, "HEAD", p.manifest(app), nil)
	p.want(http.StatusOK, "HEAD", p.manifest(sbom), nil)
	check(app, 1, 1)
	check(sbom, 0, 0)
	p.want(http.StatusAccepted, "DELETE", p.manifest(sbom), nil)
	check(sbom, 0, 1)
	if got := p.handler.Spared(); got != 3 {
		t.Errorf("%d were spared by the proxy's own account, want 3", got)
	}
}
