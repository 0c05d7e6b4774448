package oci

import (
	"slices"
	"strings"

	v1 "github.com/opencontainers/image-spec/specs-go/v1"
)

// Media types of manifests. Docker's are the schema 2 twins of OCI's.
const (
	MediaTypeImage       = v1.MediaTypeImageManifest
	MediaTypeIndex       = v1.MediaTypeImageIndex
	MediaTypeDockerImage = "application/vnd.docker.distribution.manifest.v2+json"
	MediaTypeDockerList  = "application/vnd.docker.distribution.manifest.list.v2+json"
)

// Docker's schema 1, which has no descriptors, so that nothing in it can be
// checked. It was dropped by Docker itself.
var schema1 = []string{
	"application/vnd.docker.distribution.manifest.v1+json",
	"application/vnd.docker.distribution.manifest.v1+prettyjws",
}

// IsImage says whether a manifest of this type has a config and layers.
func IsImage(mediaType string) bool {
	return mediaType == MediaTypeImage || mediaType == MediaTypeDockerImage
}

// IsIndex says whether a manifest of this type lists manifests.
func IsIndex(mediaType string) bool {
	return mediaType == MediaTypeIndex || mediaType == MediaTypeDockerList
}

// foreign are media types of layers that must not be pushed, so a manifest may
// name them without the registry having them (image-spec, "Non-Distributable
// Layers").
var foreign = []string{
	"application/vnd.oci.image.layer.nondistributable.v1.tar",
	"application/vnd.oci.image.layer.nondistributable.v1.tar+gzip",
	"application/vnd.oci.image.layer.nondistributable.v1.tar+zstd",
	"application/vnd.docker.image.rootfs.foreign.diff.tar.gzip",
}

func isForeign(mediaType string) bool { return slices.Contains(foreign, mediaType) }

// BareMediaType returns a Content-Type without its parameters (spec, "Pushing
// Manifests": a registry should ignore them).
func BareMediaType(contentType string) string {
	bare, _, _ := strings.Cut(contentType, ";")
	return strings.ToLower(strings.TrimSpace(bare))
}
