package registry

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/berthregistry/berth/shared/blobs"
	"github.com/berthregistry/berth/shared/oci"
	"github.com/berthregistry/berth/shared/table"
)

// Attributes of manifest, tag and edge items.
const (
	attrState        = "state" // stateLive; a stub has none
	attrMediaType    = "mediaType"
	attrSize         = "size"
	attrBody         = "body"   // the bytes, up to maxInlineManifest
	attrObject       = "object" // or where they are
	attrSubject      = "subject"
	attrArtifactType = "artifactType"
	attrCountedAs    = "countedAs" // on a referrer: the attribute of its subject that counts it
	attrDigest       = "digest"
	attrPlatform     = "platform"
	attrKind         = "kind"   // on an edge: kindEither, or none
	attrPushed       = "pushed" // Unix seconds
)

// kindEither marks the edge of an entry of an index that does not say whether it
// is a manifest or a blob.
const kindEither = "either"

// maxInlineManifest is the largest manifest kept in its item, in bytes. With
// the counts of its referrers the item stays below table.MaxItem.
const maxInlineManifest = 256 << 10

// live is the state of manifests and blobs that may be built upon.
var live = table.S(attrState, "live")

func isLive(item table.Item) bool { return item.Str(attrState) == live.Str() }

// A Manifest is a manifest as it is served.
type Manifest struct {
	Digest    oci.Digest
	MediaType string
	Size      int64
	Body      []byte // nil from StatManifest
	Referrers Presence
}

// Manifest returns the manifest that ref names, with its bytes. By digest it
// costs one item read, by tag two. Who may pull some tags only is answered by
// digest as by Blob. Errors: oci.ErrManifestUnknown, oci.ErrDenied.
func (r *Registry) Manifest(ctx context.Context, repo string, ref oci.Reference) (Manifest, error) {
	m, item, err := r.stat(ctx, repo, ref)
	if err != nil {
		return Manifest{}, err
	}
	m.Body, err = r.body(ctx, item)
	return m, err
}

// StatManifest is Manifest without the bytes.
func (r *Registry) StatManifest(ctx context.Context, repo string, ref oci.Reference) (Manifest, error) {
	m, _, err := r.stat(ctx, repo, ref)
	return m, err
}

func (r *Registry) stat(ctx context.Context, repo string, ref oci.Reference) (Manifest, table.Item, error) {
	if ref.Tag != "" {
		return r.statTag(ctx, repo, ref.Tag)
	}
	if err := r.rights.mayRead(repo); err != nil {
		return Manifest{}, table.Item{}, err
	}
	return r.sight(repo, r.rights.Pull).stat(ctx, ref.Digest)
}

func (r *Registry) statTag(ctx context.Context, repo, tag string) (Manifest, table.Item, error) {
	if !r.rights.Pull.Has(tag) {
		return Manifest{}, table.Item{}, denied("no right to pull tag %q of %s", tag, repo)
	}
	d, err := r.tagged(ctx, repo, tag)
	if err != nil {
		return Manifest{}, table.Item{}, err
	}
	s := r.sight(repo, r.rights.Pull)
	s.hints = nil
	s.take(node{d, true})
	return s.stat(ctx, d)
}

// stat returns a manifest that the caller may read: one in sight, or one that
// they have sent. What refers to the latter they do not see.
func (s *sight) stat(ctx context.Context, d oci.Digest) (Manifest, table.Item, error) {
	item, err := s.get(ctx, manifestKey(s.repo, d))
	if err != nil {
		return Manifest{}, table.Item{}, fmt.Errorf("read manifest: %w", err)
	}
	if !s.from.All() { // who sees everything never looks for a way there
		s.read[d] = item
	}
	m := Manifest{Digest: d, MediaType: item.Str(attrMediaType), Size: item.Num(attrSize)}
	n := node{d, true}
	inSight, err := s.has(ctx, n)
	if err != nil {
		return Manifest{}, table.Item{}, err
	}
	switch {
	case inSight && !isLive(item):
		return Manifest{}, table.Item{}, s.missing(ctx, d)
	case inSight:
		m.Referrers = presenceOf(item)
		return m, item, nil
	}
	if sent, err := s.sent(ctx, s.repo, n); err != nil || !sent[n] || !isLive(item) {
		return Manifest{}, table.Item{}, cmp.Or(err, s.rights.unseen(s.repo, unknownManifest(s.repo, d)))
	}
	return m, item, nil
}

