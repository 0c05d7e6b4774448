package registry

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/berthregistry/berth/shared/oci"
	"github.com/berthregistry/berth/shared/table"
)

// met is what a manifest push finds in the repository.
type met struct {
	manifest bool                  // it is there already
	known    acquaintance          // whether the caller knows that
	as       string                // and if so, of which media type
	state    string                // of its item, "" for none and for a stub
	object   string                // and if so, where its body is, "" for inline
	repo     bool                  // the repository is in the catalog
	subject  table.Item            // perhaps a stub, zero if absent
	tags     map[string]oci.Digest // where its tags are now
	children []foundChild          // those that are, or may be missing
}

// An acquaintance is what a caller knows of a manifest that is there.
type acquaintance byte

const (
	unknown acquaintance = iota // nothing, or there is none
	sent                        // the bytes, but not what they list
	seen                        // all of it
)

// A foundChild is a child and the item it was found as; key is zero for a
// child that is missing and may be.
type foundChild struct {
	oci.Child
	key table.Key
}

// meet reads everything that the push touches, in batches. Errors: oci.Errors
// about the missing children.
func (r *Registry) meet(ctx context.Context, in *incoming) (*met, error) {
	// The manifest itself is in the first batch: if it is there already, its
	// children were looked at when it came.
	keys := unique(in.keys())
	first := min(len(keys), table.MaxKeys)
	items, err := r.many(ctx, keys[:first])
	if err != nil {
		return nil, err
	}
	_, known := items[repoKey(in.Repo)]
	old := items[manifestKey(in.Repo, in.digest)]
	m := &met{
		manifest: isLive(old),
		as:       old.Str(attrMediaType),
		state:    old.Str(attrState),
		object:   old.Str(attrObject),
		repo:     known,
		tags:     map[string]oci.Digest{},
	}
	for _, tag := range in.tags {
		if item, ok := items[tagKey(in.Repo, tag)]; ok {
			m.tags[tag] = oci.Digest(item.Str(attrDigest))
		}
	}
	if m.known, err = r.acquainted(ctx, in, m.manifest); err != nil || m.known == seen {
		return m, err
	}
	// From here on it is as if the manifest were new, even if it is not: its
	// children count, and all answers are the same.
	if m.known == unknown {
		if err := r.mayAdd(ctx, in); err != nil {
			return nil, err
		}
	}
	more, err := r.many(ctx, keys[first:])
	if err != nil {
		return nil, err
	}
	maps.Copy(items, more)
	if err := r.hide(ctx, in, items); err != nil {
		return nil, err
	}
	if m.children, err = r.find(in, items); err != nil {
		return nil, err
	}
	if !m.manifest {
		m.subject, err = r.subject(ctx, in)
	}
	return m, err
}

// acquainted says what the caller knows of a manifest that they push.
func (r *Registry) acquainted(ctx context.Context, in *incoming, here bool) (acquaintance, error) {
	if !here {
		return unknown, nil
	}
	s := r.sight(in.Repo, r.rights.Pull)
	if err := s.hint(ctx); err != nil {
		return unknown, err
	}
	n := node{in.digest, true}
	if inSight, err := s.has(ctx, n); err != nil || inSight {
		return seen, err
	}
	if ofLate, err := r.sent(ctx, in.Repo, n); err != nil || ofLate[n] {
		return sent, err
	}
	return unknown, nil
}

// mayAdd fails unless a manifest that is new to the caller may be brought, as
// part of its subject's referrers if it has one.
func (r *Registry) mayAdd(ctx context.Context, in *incoming) error {
	subject := in.parsed.Subject
	attaches := subject != nil && len(in.tags) == 0 && !r.rights.Attach.None()
	switch {
	case r.rights.Push.None() && !attaches:
		return denied("no right to push new content to %s", in.Repo)
	case subject == nil:
		return nil
	}
	s := r.sight(in.Repo, r.rights.Attach)
	if err := s.hint(ctx); err != nil {
		return err
	}
	inSight, err := s.has(ctx, node{subject.Digest, true})
	if err == nil && !inSight {
		err = denied("no right to attach to %s in %s", subject.Digest, in.Repo)
	}
	return err
}

