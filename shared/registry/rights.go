package registry

import "github.com/berthregistry/berth/shared/oci"

// Tags says for what part of a repository a right holds. The zero value is no
// part of it.
type Tags struct {
	all   bool
	match func(tag string) bool
}

// AllTags is the whole repository, what has no tag included.
func AllTags() Tags { return Tags{all: true} }

// SomeTags is the tags for which match is true, and what can be reached from
// them; see Rights.
func SomeTags(match func(tag string) bool) Tags { return Tags{match: match} }

// All says whether the right holds for the whole repository.
func (t Tags) All() bool { return t.all }

// None says whether the right holds for nothing at all.
func (t Tags) None() bool { return !t.all && t.match == nil }

// Has says whether the right holds for a tag.
func (t Tags) Has(tag string) bool { return t.all || t.match != nil && t.match(tag) }

// Rights are what a caller may do in one repository. The zero value is nothing.
//
// Who may pull some tags only sees these tags, the manifests they name, what
// these list, what refers to any of it, and the blobs of all that, as it is at
// that moment. Everything else is answered as if it were not there.
type Rights struct {
	// Pull is what may be read.
	Pull Tags
	// Push is bringing content. Limited to tags it still brings untagged
	// content, which nobody sees until it is tagged.
	Push Tags
	// Tag is pointing tags at manifests that are here.
	Tag Tags
	// Attach is pushing manifests that have a subject and get no tag.
	Attach Tags
	// Delete is removing tags, and where it holds for the whole repository,
	// manifests and blobs.
	Delete Tags

	// Who is remembered for a while as having sent what they push, where Pull
	// does not hold for the whole repository: then they may refer to it. Nobody
	// is remembered as "".
	Who string

	// Hints are the references that the caller says this is about, the first
	// counts most. They are never believed: they only say where to look first.
	Hints []oci.Reference

	// Elsewhere returns the rights in another repository, without hints; nil
	// stands for none anywhere. Mounts and the catalog ask it.
	Elsewhere func(repo string) Rights
}
