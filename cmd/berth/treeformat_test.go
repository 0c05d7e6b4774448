package main

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/berthregistry/berth/shared/oci"
	"github.com/berthregistry/berth/shared/registry"
)

// pushBuilt pushes an image of two platforms, of which one is not there, with what
// a build of today hangs on it: BuildKit's attestation, a signature in a bundle, and
// cosign's tags of before.
func pushBuilt(t *testing.T, url, repo, tag string) (index, amd64 oci.Descriptor) {
	t.Helper()
	put := func(ref string, m v1.Manifest) oci.Descriptor {
		t.Helper()
		return pushManifest(t, url, repo, ref, v1.MediaTypeImageManifest, m)
	}
	amd64 = put("", image(t, url, repo, 3<<20))
	entry := amd64
	entry.Platform = &v1.Platform{OS: "linux", Architecture: "amd64"}
	gone := oci.Descriptor{MediaType: v1.MediaTypeImageManifest, Digest: oci.SHA256.Sum([]byte("elsewhere")), Size: 500,
		Platform: &v1.Platform{OS: "linux", Architecture: "arm64"}}
	built := image(t, url, repo, 900, 800)
	for i, predicate := range []string{"https://slsa.dev/provenance/v1", "https://spdx.dev/Document"} {
		built.Layers[i].MediaType, built.Layers[i].Annotations = "application/vnd.in-toto+json", map[string]string{"in-toto.io/predicate-type": predicate}
	}
	attestation := put("", built)
	attestation.Platform = &v1.Platform{OS: "unknown", Architecture: "unknown"}
	attestation.Annotations = map[string]string{dockerReferenceType: dockerAttestation, dockerReferenceDigest: string(amd64.Digest)}
	index = pushManifest(t, url, repo, tag, v1.MediaTypeImageIndex, v1.Index{
		Versioned: versioned, MediaType: v1.MediaTypeImageIndex, Manifests: []v1.Descriptor{entry, gone, attestation},
	})
	bundle := artifact(t, url, repo, "application/vnd.dev.sigstore.bundle.v0.3+json", index, 2000)
	bundle.Annotations = map[string]string{bundleContent: "dsse-envelope", bundlePredicate: cosignSignPredicate}
	put("", bundle)

	sig := image(t, url, repo, 240, 241)
	for i := range sig.Layers {
		sig.Layers[i].MediaType = "application/vnd.dev.cosign.simplesigning.v1+json"
	}
	put(asTag(string(amd64.Digest))+".sig", sig)
	att := image(t, url, repo, 400)
	att.Layers[0].MediaType, att.Layers[0].Annotations = "application/vnd.dsse.envelope.v1+json", map[string]string{"predicateType": "https://slsa.dev/provenance/v0.2"}
	put(asTag(string(amd64.Digest))+".att", att)
	return index, amd64
}

func TestTreeOfASignedImage(t *testing.T) {
	r := newRegistry(t, registry.Rules{
		Indexes: registry.IndexRule{AllowMissing: true, AllowUnnamed: true}, ReferrersHeader: registry.HeaderAlways,
	})
	_, amd64 := pushBuilt(t, r.URL, "team/app", "1")
	golden(t, "signed.txt", berthTree(t, r.host(), "/team/app:1"))
	golden(t, "signed.json", berthTree(t, r.host(), "/team/app:1", "--format", "json"))
	dot := berthTree(t, r.host(), "/team/app:1", "--format", "dot")
	golden(t, "signed.dot", dot)

	g := readDOT(t, dot)
	if g.title != "registry.test/team/app:1" || len(g.nodes) != 7 || len(g.edges) != 7 {
		t.Errorf("title %q, %d nodes, %d edges; want 7 and, with that of the attestation to what it is about, 7", g.title, len(g.nodes), len(g.edges))
	}
	if got := berthTree(t, r.host(), "/team/app:1", "--format", "dot", "--digests"); !strings.Contains(got, `\n`+string(amd64.Digest)+`\n`) {
		t.Errorf("with --digests there is no %s", amd64.Digest)
	}
	var doc treeDocument
	if err := json.Unmarshal([]byte(berthTree(t, r.host(), "/team/app:1", "--format", "json")), &doc); err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(doc.Root.Missing, []string{"linux/arm64"}) {
		t.Errorf("missing platforms: %v", doc.Root.Missing)
	}
}

// A registry that has a list of referrers may have the index under a tag as well,
// which came with a copy. It adds what the list does not have, once.
func TestTreeOfTheReferrersTag(t *testing.T) {
	r := newRegistry(t, registry.Rules{
		Indexes: registry.IndexRule{AllowMissing: true, AllowUnnamed: true}, ReferrersHeader: registry.HeaderAlways,
	})
	d := pushManifest(t, r.URL, "app", "1", v1.MediaTypeImageManifest, image(t, r.URL, "app", 1))
	known := pushManifest(t, r.URL, "app", "", v1.MediaTypeImageManifest, artifact(t, r.URL, "app", "application/spdx+json", d, 10))
	loose := image(t, r.URL, "app", 11)
	loose.ArtifactType, loose.Config.MediaType = "application/vnd.cncf.notary.signature", v1.MediaTypeEmptyJSON
	unlisted := pushManifest(t, r.URL, "app", "", v1.MediaTypeImageManifest, loose)
	unlisted.ArtifactType, known.ArtifactType = loose.ArtifactType, "application/spdx+json"
	pushManifest(t, r.URL, "app", asTag(string(d.Digest)), v1.MediaTypeImageIndex, v1.Index{
		Versioned: versioned, MediaType: v1.MediaTypeImageIndex, Manifests: []v1.Descriptor{unlisted, known},
	})
	golden(t, "referrers-tag.txt", berthTree(t, r.host(), "/app:1"))
}

// What is not here is not here however often it is listed, and what is here in two
// places is one node of a graph.
func TestTreeOfAnIndexThatRepeatsItself(t *testing.T) {
	r := newRegistry(t, registry.Rules{Indexes: registry.IndexRule{AllowMissing: true, AllowUnnamed: true}})
	is := func(d oci.Descriptor, os string) v1.Descriptor {
		d.Platform = &v1.Platform{OS: os, Architecture: "amd64"}
		return d
	}
	here := pushManifest(t, r.URL, "app", "", v1.MediaTypeImageManifest, image(t, r.URL, "app", 1))
	gone := oci.Descriptor{MediaType: v1.MediaTypeImageManifest, Digest: oci.SHA256.Sum([]byte("elsewhere")), Size: 500}
	pushManifest(t, r.URL, "app", "1", v1.MediaTypeImageIndex, v1.Index{Versioned: versioned, MediaType: v1.MediaTypeImageIndex,
		Manifests: []v1.Descriptor{is(here, "a"), is(gone, "b"), is(here, "c"), is(gone, "d")}})
	golden(t, "repeats.txt", berthTree(t, r.host(), "/app:1"))
	g := readDOT(t, berthTree(t, r.host(), "/app:1", "--format", "dot"))
	if len(g.nodes) != 4 || len(g.edges) != 4 {
		t.Errorf("%d nodes and %d edges, want 4 and 4: %v", len(g.nodes), len(g.edges), g.edges)
	}
}
