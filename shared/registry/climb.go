package registry

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"golang.org/x/sync/errgroup"

	"github.com/berthregistry/berth/shared/oci"
	"github.com/berthregistry/berth/shared/table"
)

// A step leads up to a manifest.
type step struct {
	manifest oci.Digest
	as       claim
}

// A claim is what a manifest must be for a step to it to count.
type claim byte

const (
	asItself claim = iota // nothing: it is asked for, or is a subject
	asParent              // here: it lists a blob
	asIndex               // an index that is here: it lists a manifest
)

// holds says whether the item of a manifest is what is claimed.
func (c claim) holds(item table.Item) bool {
	return c == asItself || isLive(item) && (c == asParent || oci.IsIndex(item.Str(attrMediaType)))
}

// abreast is how many manifests are looked at at once.
const abreast = 32

// climb goes up from manifests along edges and subjects, breadth first, and says
// whether it came to a tag or to what is in sight. It reads the item and the
// edges of each manifest above once at most, so its cost is bounded by their
// number. Edges are left by pushes that never ended, hence the look at the item.
func (s *sight) climb(ctx context.Context, level []step) (bool, error) {
	tried := map[oci.Digest]bool{}
	for len(level) > 0 {
		if len(level) > s.wide {
			if found, err := s.glance(ctx, level); found || err != nil {
				return found, err
			}
		}
		var next []step
		for some := range slices.Chunk(level, abreast) {
			found, above, err := s.rise(ctx, some, tried)
			if found || err != nil {
				return found, err
			}
			next = append(next, above...)
		}
		level = next
	}
	for d := range tried {
		s.shut[d] = true
	}
	return false, nil
}

// glance says whether a step of a wide level leads to what a page of tags names.
// That is one query where each edge upwards is one, and tells most of what who
// pulls an image may pull: base layers have a manifest above for each image there
// ever was. What it does not find may be there all the same.
func (s *sight) glance(ctx context.Context, level []step) (bool, error) {
	if s.tagged == nil {
		page, err := s.table.Query(ctx, table.Query{Partition: repoPartition(s.repo), Prefix: tagPrefix})
		if err != nil {
			return false, fmt.Errorf("read tags: %w", err)
		}
		s.tagged = map[oci.Digest]bool{}
		for _, item := range page.Items {
			if s.from.Has(strings.TrimPrefix(item.Sort, tagPrefix)) {
				for _, d := range namedBy(item) {
					s.tagged[d] = true
				}
			}
		}
	}
	var ahead []step
	var digests []oci.Digest
	for _, st := range level {
		if s.tagged[st.manifest] && len(ahead) < abreast {
			ahead, digests = append(ahead, st), append(digests, st.manifest)
		}
	}
	facts, err := s.facts(ctx, digests)
	return slices.ContainsFunc(ahead, func(st step) bool { return st.as.holds(facts[st.manifest]) }), err
}

// rise takes some steps and returns those that follow.
func (s *sight) rise(ctx context.Context, some []step, tried map[oci.Digest]bool) (found bool, above []step, err error) {
	some = slices.DeleteFunc(slices.Clone(some), func(st step) bool { return tried[st.manifest] || s.shut[st.manifest] })
	digests := make([]oci.Digest, len(some))
	for i, st := range some {
		digests[i] = st.manifest
	}
	facts, err := s.facts(ctx, digests)
	if err != nil {
		return false, nil, err
	}
	var on []oci.Digest
	for _, st := range some {
		item := facts[st.manifest]
		if tried[st.manifest] || !st.as.holds(item) {
			continue
		}
		if s.open[st.manifest] {
			return true, nil, nil
		}
		tried[st.manifest] = true
		on = append(on, st.manifest)
		if subject := item.Str(attrSubject); subject != "" && isLive(item) {
			above = append(above, step{oci.Digest(subject), asItself})
		}
	}
	found, more, err := s.aboveAll(ctx, on)
	return found, append(above, more...), err
}

// errTagged ends reading at once: a permitted tag is found.
var errTagged = errors.New("tagged")

// aboveAll is above for several manifests at once.
func (s *sight) aboveAll(ctx context.Context, manifests []oci.Digest) (tagged bool, steps []step, err error) {
	if len(manifests) == 1 {
		return s.above(ctx, node{manifests[0], true})
	}
	each := make([][]step, len(manifests))
	g, ctx := errgroup.WithContext(ctx)
	for i, d := range manifests {
		g.Go(func() error {
			tagged, steps, err := s.above(ctx, node{d, true})
			if each[i] = steps; tagged {
				return errTagged
			}
			return err
		})
	}
	if err := g.Wait(); errors.Is(err, errTagged) {
		return true, nil, nil
	} else if err != nil {
		return false, nil, err
	}
	return false, slices.Concat(each...), nil
}

// above returns the steps up from a node along its edges, or says that it has a
// permitted tag. The edge of a tag changes with the tag, so it tells the truth.
func (s *sight) above(ctx context.Context, n node) (tagged bool, steps []step, err error) {
	err = s.Registry.parents(ctx, s.repo, n.Digest, func(edge table.Item, parent string) bool {
		switch {
		case !strings.Contains(parent, ":"):
			tagged = n.manifest && s.from.Has(parent)
		case n.leadsUp(edge):
			steps = append(steps, step{oci.Digest(parent), n.parentClaim()})
		}
		return !tagged
	})
	return tagged, steps, err
}

// leadsUp says whether an edge from a node counts: one of an entry that may as
// well be a blob does not lead from a manifest.
func (n node) leadsUp(edge table.Item) bool { return !n.manifest || edge.Str(attrKind) != kindEither }

// parentClaim is what the parents of a node must be.
func (n node) parentClaim() claim {
	if n.manifest {
		return asIndex
	}
	return asParent
}