// subject reads the item that counts the manifest among the referrers of its
// subject, zero if there is none. It is read by itself since its counts have
// names that are not known before.
func (r *Registry) subject(ctx context.Context, in *incoming) (table.Item, error) {
	if in.parsed.Subject == nil {
		return table.Item{}, nil
	}
	item, err := r.table.Get(ctx, manifestKey(in.Repo, in.parsed.Subject.Digest))
	if err != nil && !errors.Is(err, table.ErrAbsent) {
		return table.Item{}, fmt.Errorf("read subject: %w", err)
	}
	return item, nil
}

// keys are those of everything the push touches but its subject.
func (in *incoming) keys() []table.Key {
	keys := []table.Key{manifestKey(in.Repo, in.digest), repoKey(in.Repo)}
	for _, tag := range in.tags {
		keys = append(keys, tagKey(in.Repo, tag))
	}
	for _, c := range in.parsed.Children {
		keys = append(keys, childKeys(in.Repo, c)...)
	}
	return keys
}

// childKeys are the items that a child may be.
func childKeys(repo string, c oci.Child) []table.Key {
	switch c.Kind {
	case oci.ChildManifest:
		return []table.Key{manifestKey(repo, c.Digest)}
	case oci.ChildBlob:
		return []table.Key{blobKey(repo, c.Digest)}
	}
	return []table.Key{manifestKey(repo, c.Digest), blobKey(repo, c.Digest)}
}

// many reads what decides about any number of items: state, size, where the
// bytes are and, of tags, the digest. Keys may repeat.
func (r *Registry) many(ctx context.Context, keys []table.Key) (map[table.Key]table.Item, error) {
	found, err := r.items(ctx, unique(keys), attrState, attrSize, attrDigest, attrObject, attrMediaType)
	if err != nil {
		return nil, fmt.Errorf("read what a manifest refers to: %w", err)
	}
	return found, nil
}

// items is the table's GetMany for any number of keys.
func (r *Registry) items(ctx context.Context, keys []table.Key, names ...string) (map[table.Key]table.Item, error) {
	found := make(map[table.Key]table.Item, len(keys))
	for some := range slices.Chunk(keys, table.MaxKeys) {
		items, err := r.table.GetMany(ctx, some, names...)
		if err != nil {
			return nil, err
		}
		maps.Copy(found, items)
	}
	return found, nil
}

func unique(keys []table.Key) []table.Key {
	seen := make(map[table.Key]bool, len(keys))
	out := make([]table.Key, 0, len(keys))
	for _, k := range keys {
		if !seen[k] {
			seen[k] = true
			out = append(out, k)
		}
	}
	return out
}

// find tells the children that are here from those that are missing.
func (r *Registry) find(in *incoming, items map[table.Key]table.Item) ([]foundChild, error) {
	rules, strict := r.rules(in.Repo), !r.rights.Pull.All() // see hide
	var found []foundChild
	var missing oci.Errors
	for _, c := range in.parsed.Children {
		f := foundChild{Child: c}
		for _, key := range childKeys(in.Repo, c) {
			item, ok := items[key]
			if !ok || !isLive(item) {
				continue
			}
			f.key = key
			if size := item.Num(attrSize); size != c.Size {
				return nil, oci.ErrManifestInvalid.With(map[string]any{"digest": c.Digest, "size": size},
					"%s has %d bytes, the manifest says %d", c.Digest, size, c.Size)
			}
			break
		}
		if f.key.Sort == "" && (strict || rules.requires(in.parsed, c)) {
			missing = append(missing, unknownChild(in.parsed, c))
			continue
		}
		found = append(found, f)
	}
	if len(missing) > 0 {
		return nil, missing
	}
	return found, nil
}

// platforms names those that a child is listed for, most often one.
func platforms(c oci.Child) string {
	const most = 10 // enough to be told; the edge is an item with a limit
	named := slices.DeleteFunc(slices.Clone(c.Platforms), func(p string) bool { return p == "" })
	return strings.Join(named[:min(len(named), most)], ", ")
}

