package oci

import (
	"encoding/json"

	v1 "github.com/opencontainers/image-spec/specs-go/v1"
)

// A Descriptor points to content (image-spec, "Content Descriptors").
type Descriptor = v1.Descriptor

// MaxArtifactType is the longest artifact type taken, in bytes: two names of RFC
// 6838 (127 each) and a slash.
const MaxArtifactType = 255

// MaxPlatform is the longest platform taken, in bytes of PlatformString.
const MaxPlatform = 255

// A Manifest is what Berth needs to know of an image manifest or an index. The
// bytes as pushed stay what is stored and served.
type Manifest struct {
	MediaType string

	// ArtifactType is what a referrers list calls it: the manifest's own, else
	// the config's media type for an image, else empty (spec, "Listing
	// Referrers").
	ArtifactType string

	// Subject is the manifest that this one refers to, or nil.
	Subject *Descriptor

	// Annotations are the manifest's own, nil if there are none.
	Annotations map[string]string

	// Children are what it is made of, each digest once, in order.
	Children []Child
}

// MaxChildren is how many layers or entries a manifest may have. Each is read
// and written to at a push.
const MaxChildren = 4000

// A Child is a descriptor in a manifest, but not its subject.
type Child struct {
	Descriptor
	Kind ChildKind
	// Platforms are those that an index lists it for, "" for an entry without
	// one, each once. One manifest may serve several.
	Platforms []string
	// Optional marks a layer that nobody may push (isForeign).
	Optional bool
}

// ChildKind is what a child is to the registry.
type ChildKind byte

// The kinds of children. An index entry whose media type is not that of a
// manifest may be either: BuildKit's cache lists layers in an index.
const (
	ChildBlob ChildKind = iota + 1
	ChildManifest
	ChildEither
)

// PlatformString writes a platform as os/architecture[/variant], and nothing
// for none.
func PlatformString(p *v1.Platform) string {
	switch {
	case p == nil || p.OS == "" && p.Architecture == "":
		return ""
	case p.Variant != "":
		return p.OS + "/" + p.Architecture + "/" + p.Variant
	}
	return p.OS + "/" + p.Architecture
}

// ParseManifest reads a manifest that was sent with this Content-Type, which
// may be empty if the body says its type. Errors are ErrManifestInvalid.
//
// Field names are matched exactly: encoding/json would take "Layers" for
// "layers", and then registry and client might see different manifests in the
// same bytes. For the same reason a body that is both an image and an index is
// refused.
func ParseManifest(contentType string, body []byte) (Manifest, error) {
	top, err := object(body, "manifest")
	if err != nil {
		return Manifest{}, err
	}
	mediaType, err := manifestType(BareMediaType(contentType), top)
	if err != nil {
		return Manifest{}, err
	}
	m := Manifest{MediaType: mediaType}
	p := parser{top: top, manifest: &m, seen: map[Digest]int{}}
	p.schemaVersion()
	p.subject()
	p.annotations()
	if IsIndex(mediaType) {
		p.index()
	} else {
		p.image()
	}
	if len(m.ArtifactType) > MaxArtifactType {
		p.fail("artifact type of %d bytes, %d are allowed", len(m.ArtifactType), MaxArtifactType)
	}
	if p.err != nil {
		return Manifest{}, p.err
	}
	return m, nil
}

// manifestType settles the type by what the request says and what the body
// says, which must agree (spec, "Pushing Manifests").
func manifestType(header string, top fields) (string, error) {
	var inBody string
	if raw, ok := top["mediaType"]; ok {
		if err := json.Unmarshal(raw, &inBody); err != nil {
			return "", invalid(nil, "mediaType is not a string")
		}
	}
	mediaType := inBody
	if header != "" && header != "application/json" && header != "application/octet-stream" {
		mediaType = header
	}
	if mediaType == "" {
		mediaType = guessType(top)
	}
	if inBody != "" && inBody != mediaType {
		return "", invalid(map[string]string{"contentType": Clip(mediaType), "mediaType": Clip(inBody)},
			"sent as %q, but the manifest says its mediaType is %q", Clip(mediaType), Clip(inBody))
	}
	return mediaType, checkType(mediaType, top)
}

// guessType is for clients that send neither Content-Type nor mediaType.
func guessType(top fields) string {
	if _, ok := top["manifests"]; ok {
		return MediaTypeIndex
	}
	return MediaTypeImage
}

func checkType(mediaType string, top fields) error {
	for _, old := range schema1 {
		if mediaType == old {
			return invalid(map[string]string{"mediaType": mediaType},
				"Docker schema 1 manifests are not supported: push the image again with a client of this decade")
		}
	}
	_, config := top["config"]
	_, layers := top["layers"]
	_, manifests := top["manifests"]
	switch {
	case !IsImage(mediaType) && !IsIndex(mediaType):
		return invalid(map[string]string{"mediaType": Clip(mediaType)}, "manifests of type %q are not supported", Clip(mediaType))
	case manifests && (config || layers):
		return invalid(nil, "a manifest cannot have both manifests and layers or config")
	case IsIndex(mediaType) && !manifests:
		return invalid(nil, "an index must have manifests, if only an empty list")
	case IsImage(mediaType) && !config:
		return invalid(nil, "an image manifest must have a config")
	}
	return nil
}