// tagged returns the digest that a tag names.
func (r *Registry) tagged(ctx context.Context, repo, tag string) (oci.Digest, error) {
	item, err := r.table.Get(ctx, tagKey(repo, tag))
	switch {
	case errors.Is(err, table.ErrAbsent):
		return "", oci.ErrManifestUnknown.With(map[string]string{"tag": tag}, "no tag %q in %s", tag, repo)
	case err != nil:
		return "", fmt.Errorf("read tag: %w", err)
	}
	return oci.Digest(item.Str(attrDigest)), nil
}

// body returns the bytes of a manifest item.
func (r *Registry) body(ctx context.Context, item table.Item) ([]byte, error) {
	key := item.Str(attrObject)
	if key == "" {
		return item.Bin(attrBody), nil
	}
	size := item.Num(attrSize)
	f, err := r.blobs.Open(ctx, key, size)
	if err != nil {
		return nil, bodyError(err)
	}
	defer f.Close()
	body := make([]byte, size)
	if _, err := io.ReadFull(f, body); err != nil {
		return nil, bodyError(err)
	}
	return body, nil
}

// bodyError tells a manifest deleted since its item was read from a fault.
func bodyError(err error) error {
	if errors.Is(err, blobs.ErrAbsent) {
		return oci.ErrManifestUnknown.With(nil, "the manifest was deleted a moment ago")
	}
	return fmt.Errorf("read manifest body: %w", err)
}

func unknownManifest(repo string, d oci.Digest) error {
	return oci.ErrManifestUnknown.With(map[string]string{"digest": string(d)}, "no manifest %s in %s", d, repo)
}

// missing says that a manifest is not here, and where it is known: which index in
// sight lists it and for which platform.
func (s *sight) missing(ctx context.Context, d oci.Digest) error {
	q := table.Query{Partition: repoPartition(s.repo), Prefix: parentPrefix(d), Limit: 20}
	for {
		page, err := s.table.Query(ctx, q)
		if err != nil {
			return fmt.Errorf("look for parents of a missing manifest: %w", err)
		}
		for _, edge := range page.Items {
			index := oci.Digest(strings.TrimPrefix(edge.Sort, q.Prefix))
			if lists, err := s.lists(ctx, index); err != nil {
				return err
			} else if lists {
				return onlyListed(s.repo, d, index, edge.Str(attrPlatform))
			}
			q.After = edge.Sort
		}
		// Who sees everything has seen enough. To others the first may all be
		// hidden, and that there are so many is not told.
		if !page.More || s.from.All() {
			return unknownManifest(s.repo, d)
		}
	}
}

// lists says whether an index is here and in sight.
func (s *sight) lists(ctx context.Context, index oci.Digest) (bool, error) {
	facts, err := s.facts(ctx, []oci.Digest{index})
	if err != nil || !asIndex.holds(facts[index]) {
		return false, err
	}
	return s.has(ctx, node{index, true})
}

func onlyListed(repo string, d, index oci.Digest, platform string) error {
	detail := map[string]string{"digest": string(d), "index": string(index)}
	if platform == "" {
		return oci.ErrManifestUnknown.With(detail, "index %s lists manifest %s, but it is not in %s", index, d, repo)
	}
	detail["platform"] = platform
	return oci.ErrManifestUnknown.With(detail, "index %s lists %s for %s, but it is not in %s", index, d, platform, repo)
}
