package registry

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"strings"
	"time"

	"github.com/berthregistry/berth/shared/oci"
	"github.com/berthregistry/berth/shared/table"
)

// A Kind is what happened, as those outside are told.
type Kind string

// The kinds of what happens.
const (
	ReferrerAttached  Kind = "referrer.attached"
	ReferrerDetached  Kind = "referrer.detached"
	ManifestPushed    Kind = "manifest.pushed"
	ManifestDeleted   Kind = "manifest.deleted"
	TagCreated        Kind = "tag.created"
	TagMoved          Kind = "tag.moved"
	TagDeleted        Kind = "tag.deleted"
	RepositoryCreated Kind = "repository.created"
)

// A Happening is a change of the table as it matters to those outside. Names and
// digests in it are well formed.
type Happening struct {
	Kind Kind
	// ID is the same however often the change is told, and no other happening of
	// this table has it: 64 hexadecimal digits.
	ID string
	// At is about when it was.
	At   time.Time
	Repo string
	// Digest is the manifest, the referrer, or what a tag names; of a deleted
	// tag, what it named.
	Digest oci.Digest
	// From is where a tag was that moved.
	From oci.Digest
	Tag  string
	// Subject is what a referrer refers to. Of the manifest that is one it is
	// known as well.
	Subject oci.Digest
	// Descriptor is JSON: of a referrer as it is listed; of a manifest its media
	// type, digest, size and artifact type in the same form.
	Descriptor []byte
	// By is who did it, as the audit log names them, at most maxBy bytes; "" if
	// that is not known. Of a deletion it never is: an item that is gone says
	// nothing.
	By string
}

// Happened says what a change of the table means to those outside, and false if
// nothing. Repeats do not: a push again of what is there changes no item, or
// none in a way that counts.
//
// It takes whatever a table may hold. Items that no registry writes mean nothing.
func Happened(c table.Change) (Happening, bool) {
	h := read(c)
	told := c.New
	if h.gone() {
		told = c.Old
	}
	// Nothing of this expires: what the store removes by itself is none of it.
	if h.Kind == "" || c.Expired || !oci.ValidName(h.Repo) || told.Version == "" {
		return Happening{}, false
	}
	h.ID, h.At = happeningID(h.Kind, c.Key, told.Version), c.At
	if !h.gone() {
		h.By = clipBy(told.Str(attrBy))
	}
	return h, true
}

// gone says whether it is a deletion.
func (h Happening) gone() bool {
	return h.Kind == ReferrerDetached || h.Kind == ManifestDeleted || h.Kind == TagDeleted
}

// happeningID is what those outside know repeats by. The version belongs to one
// transaction, the item to one of its actions, and the kind tells the end of an
// item from its beginning. None has a line break in it.
func happeningID(k Kind, key table.Key, version string) string {
	sum := sha256.Sum256([]byte(strings.Join([]string{string(k), key.Partition, key.Sort, version}, "\n")))
	return hex.EncodeToString(sum[:])
}

// read says what a change means by its key. The kind is "" if nothing.
func read(c table.Change) Happening {
	if c.Key.Partition == reposPartition {
		name, ok := strings.CutPrefix(c.Key.Sort, repoPrefix)
		if !ok || c.Old != nil || c.New == nil {
			return Happening{}
		}
		return Happening{Kind: RepositoryCreated, Repo: name}
	}
	repo, ok := strings.CutPrefix(c.Key.Partition, repoPrefix)
	if !ok {
		return Happening{}
	}
	var h Happening
	what, name, _ := strings.Cut(c.Key.Sort, "#")
	switch what + "#" {
	case manifestPrefix:
		h = manifestHappened(c, name)
	case tagPrefix:
		h = tagHappened(c, name)
	case referrersPrefix:
		h = referrerHappened(c, name)
	}
	h.Repo = repo
	return h
}

// manifestHappened looks at what is live only: a stub that counts is nothing to
// those outside, nor are the counts of a manifest.
func manifestHappened(c table.Change, name string) Happening {
	d, err := oci.ParseDigest(name)
	before, after := c.Old != nil && isLive(*c.Old), c.New != nil && isLive(*c.New)
	if err != nil || before == after {
		return Happening{}
	}
	h, item := Happening{Kind: ManifestPushed, Digest: d}, c.New
	if before {
		h.Kind, item = ManifestDeleted, c.Old
	}
	if h.Subject, err = oci.ParseDigest(item.Str(attrSubject)); err != nil {
		h.Subject = ""
	}
	return h.describing(oci.Descriptor{
		MediaType: item.Str(attrMediaType), Digest: d, Size: item.Num(attrSize), ArtifactType: item.Str(attrArtifactType),
	})
}

// tagHappened looks at the digest only: a tag is also written to when it is
// pushed again.
func tagHappened(c table.Change, tag string) Happening {
	before, after := tagDigest(c.Old), tagDigest(c.New)
	h := Happening{Tag: tag, Digest: after}
	switch {
	case !oci.ValidTag(tag) || before == after:
		return Happening{}
	case before == "":
		h.Kind = TagCreated
	case after == "":
		h.Kind, h.Digest = TagDeleted, before
	default:
		h.Kind, h.From = TagMoved, before
	}
	return h
}

// tagDigest is what a tag's item names, "" for none.
func tagDigest(item *table.Item) oci.Digest {
	if item == nil {
		return ""
	}
	d, err := oci.ParseDigest(item.Str(attrDigest))
	if err != nil {
		return ""
	}
	return d
}

// referrerHappened reads subject and digest from the key, whatever the type in
// between.
func referrerHappened(c table.Change, name string) Happening {
	h, item := Happening{Kind: ReferrerAttached}, c.New
	switch {
	case (c.Old == nil) == (c.New == nil):
		return Happening{}
	case c.New == nil:
		h.Kind, item = ReferrerDetached, c.Old
	}
	first, last := strings.Index(name, "#"), strings.LastIndex(name, "#")
	if first == last {
		return Happening{}
	}
	subject, err := oci.ParseDigest(name[:first])
	if err != nil {
		return Happening{}
	}
	digest, err := oci.ParseDigest(name[last+1:])
	if err != nil {
		return Happening{}
	}
	h.Subject, h.Digest = subject, digest
	var d oci.Descriptor
	if json.Unmarshal(item.Bin(attrDescriptor), &d) != nil {
		return Happening{}
	}
	return h.describing(d)
}

// describing adds a descriptor in the form in which it is listed, whatever else
// the item has in it. One that is not of the manifest makes nothing of it all.
func (h Happening) describing(d oci.Descriptor) Happening {
	if d.Digest != h.Digest || d.Size < 0 {
		return Happening{}
	}
	var err error
	h.Descriptor, err = json.Marshal(oci.Descriptor{
		MediaType: d.MediaType, Digest: d.Digest, Size: d.Size, ArtifactType: d.ArtifactType, Annotations: d.Annotations,
	})
	if err != nil {
		return Happening{}
	}
	return h
}
