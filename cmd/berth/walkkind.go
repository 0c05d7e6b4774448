package main

import (
	"cmp"
	"slices"
	"strings"

	"github.com/berthregistry/berth/shared/oci"
)

// A kind is what a node is for whoever looks at an image.
type kind string

const (
	kindIndex       kind = "index"
	kindImage       kind = "image"
	kindArtifact    kind = "artifact" // a manifest that is none of the others
	kindSignature   kind = "signature"
	kindAttestation kind = "attestation"
	kindSBOM        kind = "sbom"
	kindBlob        kind = "blob" // an entry that is not a manifest
)

// A nature is what a manifest says that it is. Nothing of that is verified.
type nature struct {
	kind       kind
	format     string   // whose: cosign, notation, in-toto, buildkit, spdx, cyclonedx, syft, or ""
	predicates []string // types of what is attested, as far as annotations say it
	about      string   // the digest that a BuildKit attestation is about, in the same index
}

// natures are what the types of such manifests begin with: the artifact type, the
// media type of the config, or that of all layers.
var natures = []struct {
	prefix string
	kind   kind
	format string
}{
	{bundlePrefix, kindSignature, "cosign"}, // or an attestation: see bundled
	{"application/vnd.dev.cosign.artifact.sig.", kindSignature, "cosign"},
	{"application/vnd.dev.cosign.simplesigning.", kindSignature, "cosign"},
	{"application/vnd.dev.cosign.artifact.att.", kindAttestation, "cosign"},
	{"application/vnd.dev.cosign.artifact.sbom.", kindSBOM, "cosign"},
	{"application/vnd.cncf.notary.signature", kindSignature, "notation"},
	{"application/vnd.docker.attestation.manifest.", kindAttestation, "buildkit"},
	{"application/vnd.in-toto", kindAttestation, "in-toto"},
	{"application/vnd.dsse.envelope.", kindAttestation, "in-toto"},
	{"application/spdx", kindSBOM, "spdx"},
	{"text/spdx", kindSBOM, "spdx"},
	{"application/vnd.cyclonedx", kindSBOM, "cyclonedx"},
	{"application/vnd.syft", kindSBOM, "syft"},
}

// Sigstore's bundles hold signatures and attestations under one type.
const (
	bundlePrefix        = "application/vnd.dev.sigstore.bundle"
	bundleContent       = "dev.sigstore.bundle.content"       // annotation: dsse-envelope or message-signature
	bundlePredicate     = "dev.sigstore.bundle.predicateType" // annotation
	cosignSignPredicate = "https://sigstore.dev/cosign/sign/v1"
)

// BuildKit's annotations on an entry of an index.
const (
	dockerReferenceType   = "vnd.docker.reference.type"
	dockerReferenceDigest = "vnd.docker.reference.digest"
	dockerAttestation     = "attestation-manifest"
)

// natureOf says what a manifest is. The descriptor is what leads to it; of a
// manifest that was not read, nothing else is known and m is zero.
func natureOf(d oci.Descriptor, m manifest) nature {
	if d.Annotations[dockerReferenceType] == dockerAttestation {
		return nature{kindAttestation, "buildkit", predicatesOf(d, m), d.Annotations[dockerReferenceDigest]}
	}
	for _, t := range m.types(d) {
		for _, n := range natures {
			if !strings.HasPrefix(t, n.prefix) {
				continue
			}
			if n.prefix == bundlePrefix {
				return bundled(d, m)
			}
			return nature{kind: n.kind, format: n.format, predicates: predicatesOf(d, m)}
		}
	}
	switch {
	case oci.IsIndex(d.MediaType):
		return nature{kind: kindIndex}
	case !oci.IsImage(d.MediaType):
		return nature{kind: kindBlob}
	case m.artifactType(d) != "":
		return nature{kind: kindArtifact}
	}
	return nature{kind: kindImage}
}

// bundled tells a signature in a bundle from an attestation in one. What does not
// say which it is has at least a signature in it.
func bundled(d oci.Descriptor, m manifest) nature {
	n := nature{kind: kindSignature, format: "cosign"}
	content := cmp.Or(m.Annotations[bundleContent], d.Annotations[bundleContent])
	n.predicates = slices.DeleteFunc(predicatesOf(d, m), func(p string) bool { return p == cosignSignPredicate })
	signs := len(n.predicates) == 0 && len(predicatesOf(d, m)) > 0
	if !signs && (len(n.predicates) > 0 || content == "dsse-envelope") {
		n.kind = kindAttestation
	}
	return n
}

// maxPredicates bounds the predicate types that are told of one manifest.
const maxPredicates = 16

// predicatesOf collects the types of predicates that a manifest's annotations
// name, each once, those of its layers included.
func predicatesOf(d oci.Descriptor, m manifest) []string {
	var found []string
	note := func(annotations map[string]string) {
		for _, key := range []string{bundlePredicate, "in-toto.io/predicate-type", "predicateType"} {
			if p := annotations[key]; p != "" && len(found) < maxPredicates && !slices.Contains(found, p) {
				found = append(found, p)
			}
		}
	}
	note(d.Annotations)
	note(m.Annotations)
	for _, l := range m.Layers {
		note(l.Annotations)
	}
	return found
}

// types are what says of which nature a manifest is, the most telling first.
func (m manifest) types(d oci.Descriptor) []string {
	types := []string{cmp.Or(m.ArtifactType, d.ArtifactType)}
	if m.Config != nil {
		types = append(types, m.Config.MediaType)
	}
	if len(m.Layers) > 0 {
		all := m.Layers[0].MediaType
		if !slices.ContainsFunc(m.Layers, func(l oci.Descriptor) bool { return l.MediaType != all }) {
			types = append(types, all)
		}
	}
	return types
}

// artifactType is what a list of referrers would call the manifest, "" for an
// image (image-spec, "Guidelines for Artifact Usage").
func (m manifest) artifactType(d oci.Descriptor) string {
	t := cmp.Or(m.ArtifactType, d.ArtifactType)
	if t != "" || m.Config == nil || oci.IsIndex(d.MediaType) {
		return t
	}
	switch m.Config.MediaType {
	case "application/vnd.oci.image.config.v1+json", "application/vnd.docker.container.image.v1+json",
		"application/vnd.oci.empty.v1+json":
		return ""
	}
	return m.Config.MediaType
}