func unknownChild(m oci.Manifest, c oci.Child) *oci.Error {
	detail := map[string]string{"digest": string(c.Digest)}
	what := "blob"
	if oci.IsIndex(m.MediaType) {
		what = "manifest"
	}
	if p := platforms(c); p != "" {
		detail["platform"] = p
		return oci.ErrManifestBlobUnknown.With(detail, "%s %s for %s is not in this repository", what, c.Digest, p)
	}
	return oci.ErrManifestBlobUnknown.With(detail, "%s %s is not in this repository", what, c.Digest)
}

// precondition holds the push to what the client demands.
func (in *incoming) precondition(m *met, pull Tags) error {
	if tag := in.Ref.Tag; tag != "" {
		return in.If.check("tag "+tag, m.tags[tag], !pull.Has(tag))
	}
	present := oci.Digest("")
	if m.known != unknown {
		present = in.digest
	}
	return in.If.check("manifest", present, false)
}

// retag points tags to a manifest that is there. The manifest is written to,
// without a change, so that its deletion at the same moment does not miss them.
func (in *incoming) retag(m *met, now int64) []table.Action {
	var actions []table.Action
	for _, tag := range in.tags {
		if from := m.tags[tag]; from != in.digest {
			actions = append(actions, in.tagActions(tag, from, now)...)
		}
	}
	if len(actions) > 0 {
		actions = append(actions, table.Update(manifestKey(in.Repo, in.digest)).When(table.Equals(live)))
	}
	return actions
}

// actions are what makes a new manifest visible: the core, which goes into one
// transaction, and for each child a check that it is here and an edge up from
// it, which may go before.
func (in *incoming) actions(m *met, now time.Time) (core, children []table.Action) {
	core = append(core, in.itself(now).When(stateIs(m.state)))
	if !m.repo {
		core = append(core, newRepo(in.Repo, now, in.by))
	}
	for _, tag := range in.tags {
		core = append(core, in.tagActions(tag, m.tags[tag], now.Unix())...)
	}
	if in.parsed.Subject != nil {
		core = append(core, in.attach(m.subject)...)
	}
	for _, c := range m.children {
		// A child that is the subject as well is written to in the core.
		if i := slices.IndexFunc(core, func(a table.Action) bool { return a.Key == c.key }); i >= 0 {
			core[i] = core[i].When(table.Equals(live))
		} else if c.key.Sort != "" {
			children = append(children, table.Check(c.key, table.Equals(live)))
		}
		edge := table.Put(parentKey(in.Repo, c.Digest, string(in.digest)), table.N(attrPushed, now.Unix()))
		if p := platforms(c.Child); p != "" {
			edge.Set = append(edge.Set, table.S(attrPlatform, p))
		}
		if c.Kind == oci.ChildEither {
			edge.Set = append(edge.Set, table.S(attrKind, kindEither))
		}
		children = append(children, edge)
	}
	return core, children
}

// newRepo lists a repository that something is pushed to for the first time.
func newRepo(repo string, now time.Time, by []table.Attr) table.Action {
	return table.Put(repoKey(repo), append(slices.Clip(by), table.N(attrPushed, now.Unix()))...)
}

// itself makes the manifest's item, or turns the stub that counts its referrers
// into it. It is an update, so the counts stay without being read.
func (in *incoming) itself(now time.Time) table.Action {
	set := table.Attrs{
		live,
		table.S(attrMediaType, in.parsed.MediaType),
		table.N(attrSize, int64(len(in.Body))),
		table.N(attrPushed, now.Unix()),
	}
	if in.object != "" {
		set = append(set, table.S(attrObject, in.object))
	} else {
		set = append(set, table.B(attrBody, in.Body))
	}
	if in.parsed.ArtifactType != "" {
		set = append(set, table.S(attrArtifactType, in.parsed.ArtifactType))
	}
	if s := in.parsed.Subject; s != nil {
		set = append(set, table.S(attrSubject, string(s.Digest)))
	}
	return table.Update(manifestKey(in.Repo, in.digest), append(set, in.by...)...)
}
