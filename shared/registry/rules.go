package registry

import (
	"slices"
	"strings"

	"github.com/berthregistry/berth/shared/oci"
)

// Rules are what may differ from one repository to another.
type Rules struct {
	// Indexes says which manifests that an index lists must be here when the
	// index is pushed.
	Indexes IndexRule

	// SparseImages lets the config and the layers of an image be missing when
	// the image is pushed.
	SparseImages bool

	// ReferrersHeader says when manifests are served with OCI-Referrers.
	ReferrersHeader HeaderMode
}

// An IndexRule decides about one entry of an index whose manifest is missing.
// The zero value requires every entry.
type IndexRule struct {
	// AllowMissing lets all entries be missing, or with Platforms given, those
	// that none of them fits.
	AllowMissing bool

	// Platforms are os/architecture[/variant]. One without a variant fits
	// every variant.
	Platforms []string

	// AllowUnnamed lets entries without a platform be missing as well:
	// attestations, artifacts, nested indexes.
	AllowUnnamed bool
}

// Requires says whether an index entry for this platform must be here; ""
// stands for an entry without one.
func (r IndexRule) Requires(platform string) bool {
	switch {
	case !r.AllowMissing:
		return true
	case len(r.Platforms) == 0:
		return false
	case platform == "":
		return !r.AllowUnnamed
	}
	for _, p := range r.Platforms {
		if platform == p || strings.HasPrefix(platform, p+"/") {
			return true
		}
	}
	return false
}

// A HeaderMode says when OCI-Referrers is sent.
type HeaderMode string

// The modes. The proposal had several forms; each has clients in mind.
const (
	HeaderAlways     HeaderMode = "always"      // present or absent, on every answer
	HeaderAbsentOnly HeaderMode = "absent-only" // only the answer that saves a request
	HeaderOnRequest  HeaderMode = "on-request"  // only to a request that says OCI-Referrers: request
	HeaderOff        HeaderMode = "off"
)

// Limits are what a request may ask of the registry.
type Limits struct {
	// ManifestSize is the largest manifest taken, in bytes; at least 4 MiB to
	// follow the spec.
	ManifestSize int64

	// TagsPerPush is how many tag parameters one manifest push may have, 10 to
	// MaxTagsPerPush.
	TagsPerPush int
}

// MaxTagsPerPush bounds Limits.TagsPerPush: each tag takes up to three actions
// of the one transaction that a push is.
const MaxTagsPerPush = 30

// DefaultLimits are those of the spec's advice.
var DefaultLimits = Limits{ManifestSize: 4 << 20, TagsPerPush: MaxTagsPerPush}

// requires says whether a child of a manifest must be here.
func (r Rules) requires(m oci.Manifest, c oci.Child) bool {
	if oci.IsIndex(m.MediaType) {
		return slices.ContainsFunc(c.Platforms, r.Indexes.Requires)
	}
	return !c.Optional && !r.SparseImages
}
