package registry

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/berthregistry/berth/shared/oci"
	"github.com/berthregistry/berth/shared/table"
)

// What a manifest lists becomes readable with it. So who may pull some tags only
// may list what they may read anyway: what is in their sight now, and what they
// have sent. Everything else is to their push as if it were not here: who merely
// knows a digest gains nothing by it, today or on the day that it comes.

// maxOwned bounds the manifests that one push of an index looks into; those
// beyond it may not be referred to.
const maxOwned = 300

// An ownership decides what one push may refer to.
type ownership struct {
	*sight
	owns map[oci.Digest]bool // manifests that were sent: is all that they list the caller's
}

// hide takes out of items, which are what a push found of its manifest's
// children, those that the caller may not refer to.
func (r *Registry) hide(ctx context.Context, in *incoming, items map[table.Key]table.Item) error {
	if r.rights.Pull.All() {
		return nil
	}
	s := r.sight(in.Repo, r.rights.Pull)
	for _, tag := range in.tags {
		s.hints = append(slices.Clip(s.hints), oci.Reference{Tag: tag}) // most layers are those of last time
	}
	if err := s.hint(ctx); err != nil {
		return err
	}
	nodes := map[table.Key]node{}
	for _, c := range in.parsed.Children {
		for _, key := range childKeys(in.Repo, c) {
			if isLive(items[key]) {
				nodes[key] = node{c.Digest, key == manifestKey(in.Repo, c.Digest)}
			}
		}
	}
	o := ownership{s, map[oci.Digest]bool{}}
	may, err := o.mayRefer(ctx, slices.Collect(maps.Values(nodes)))
	for key, n := range nodes {
		if !may[n] {
			delete(items, key)
		}
	}
	return err
}

// mayRefer returns to which of these nodes the caller may refer.
func (o ownership) mayRefer(ctx context.Context, nodes []node) (map[node]bool, error) {
	sent, err := o.sent(ctx, o.repo, nodes...)
	if err != nil {
		return nil, err
	}
	may := make(map[node]bool, len(nodes))
	for _, n := range nodes {
		if sent[n] {
			if may[n], err = o.ownsAll(ctx, n); err != nil {
				return nil, err
			}
		}
	}
	rest := slices.DeleteFunc(slices.Clone(nodes), func(n node) bool { return may[n] })
	if err := o.near(ctx, rest...); err != nil {
		return nil, err
	}
	for _, n := range rest {
		if may[n], err = o.has(ctx, n); err != nil {
			return nil, err
		}
	}
	return may, nil
}

// ownsAll says whether the caller, who has sent a node, may refer to all that it
// brings into sight: what could be referred to when it was pushed may be out of
// sight today.
func (o ownership) ownsAll(ctx context.Context, n node) (bool, error) {
	if !n.manifest {
		return true, nil
	}
	owns, known := o.owns[n.Digest]
	if known || len(o.owns) == maxOwned {
		return owns, nil
	}
	o.owns[n.Digest] = false
	children, err := o.madeOf(ctx, n.Digest)
	if err != nil || children == nil {
		return false, err
	}
	may, err := o.mayRefer(ctx, children)
	if err != nil {
		return false, err
	}
	for _, c := range children {
		if !may[c] {
			return false, nil
		}
	}
	o.owns[n.Digest] = true
	return true, nil
}

// madeOf returns what a manifest brings into sight, nil if it is not here.
func (o ownership) madeOf(ctx context.Context, d oci.Digest) ([]node, error) {
	item, err := o.table.Get(ctx, manifestKey(o.repo, d))
	switch {
	case errors.Is(err, table.ErrAbsent) || err == nil && !isLive(item):
		return nil, nil
	case err != nil:
		return nil, fmt.Errorf("read manifest: %w", err)
	}
	body, err := o.body(ctx, item)
	if err != nil {
		return nil, err
	}
	m, err := oci.ParseManifest(item.Str(attrMediaType), body)
	if err != nil {
		return nil, nil // it was let in when the rules were others: who can say what it lists
	}
	nodes := make([]node, 0, len(m.Children))
	for _, c := range m.Children {
		nodes = append(nodes, node{c.Digest, c.Kind == oci.ChildManifest})
	}
	return nodes, nil
}
