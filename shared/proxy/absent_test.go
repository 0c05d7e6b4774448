package proxy_test

import (
	"encoding/json"
	"net/http"
	"path"
	"slices"
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

// Who asks for the referrers first is not told later, nor costs more: the manifest
// comes in place of an empty list, and is there when it is asked for.
func TestReferrersBeforeTheManifest(t *testing.T) {
	p := newPair(t, "plain", 0)
	var asked []string
	p.fault(func(_ http.ResponseWriter, r *http.Request) bool {
		if kind := path.Base(path.Dir(r.URL.Path)); r.Method == "GET" {
			asked = append(asked, kind)
		}
		return false
	})
	check := func(what string, want ...string) {
		t.Helper()
		if !slices.Equal(asked, want) {
			t.Errorf("%s: the registry was asked for %q, want %q", what, asked, want)
		}
		asked = nil
	}
	app := p.pushArtifact("app", nil)
	sbom := p.pushArtifact("sbom", &app)
	signature := p.pushArtifact("signature", &sbom)
	p.want(http.StatusOK, "HEAD", p.manifest(app), nil)

	p.referrers(app)
	check("resolved", "referrers")
	p.referrers(sbom)
	check("with referrers", "manifests", "referrers")
	p.referrers(signature)
	check("without", "manifests")
	for _, d := range []oci.Descriptor{signature, sbom} {
		resp, raw := p.do("GET", p.manifest(d), nil, "Accept", v1.MediaTypeImageManifest)
		if resp.StatusCode != http.StatusOK || oci.SHA256.Sum(raw) != d.Digest || resp.Header.Get("Content-Type") != d.MediaType {
			t.Errorf("got %d %s of %s", resp.StatusCode, raw, resp.Header.Get("Content-Type"))
		}
	}
	check("fetched")
	p.want(http.StatusOK, "GET", p.manifest(sbom), nil, "Accept", v1.MediaTypeImageManifest)
	check("fetched again", "manifests")

	other := p.pushArtifact("other", &signature)
	p.referrers(other)
	p.want(http.StatusAccepted, "DELETE", p.manifest(other), nil)
	asked = nil
	p.want(http.StatusNotFound, "GET", p.manifest(other), nil, "Accept", v1.MediaTypeImageManifest)
	check("deleted", "manifests")
}

// What clients send as a login is thrown away, so they are one. Who sends a key that
// is not known as one is apart from all others.
func TestWhatIsFetchedAheadIsForWhoAsked(t *testing.T) {
	p := newPair(t, "plain", 0)
	app := p.pushArtifact("app", nil)
	p.want(http.StatusOK, "HEAD", p.manifest(app), nil)
	sbom, signature := p.pushArtifact("sbom", &app), p.pushArtifact("signature", &app)
	p.fault(func(w http.ResponseWriter, r *http.Request) bool {
		refused := strings.HasSuffix(r.URL.Path, string(signature.Digest)) && r.Header.Get("X-Api-Key") != "a"
		if refused {
			w.WriteHeader(http.StatusForbidden)
		}
		return refused
	})
	get := func(d oci.Descriptor, header ...string) *http.Response {
		resp, _ := p.do("GET", p.manifest(d), nil, append(header, "Accept", d.MediaType)...)
		return resp
	}
	list := func(d oci.Descriptor, header ...string) {
		p.want(http.StatusOK, "GET", p.proxy+"/v2/team/app/referrers/"+string(d.Digest), nil, header...)
	}
	list(sbom, "Authorization", "Basic eDp5", "Cookie", "a=b")
	if resp := get(sbom, "Authorization", "Basic eDp6"); resp.StatusCode != http.StatusOK || resp.Header.Get("Age") == "" {
		t.Errorf("got %d, %v, want what was fetched ahead", resp.StatusCode, resp.Header)
	}
	list(signature, "X-Api-Key", "a")
	for _, key := range []string{"", "b"} {
		if resp := get(signature, "X-Api-Key", key); resp.StatusCode != http.StatusForbidden {
			t.Errorf("with the key %q: got %d", key, resp.StatusCode)
		}
	}
	if resp := get(signature, "X-Api-Key", "a"); resp.StatusCode != http.StatusOK || resp.Header.Get("Age") == "" {
		t.Errorf("got %d, %v, want what was fetched ahead", resp.StatusCode, resp.Header)
	}
}
