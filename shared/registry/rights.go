package registry

import (
	"cmp"
	"slices"

	"github.com/berthregistry/berth/shared/oci"
)

// Tags says for what part of a repository a right holds. The zero value is no
// part of it.
type Tags struct {
	all   bool
	match func(tag string) bool
}

// AllTags is the whole repository, what has no tag included.
func AllTags() Tags { return Tags{all: true} }

// SomeTags is the tags for which match is true, and what can be reached from
// them; see Rights. Match is called by several goroutines at once.
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

	// By is the caller's name as logs have it, "" for nobody in particular. What
	// they make says so to whoever is told of it; it decides nothing.
	By string

	// Hints are the references that the caller says this is about, the first
	// counts most. They are never believed: they only say where to look first.
	Hints []oci.Reference

	// Elsewhere returns the rights in another repository, without hints; nil
	// stands for none anywhere. Mounts and the catalog ask it.
	Elsewhere func(repo string) Rights
}

// For returns the registry as it is to somebody with these rights in one
// repository. It answers what they may not do at all with oci.ErrDenied, which
// says the same whatever there is, and what they do not see as if it were not
// there.
func (r *Registry) For(rights Rights) *Registry {
	limited := *r
	limited.rights, limited.bound = rights, true
	return &limited
}

// everything is what a Registry may do before For.
func everything() Rights {
	return Rights{
		Pull: AllTags(), Push: AllTags(), Tag: AllTags(), Attach: AllTags(), Delete: AllTags(),
		Elsewhere: func(string) Rights { return everything() },
	}
}

// elsewhere returns the rights in another repository.
func (w Rights) elsewhere(repo string) Rights {
	if w.Elsewhere == nil {
		return Rights{}
	}
	return w.Elsewhere(repo)
}

func denied(format string, args ...any) error { return oci.ErrDenied.With(nil, format, args...) }

// mayPull fails unless something may be pulled.
func (w Rights) mayPull(repo string) error {
	if w.Pull.None() {
		return denied("no right to pull from %s", repo)
	}
	return nil
}

// mayRead fails unless something may be read by digest. Who brings content may
// at least read what they sent.
func (w Rights) mayRead(repo string) error {
	err := w.mayPull(repo)
	if err != nil && w.Who != "" && w.mayUpload(repo) == nil {
		return nil
	}
	return err
}

// unseen is the answer about what the caller does not see: as if it were not
// there, or what they are told about everything where they may pull nothing.
func (w Rights) unseen(repo string, absent error) error {
	return cmp.Or(w.mayPull(repo), absent)
}

// pullsFrom says whether anything may be pulled from a repository.
func (w Rights) pullsFrom(repo string) bool { return !w.elsewhere(repo).Pull.None() }

// mayDemand fails if a precondition would tell, by whether it holds, which digest
// a tag is at that may not be pulled. Whether there is such a tag is told to who
// may change it.
func (w Rights) mayDemand(repo, tag string, pre Precondition) error {
	if tag != "" && len(pre.Match) > 0 && !w.Pull.Has(tag) {
		return denied("no right to pull tag %q of %s, so it cannot be held to a digest", tag, repo)
	}
	return nil
}

// mayUpload fails unless bytes may be brought.
func (w Rights) mayUpload(repo string) error {
	if w.Push.None() && w.Attach.None() {
		return denied("no right to push to %s", repo)
	}
	return nil
}

// mayBegin is mayUpload before the first byte: it also fails if the bytes are
// said to be for a tag that cannot be pushed afterwards, nor be attached to. Who
// may only attach pushes no tag, whatever they say.
func (w Rights) mayBegin(repo string) error {
	if err := w.mayUpload(repo); err != nil || w.Push.None() {
		return err
	}
	forbidden := func(h oci.Reference) bool {
		return h.Tag != "" && !w.Push.Has(h.Tag) && !w.Tag.Has(h.Tag) && !w.Attach.Has(h.Tag)
	}
	if i := slices.IndexFunc(w.Hints, forbidden); i >= 0 {
		return denied("no right to push tag %q of %s", w.Hints[i].Tag, repo)
	}
	return nil
}

// mayPut fails if a manifest may not be put, whatever it is and whatever is here;
// see mayAdd for the rest.
func (w Rights) mayPut(p ManifestPush) error {
	tags := distinct(p.Ref.Tag, p.Tags)
	for _, tag := range tags {
		if !w.Tag.Has(tag) {
			return denied("no right to push tag %q of %s", tag, p.Repo)
		}
	}
	if len(tags) == 0 {
		return w.mayUpload(p.Repo)
	}
	return w.mayDemand(p.Repo, p.Ref.Tag, p.If)
}

// mayDelete fails unless what has no tag may be deleted.
func (w Rights) mayDelete(repo, what string) error {
	switch {
	case w.Delete.None():
		return denied("no right to delete in %s", repo)
	case !w.Delete.All():
		return denied("no right to delete a %s in %s, only some tags: delete the tag instead", what, repo)
	}
	return nil
}
