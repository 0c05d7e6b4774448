package registry

import (
	"context"
	"errors"
	"fmt"

	"github.com/berthregistry/berth/shared/oci"
	"github.com/berthregistry/berth/shared/table"
)

// A sight is what can be reached in one repository from some of its tags, as
// far as one request has found out:
//
//   - the manifest that a tag names
//   - the manifests that an index in sight lists, if the index is here
//   - a manifest that is here and whose subject is in sight
//   - the blobs that a manifest in sight lists, if the manifest is here
//
// A subject is not reached from what refers to it. A digest may be in sight
// though nothing of it is here.
//
// Manifests and blobs are told apart even where they have one digest. Who has
// the bytes of a hidden manifest can push them as a blob, and an image with that
// blob as a layer: this must not bring into sight what the manifest lists. So an
// image never leads to a manifest, nor does an entry of an index that does not
// say that it is one.
//
// Each step is true when it is read, but they are not read at one moment.
type sight struct {
	*Registry
	repo  string
	from  Tags
	hints []oci.Reference

	open   map[oci.Digest]bool       // manifests in sight
	shut   map[oci.Digest]bool       // manifests that are not
	parts  map[oci.Digest]bool       // blobs in sight
	roots  map[oci.Digest]bool       // the manifests that hinted tags name: they are here
	hinted []oci.Digest              // manifests that hints name, not yet in sight
	asked  map[node]bool             // of which it is known whether they are near
	read   map[oci.Digest]table.Item // manifest items that were read, zero for none
	tagged map[oci.Digest]bool       // in sight by a page of tags; nil before a glance
}

// A node is a manifest or a blob.
type node struct {
	oci.Digest
	manifest bool
}

func (r *Registry) sight(repo string, from Tags) *sight {
	return &sight{
		Registry: r, repo: repo, from: from, hints: r.rights.Hints,
		open: map[oci.Digest]bool{}, shut: map[oci.Digest]bool{}, parts: map[oci.Digest]bool{},
		roots: map[oci.Digest]bool{}, asked: map[node]bool{}, read: map[oci.Digest]table.Item{},
	}
}

// has says whether a node is in sight.
func (s *sight) has(ctx context.Context, n node) (bool, error) {
	if s.from.All() || s.from.None() {
		return s.from.All(), nil
	}
	if err := s.near(ctx, n); err != nil || s.sees(n) {
		return err == nil, err
	}
	first := []step{{n.Digest, asItself}}
	if !n.manifest {
		var err error
		if _, first, err = s.above(ctx, n); err != nil {
			return false, err
		}
	}
	found, err := s.climb(ctx, first)
	if found {
		s.take(n)
	}
	return found, err
}

// sees says whether a node is known to be in sight.
func (s *sight) sees(n node) bool {
	if n.manifest {
		return s.open[n.Digest]
	}
	return s.parts[n.Digest]
}

// take takes a node into sight, in which everything may be already.
func (s *sight) take(n node) {
	switch {
	case s.from.All():
	case n.manifest:
		s.open[n.Digest] = true
	default:
		s.parts[n.Digest] = true
	}
}

// facts returns what decides about manifests: whether they are live, of which
// media type, and what their subject is.
func (s *sight) facts(ctx context.Context, manifests []oci.Digest) (map[oci.Digest]table.Item, error) {
	var keys []table.Key
	for _, d := range manifests {
		if _, ok := s.read[d]; !ok {
			keys = append(keys, manifestKey(s.repo, d))
		}
	}
	items, err := s.items(ctx, unique(keys), attrState, attrMediaType, attrSubject)
	if err != nil {
		return nil, fmt.Errorf("read manifests on the way to a tag: %w", err)
	}
	for _, key := range keys {
		s.read[manifestOf(key)] = items[key]
	}
	return s.read, nil
}

// get reads one item, and what hints name along with it. It is zero if there is
// none.
func (s *sight) get(ctx context.Context, key table.Key) (table.Item, error) {
	hints := s.hintKeys()
	if hints == nil {
		item, err := s.table.Get(ctx, key)
		if errors.Is(err, table.ErrAbsent) {
			err = nil
		}
		return item, err
	}
	items, err := s.table.GetMany(ctx, unique(append(hints, key)))
	s.takeHints(items)
	return items[key], err
}

// hint reads what hints name.
func (s *sight) hint(ctx context.Context) error {
	keys := s.hintKeys()
	if keys == nil {
		return nil
	}
	items, err := s.table.GetMany(ctx, unique(keys))
	if err != nil {
		return fmt.Errorf("read hinted tags: %w", err)
	}
	s.takeHints(items)
	return nil
}
