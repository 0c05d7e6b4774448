package mirror

import (
	"cmp"
	"maps"
	"slices"

	"github.com/berthregistry/berth/shared/oci"
	"github.com/berthregistry/berth/shared/transfer"
)

// A Plan is what a copy has to do.
type Plan struct {
	Move  []oci.Descriptor // blobs whose bytes have to be moved
	Place []oci.Descriptor // manifests that have to be put, in their order
}

// Bytes is the size of all that has to be moved.
func (p Plan) Bytes() (n int64) {
	for _, d := range p.Move {
		n += d.Size
	}
	return n
}

// largestFirst has the long ones begin early, so that they do not end alone.
func largestFirst(a, b oci.Descriptor) int { return cmp.Compare(b.Size, a.Size) }

// plan compares what is wanted with what stands.
func (w *walk) plan(standing transfer.Standing) (p Plan) {
	for _, d := range w.blobs {
		if _, stands := standing[d.Digest]; !stands {
			p.Move = append(p.Move, d)
		}
	}
	slices.SortStableFunc(p.Move, largestFirst)
	for _, wave := range w.waves() {
		for _, n := range wave {
			p.Place = append(p.Place, n.Descriptor)
		}
	}
	return p
}

// everything is every blob and manifest of the walk.
func (w *walk) everything() []oci.Descriptor {
	all := slices.Clone(w.blobs)
	for _, n := range w.order {
		all = append(all, n.Descriptor)
	}
	return all
}

// waves are the manifests that have to be put. Those of one wave can be put side
// by side: what they list, and what they refer to, is in earlier ones.
func (w *walk) waves() [][]*node {
	heights := map[*node]int{}
	byHeight := map[int][]*node{}
	for _, n := range w.order {
		if !n.there {
			h := height(n, heights)
			byHeight[h] = append(byHeight[h], n)
		}
	}
	var waves [][]*node
	for _, h := range slices.Sorted(maps.Keys(byHeight)) {
		waves = append(waves, byHeight[h])
	}
	return waves
}

// height is how many manifests have to come one after the other before a node.
// Each of these has been read, and no bytes can hold the digest of what holds
// theirs: so it ends. What is there was not always read, and need not be waited
// for.
func height(n *node, known map[*node]int) int {
	if h, ok := known[n]; ok || n.there {
		return h
	}
	h := 0
	for _, b := range n.before {
		h = max(h, height(b, known)+1)
	}
	known[n] = h
	return h
}
