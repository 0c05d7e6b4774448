package mirror

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"golang.org/x/sync/errgroup"
	"oras.land/oras-go/v2/errdef"

	"github.com/berthregistry/berth/shared/oci"
)

// Bounds of what is copied at once. A registry may claim anything.
const (
	maxDepth     = 16 // of entries and referrers, one beneath the other
	maxManifests = 50_000
	maxBlobs     = 200_000
)

// A node is a manifest that is to be at the target.
type node struct {
	oci.Descriptor
	tags    []string // that are to point at it
	root    bool     // one of the images that were asked for
	limited bool     // an index of which only the platforms asked for are copied
	listed  bool     // an index lists it
	there   bool     // the target has it, and its tags point at it
	left    int      // entries that are not copied

	platform string  // that an index lists it for
	subject  *node   // what it is listed as a referrer of
	before   []*node // what comes before it: its entries and its subject

	found // by open, until it is followed
}

// found is what one look at a manifest brings.
type found struct {
	stray     bool // does not belong here, after all
	entries   []oci.Child
	referrers []oci.Descriptor
	attached  []attachment
}

// A walk goes through images from the top, level by level, and asks the target
// what is there of each level, so that what is there need not be looked into.
type walk struct {
	from Origin
	to   Target
	o    Options
	keep keeper

	nodes map[oci.Digest]*node
	order []*node // as they were found
	seen  int     // how many nodes there were, also those that strayed

	blobs  []oci.Descriptor // of what is not there, each once
	wanted map[oci.Digest]bool

	listed func(ctx context.Context) (map[string]bool, error) // the origin's tags
}

func newWalk(from Origin, to Target, o Options) *walk {
	w := &walk{from: from, to: to, o: o, nodes: map[oci.Digest]*node{}, wanted: map[oci.Digest]bool{}}
	var once sync.Once
	var tags map[string]bool
	var err error
	w.listed = func(ctx context.Context) (map[string]bool, error) {
		once.Do(func() { tags, err = w.list(ctx) })
		return tags, err
	}
	return w
}

func (w *walk) run(ctx context.Context) error {
	level, err := w.roots(ctx)
	for depth := 0; err == nil && len(level) > 0; depth++ {
		if depth > maxDepth {
			return fmt.Errorf("%s is more than %d deep", level[0].Digest, maxDepth)
		}
		level, err = w.level(ctx, level)
	}
	return err
}

// roots are the images that were asked for. One that has several names is one.
func (w *walk) roots(ctx context.Context) ([]*node, error) {
	images, err := w.asked(ctx)
	if err != nil {
		return nil, err
	}
	resolved, limited := make([]oci.Descriptor, len(images)), make([]bool, len(images))
	err = w.each(ctx, len(images), func(ctx context.Context, i int) (err error) {
		resolved[i], err = w.from.Resolve(ctx, images[i].Reference)
		limited[i] = len(w.o.Platforms) > 0
		if err == nil && w.o.Single && oci.IsIndex(resolved[i].MediaType) {
			resolved[i], err = w.single(ctx, resolved[i])
			limited[i] = false // by what the index says; a config may say less, or nonsense
		}
		if err != nil {
			return fmt.Errorf("find %q: %w", images[i].Reference, err)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	var roots []*node
	for i, d := range resolved {
		n, isNew, err := w.node(d)
		if err != nil {
			return nil, err
		}
		n.tags = append(n.tags, images[i].Tags...)
		if isNew {
			n.root, n.limited = true, limited[i]
			roots = append(roots, n)
		}
	}
	return roots, nil
}

// asked are the images to copy.
func (w *walk) asked(ctx context.Context) ([]Image, error) {
	if !w.all() {
		return w.o.Images, nil
	}
	tags, err := w.from.Tags(ctx)
	if err != nil {
		return nil, fmt.Errorf("list tags: %w", err)
	}
	var images []Image
	for _, tag := range tags {
		// A list of referrers is the target's own: it may have others.
		if !isFallback(tag) {
			images = append(images, Image{Reference: tag, Tags: []string{tag}})
		}
	}
	return images, nil
}

// all says whether all tags are copied, rather than images that were named.
func (w *walk) all() bool { return len(w.o.Images) == 0 }

// level looks at the nodes of a level and returns those of the next one.
func (w *walk) level(ctx context.Context, level []*node) (next []*node, err error) {
	if err := w.ask(ctx, level); err != nil {
		return nil, err
	}
	err = w.each(ctx, len(level), func(ctx context.Context, i int) error {
		return w.open(ctx, level[i])
	})
	if err != nil {
		return nil, err
	}
	for _, n := range level {
		if n.stray {
			delete(w.nodes, n.Digest) // it may yet be found where it belongs
		}
	}
	for _, n := range level {
		if n.stray {
			continue
		}
		w.order = append(w.order, n)
		if next, err = w.follow(next, n); err != nil {
			return nil, err
		}
		if n.found = (found{}); n.there {
			w.keep.drop(n.Digest)
		}
	}
	return next, nil
}

// ask asks the target what is there of a level. Where a manifest is to have a
// tag, that is looked at and nothing else: most often one request says all.
func (w *walk) ask(ctx context.Context, level []*node) error {
	resolver, resolves := w.to.(Resolver)
	var untagged []oci.Descriptor
	for _, n := range level {
		if len(n.tags) == 0 {
			untagged = append(untagged, n.Descriptor)
		}
	}
	if len(untagged) > 0 {
		standing, err := w.to.Standing(ctx, nil, untagged)
		if err != nil {
			return fmt.Errorf("ask what is there: %w", err)
		}
		for _, n := range level {
			_, n.there = standing[n.Digest]
		}
	}
	return w.each(ctx, len(level), func(ctx context.Context, i int) (err error) {
		if n := level[i]; resolves && len(n.tags) > 0 {
			n.there, err = stands(ctx, resolver, n)
		}
		return err
	})
}

// stands says whether all tags of a node point at it.
func stands(ctx context.Context, at Resolver, n *node) (bool, error) {
	for _, tag := range n.tags {
		d, err := at.Resolve(ctx, tag)
		if errors.Is(err, errdef.ErrNotFound) {
			return false, nil
		}
		if err != nil {
			return false, fmt.Errorf("ask what is there as %s: %w", tag, err)
		}
		if d.Digest != n.Digest {
			return false, nil
		}
	}
	return true, nil
}

// node returns the node of a manifest, and whether it is new.
func (w *walk) node(d oci.Descriptor) (n *node, isNew bool, err error) {
	if n, ok := w.nodes[d.Digest]; ok {
		return n, false, nil
	}
	if _, err := oci.ParseDigest(string(d.Digest)); err != nil {
		return nil, false, err
	}
	if w.seen++; w.seen > maxManifests {
		return nil, false, fmt.Errorf("these are more than %d manifests; copy fewer images at once", maxManifests)
	}
	n = &node{Descriptor: plain(d)}
	w.nodes[d.Digest] = n
	return n, true, nil
}

// plain returns a descriptor without what a list says about it.
func plain(d oci.Descriptor) oci.Descriptor {
	return oci.Descriptor{MediaType: d.MediaType, Digest: d.Digest, Size: d.Size}
}

// each calls do for numbers below n, several at a time.
func (w *walk) each(ctx context.Context, n int, do func(ctx context.Context, i int) error) error {
	group, within := errgroup.WithContext(ctx)
	group.SetLimit(w.o.Parallel)
	for i := range n {
		if within.Err() != nil {
			break
		}
		group.Go(func() error { return do(within, i) })
	}
	if err := group.Wait(); err != nil {
		return err
	}
	return ctx.Err()
}
