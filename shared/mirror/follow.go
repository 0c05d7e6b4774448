package mirror

import (
	"fmt"
	"slices"
	"strings"

	"github.com/berthregistry/berth/shared/oci"
)

// follow adds what a node leads to: to itself its blobs, to next what is to be
// looked at.
func (w *walk) follow(next []*node, n *node) ([]*node, error) {
	for _, e := range n.entries {
		switch {
		case e.Optional:
		case e.Kind != oci.ChildManifest:
			if n.there && !oci.IsIndex(n.MediaType) {
				continue
			}
			w.want(e.Descriptor)
		default:
			child, isNew, err := w.node(e.Descriptor)
			if err != nil {
				return nil, err
			}
			child.listed = true
			n.before = append(n.before, child)
			if isNew {
				child.limited, child.platform = n.limited, strings.Join(e.Platforms, ", ")
				next = append(next, child)
			}
		}
	}
	if len(w.blobs) > maxBlobs {
		return nil, fmt.Errorf("these are more than %d blobs; copy fewer images at once", maxBlobs)
	}
	return w.followReferrers(next, n)
}

func (w *walk) want(blob oci.Descriptor) {
	if !w.wanted[blob.Digest] {
		w.wanted[blob.Digest] = true
		w.blobs = append(w.blobs, plain(blob))
	}
}

func (w *walk) followReferrers(next []*node, n *node) ([]*node, error) {
	for _, d := range n.referrers {
		r, isNew, err := w.node(d)
		if err != nil {
			return nil, err
		}
		if isNew {
			r.subject, r.before = n, []*node{n}
			next = append(next, r)
		}
	}
	for _, a := range n.attached {
		r, isNew, err := w.node(a.Descriptor)
		if err != nil {
			return nil, err
		}
		if isNew {
			next = append(next, r)
		}
		if slices.Contains(r.tags, a.tag) {
			continue
		}
		r.tags = append(r.tags, a.tag)
		if r.there && !oci.IsIndex(r.MediaType) {
			r.subject, r.before = nil, nil // it was not read, and the list may have lied
		}
		r.there = false // whether this tag points at it is yet to be asked
	}
	return next, nil
}
