package oci

import "strings"

// A Reference names a manifest in a repository: by tag or by digest, never
// both (spec, "Pulling manifests": <tag-or-digest>).
type Reference struct {
	Tag    string
	Digest Digest
}

// ParseReference reads a tag or a digest. A colon makes it a digest, since no
// tag has one. Errors are ErrDigestInvalid for what can only be meant as a
// digest, and ErrManifestUnknown for what can name nothing.
func ParseReference(s string) (Reference, error) {
	if strings.Contains(s, ":") {
		d, err := ParseDigest(s)
		return Reference{Digest: d}, err
	}
	if !ValidTag(s) {
		return Reference{}, ErrManifestUnknown.With(map[string]string{"tag": Clip(s)}, "%q is not a tag", Clip(s))
	}
	return Reference{Tag: s}, nil
}

// String returns the tag or the digest.
func (r Reference) String() string {
	if r.Tag != "" {
		return r.Tag
	}
	return string(r.Digest)
}
