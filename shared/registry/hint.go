package registry

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/berthregistry/berth/shared/oci"
	"github.com/berthregistry/berth/shared/table"
)

// maxHints bounds the hints that are looked at.
const maxHints = 8

// attrManifests, on a tag item, holds the digests of the manifests that the
// tagged index lists, one a line, at most maxNamed of them. It is only ever used
// to find something: tags that are older, or name an image, have none.
const (
	attrManifests = "manifests"
	maxNamed      = 40
)

// named is what the item of a tag of this manifest says beside the digest.
func named(m oci.Manifest) []table.Attr {
	var digests []string
	for _, c := range m.Children {
		if c.Kind == oci.ChildManifest && len(digests) < maxNamed {
			digests = append(digests, string(c.Digest))
		}
	}
	if digests == nil {
		return nil
	}
	return []table.Attr{table.S(attrManifests, strings.Join(digests, "\n"))}
}

// hintKeys are the items that permitted hints name. Without a tag among them
// there is nowhere to begin.
func (s *sight) hintKeys() []table.Key {
	if s.from.All() {
		return nil
	}
	var tags, manifests []table.Key
	for _, h := range s.hints[:min(len(s.hints), maxHints)] {
		if h.Tag != "" && s.from.Has(h.Tag) {
			tags = append(tags, tagKey(s.repo, h.Tag))
		}
		if h.Digest != "" {
			manifests = append(manifests, manifestKey(s.repo, h.Digest))
		}
	}
	if tags == nil {
		return nil
	}
	for _, key := range manifests {
		s.hinted = append(s.hinted, manifestOf(key))
	}
	return append(tags, manifests...)
}

// takeHints takes into sight what the hinted tags name, and what the hinted
// manifests among that list.
func (s *sight) takeHints(items map[table.Key]table.Item) {
	for key, item := range items {
		switch {
		case strings.HasPrefix(key.Sort, manifestPrefix):
			s.read[manifestOf(key)] = item
		case strings.HasPrefix(key.Sort, tagPrefix):
			s.roots[oci.Digest(item.Str(attrDigest))] = true
			for _, d := range namedBy(item) {
				s.open[d] = true
			}
		}
	}
	s.follow()
}

// namedBy returns the manifest that a tag names, and those that its item says
// are listed there.
func namedBy(tag table.Item) []oci.Digest {
	digests := []oci.Digest{oci.Digest(tag.Str(attrDigest))}
	for d := range strings.SplitSeq(tag.Str(attrManifests), "\n") {
		if d != "" {
			digests = append(digests, oci.Digest(d))
		}
	}
	return digests
}

// follow takes into sight what hinted manifests list that have come into sight,
// until there are no more of them.
func (s *sight) follow() {
	for again := true; again; {
		again = false
		s.hinted = slices.DeleteFunc(s.hinted, func(d oci.Digest) bool {
			if s.open[d] {
				again = true
				s.list(s.read[d])
			}
			return s.open[d]
		})
	}
}

// list takes into sight what a manifest in sight lists. One whose body is
// elsewhere, or was let in when the rules were others, is left to the edges.
func (s *sight) list(item table.Item) {
	if !isLive(item) || !item.Has(attrBody) {
		return
	}
	m, err := oci.ParseManifest(item.Str(attrMediaType), item.Bin(attrBody))
	if err != nil {
		return
	}
	for _, c := range m.Children {
		s.parts[c.Digest] = true
		if c.Kind == oci.ChildManifest {
			s.open[c.Digest] = true
		}
	}
}

// maxNear bounds the edges that are asked for one by one.
const maxNear = 3 * table.MaxKeys

// near asks for the edges that lead straight from some nodes, or from a hinted
// manifest, to what hints have brought into sight. It costs a few reads of single
// items where to climb is to read all edges of a layer that every image has.
func (s *sight) near(ctx context.Context, nodes ...node) error {
	nodes = slices.DeleteFunc(slices.Clone(nodes), func(n node) bool { return s.asked[n] || s.sees(n) })
	if len(s.roots) == 0 || len(nodes) == 0 {
		return nil
	}
	for _, d := range s.hinted {
		nodes = append(nodes, node{d, true})
	}
	edges := s.shortcuts(nodes)
	keys := slices.SortedFunc(maps.Keys(edges), func(a, b table.Key) int { return strings.Compare(a.Sort, b.Sort) })
	found, err := s.items(ctx, keys)
	if err != nil {
		return fmt.Errorf("read edges to hinted manifests: %w", err)
	}
	if err := s.join(ctx, found, edges); err != nil {
		return err
	}
	s.follow()
	return nil
}

// An edge is what its key says.
type edge struct {
	child  node
	parent oci.Digest
}

// shortcuts are the keys of all edges that near asks for.
func (s *sight) shortcuts(nodes []node) map[table.Key][]edge {
	edges := map[table.Key][]edge{}
	parents := slices.Sorted(maps.Keys(s.open))
	for _, n := range nodes {
		s.asked[n] = true
		for _, p := range parents {
			if key := parentKey(s.repo, n.Digest, string(p)); len(edges) < maxNear {
				edges[key] = append(edges[key], edge{n, p})
			}
		}
	}
	return edges
}

// join takes into sight the children of those edges that count.
func (s *sight) join(ctx context.Context, found map[table.Key]table.Item, edges map[table.Key][]edge) error {
	var unsure []oci.Digest
	for key := range found {
		for _, e := range edges[key] {
			if e.child.manifest || !s.roots[e.parent] {
				unsure = append(unsure, e.parent)
			}
		}
	}
	facts, err := s.facts(ctx, unsure)
	if err != nil {
		return err
	}
	for key, item := range found {
		for _, e := range edges[key] {
			sure := !e.child.manifest && s.roots[e.parent]
			if sure || e.child.leadsUp(item) && e.child.parentClaim().holds(facts[e.parent]) {
				s.take(e.child)
			}
		}
	}
	return nil
}
