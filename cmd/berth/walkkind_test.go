package main

import (
	"encoding/json"
	"fmt"
	"slices"
	"testing"

	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/berthregistry/berth/shared/oci"
)

// manifestOf is an image manifest with a config and layers of these media types.
func manifestOf(artifactType, config string, layers ...string) manifest {
	m := manifest{ArtifactType: artifactType, Config: &oci.Descriptor{MediaType: config}}
	for _, l := range layers {
		m.Layers = append(m.Layers, oci.Descriptor{MediaType: l})
	}
	return m
}

func annotated(m manifest, annotations map[string]string) manifest {
	m.Annotations = annotations
	return m
}

// What tools write in fact, and things that look like it.
func TestNatureOfManifests(t *testing.T) {
	const (
		empty  = v1.MediaTypeEmptyJSON
		bundle = "application/vnd.dev.sigstore.bundle.v0.3+json"
		simple = "application/vnd.dev.cosign.simplesigning.v1+json"
		dsse   = "application/vnd.dsse.envelope.v1+json"
		slsa   = "https://slsa.dev/provenance/v1"
	)
	for name, c := range map[string]struct {
		m    manifest
		want nature
	}{
		"image":         {manifestOf("", v1.MediaTypeImageConfig, v1.MediaTypeImageLayerGzip), nature{kind: kindImage}},
		"empty image":   {manifestOf("", v1.MediaTypeImageConfig), nature{kind: kindImage}},
		"artifact":      {manifestOf("application/vnd.example", empty, "text/plain"), nature{kind: kindArtifact}},
		"helm chart":    {manifestOf("", "application/vnd.cncf.helm.config.v1+json", "x"), nature{kind: kindArtifact}},
		"nothing known": {manifest{}, nature{kind: kindImage}},

		"cosign bundle, signature": {annotated(manifestOf(bundle, empty, bundle), map[string]string{bundleContent: "dsse-envelope", bundlePredicate: cosignSignPredicate}),
			nature{kind: kindSignature, format: "cosign"}},
		"cosign bundle, message": {annotated(manifestOf(bundle, empty, bundle), map[string]string{bundleContent: "message-signature"}),
			nature{kind: kindSignature, format: "cosign"}},
		"cosign bundle, silent": {manifestOf(bundle, empty, bundle), nature{kind: kindSignature, format: "cosign"}},
		"cosign bundle, attestation": {annotated(manifestOf(bundle, empty, bundle), map[string]string{bundleContent: "dsse-envelope", bundlePredicate: slsa}),
			nature{kind: kindAttestation, format: "cosign", predicates: []string{slsa}}},
		"cosign bundle, some envelope": {annotated(manifestOf(bundle, empty, bundle), map[string]string{bundleContent: "dsse-envelope"}),
			nature{kind: kindAttestation, format: "cosign"}},
		"cosign by config":     {manifestOf("", "application/vnd.dev.cosign.artifact.sig.v1+json", simple), nature{kind: kindSignature, format: "cosign"}},
		"cosign by layers":     {manifestOf("", v1.MediaTypeImageConfig, simple, simple), nature{kind: kindSignature, format: "cosign"}},
		"cosign only in part":  {manifestOf("", v1.MediaTypeImageConfig, v1.MediaTypeImageLayerGzip, simple), nature{kind: kindImage}},
		"cosign SBOM":          {manifestOf("", "application/vnd.dev.cosign.artifact.sbom.v1+json", "x"), nature{kind: kindSBOM, format: "cosign"}},
		"notation":             {manifestOf("application/vnd.cncf.notary.signature", empty, "application/jose+json"), nature{kind: kindSignature, format: "notation"}},
		"notation by config":   {manifestOf("", "application/vnd.cncf.notary.signature", "application/cose"), nature{kind: kindSignature, format: "notation"}},
		"in-toto":              {manifestOf("application/vnd.in-toto+json", empty, "x"), nature{kind: kindAttestation, format: "in-toto"}},
		"envelope":             {manifestOf("", v1.MediaTypeImageConfig, dsse), nature{kind: kindAttestation, format: "in-toto"}},
		"BuildKit as artifact": {manifestOf("application/vnd.docker.attestation.manifest.v1+json", empty, "application/vnd.in-toto+json"), nature{kind: kindAttestation, format: "buildkit"}},
		"SPDX":                 {manifestOf("application/spdx+json", empty, "x"), nature{kind: kindSBOM, format: "spdx"}},
		"CycloneDX by layer":   {manifestOf("", empty, "application/vnd.cyclonedx+json"), nature{kind: kindSBOM, format: "cyclonedx"}},
	} {
		raw, _ := json.Marshal(c.m) // as it would be read
		var m manifest
		if err := json.Unmarshal(raw, &m); err != nil {
			t.Fatal(err)
		}
		got := natureOf(oci.Descriptor{MediaType: v1.MediaTypeImageManifest}, m)
		if fmt.Sprint(got) != fmt.Sprint(c.want) {
			t.Errorf("%s: got %+v, want %+v", name, got, c.want)
		}
	}
}

func TestNatureOfDescriptors(t *testing.T) {
	for name, c := range map[string]struct {
		d    oci.Descriptor
		want nature
	}{
		"index": {oci.Descriptor{MediaType: v1.MediaTypeImageIndex}, nature{kind: kindIndex}},
		"list":  {oci.Descriptor{MediaType: oci.MediaTypeDockerList}, nature{kind: kindIndex}},
		"layer": {oci.Descriptor{MediaType: v1.MediaTypeImageLayer}, nature{kind: kindBlob}},
		"signature that is not read": {oci.Descriptor{MediaType: v1.MediaTypeImageManifest, ArtifactType: "application/vnd.cncf.notary.signature"},
			nature{kind: kindSignature, format: "notation"}},
		"BuildKit": {oci.Descriptor{MediaType: v1.MediaTypeImageManifest, Annotations: map[string]string{
			dockerReferenceType: dockerAttestation, dockerReferenceDigest: "sha256:1"}}, nature{kindAttestation, "buildkit", nil, "sha256:1"}},
	} {
		if got := natureOf(c.d, manifest{}); fmt.Sprint(got) != fmt.Sprint(c.want) {
			t.Errorf("%s: got %+v, want %+v", name, got, c.want)
		}
	}
}

func TestPredicatesAreToldOnce(t *testing.T) {
	m := manifestOf("application/vnd.in-toto+json", v1.MediaTypeEmptyJSON)
	for n := range 40 {
		m.Layers = append(m.Layers, oci.Descriptor{Annotations: map[string]string{"in-toto.io/predicate-type": fmt.Sprint("p", n/2)}})
	}
	m.Annotations = map[string]string{"predicateType": "p1"}
	got := predicatesOf(oci.Descriptor{Annotations: map[string]string{bundlePredicate: "p2"}}, m)
	if len(got) != maxPredicates || !slices.Equal(got[:4], []string{"p2", "p1", "p0", "p3"}) {
		t.Errorf("got %v", got)
	}
}
