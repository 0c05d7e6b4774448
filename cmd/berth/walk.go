package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"

	"oras.land/oras-go/v2/content"
	"oras.land/oras-go/v2/errdef"
	"oras.land/oras-go/v2/registry/remote"

	"github.com/berthregistry/berth/shared/oci"
)

// How far a tree is followed. Nobody stacks signatures upon signatures so high,
// nor hangs so many on one image, but a registry may claim it.
const (
	maxDepth  = 16
	maxNodes  = 10_000  // manifests that are read
	maxListed = 100_000 // entries, layers and referrers, of all of them
)

// A state says what is known of a node.
type state string

const (
	here     state = "here"
	missing  state = "missing"  // listed, but the registry does not have it
	repeated state = "repeated" // it is elsewhere in the tree, with all that is beneath it
	unread   state = "unread"   // too large, or too far down
	listed   state = "listed"   // a blob: whether it is here is not asked
)

// A node is a manifest, or an entry of an index that is not one.
type node struct {
	nature
	label        string // what it is to the node above
	digest       string
	mediaType    string
	artifactType string
	platform     string // "" for none
	tag          string // by which it was found, if not by a list
	size         int64  // of the manifest, or of the blob
	state        state
	layers       int
	blobs        sizes // what is here of it and of its entries; nil if it was not read
	entries      []*node
	referrers    []*node
}

func newNode(label string, d oci.Descriptor) *node {
	n := &node{label: label, digest: string(d.Digest), mediaType: d.MediaType, artifactType: d.ArtifactType, size: d.Size}
	n.nature = natureOf(d, manifest{})
	if p := oci.PlatformString(d.Platform); p != unknownPlatform {
		n.platform = p
	}
	return n
}

// unknownPlatform is under which BuildKit lists attestations.
const unknownPlatform = "unknown/unknown"

// sizes are the sizes of blobs by digest, so that what is shared counts once.
type sizes map[string]int64

func (s sizes) total() (n int64) {
	for _, size := range s {
		n += size
	}
	return n
}

// A manifest is what a tree shows of any manifest.
type manifest struct {
	ArtifactType string            `json:"artifactType"`
	Config       *oci.Descriptor   `json:"config"`
	Layers       []oci.Descriptor  `json:"layers"`
	Manifests    []oci.Descriptor  `json:"manifests"`
	Annotations  map[string]string `json:"annotations"`
}

// A walker follows a manifest's entries and referrers.
type walker struct {
	repo   *remote.Repository
	tags   map[string]bool  // those made of digests
	drawn  map[string]state // by digest
	listed int              // see maxListed
}

// root follows what the repository's reference stands for.
func (w *walker) root(ctx context.Context) (*node, error) {
	// Ahead of the manifest: a long list would outlast what is said with that.
	w.tags = w.digestTags(ctx)
	d, raw, err := w.fetchTag(ctx, w.repo.Reference.Reference)
	if err != nil {
		return nil, err
	}
	n := newNode("", d)
	n.state = w.enter(n.digest, 0)
	return n, w.fill(ctx, n, d, raw, 0)
}

// enter says whether a manifest is to be read, and if so that it was.
func (w *walker) enter(digest string, depth int) state {
	switch {
	case w.drawn[digest] == missing:
		return missing
	case w.drawn[digest] == here:
		// Entries may be listed twice, and a registry that lies may list
		// referrers in a ring.
		return repeated
	case depth > maxDepth || len(w.drawn) >= maxNodes:
		return unread
	}
	w.drawn[digest] = here
	return here
}

// node returns the node of a descriptor that was found in a manifest or in a
// list of referrers.
func (w *walker) node(ctx context.Context, label string, d oci.Descriptor, depth int) (*node, error) {
	n := newNode(label, d)
	if !oci.IsIndex(d.MediaType) && !oci.IsImage(d.MediaType) {
		n.state, n.blobs = listed, sizes{n.digest: d.Size}
		return n, nil
	}
	if d.Size > maxMetadata {
		n.state = unread
		return n, nil
	}
	if n.state = w.enter(n.digest, depth); n.state != here {
		return n, nil
	}
	raw, err := content.FetchAll(ctx, w.repo, d)
	if errors.Is(err, errdef.ErrNotFound) {
		n.state, w.drawn[n.digest] = missing, missing
		return n, nil
	}
	if err != nil {
		return nil, fmt.Errorf("fetch %s: %w", d.Digest, err)
	}
	return n, w.fill(ctx, n, d, raw, depth)
}

// fill says what is in a manifest and what refers to it. Referrers are asked for
// at once: what the registry said of them with the manifest is soon out of date.
func (w *walker) fill(ctx context.Context, n *node, d oci.Descriptor, raw []byte, depth int) error {
	var m manifest
	if err := json.Unmarshal(raw, &m); err != nil {
		return fmt.Errorf("read %s: %w", d.Digest, err)
	}
	n.blobs = sizes{n.digest: d.Size}
	n.nature, n.artifactType = natureOf(d, m), m.artifactType(d)
	found, err := w.referrers(ctx, d)
	if err != nil {
		return err
	}
	if w.listed += len(m.Manifests) + len(m.Layers) + len(found); w.listed > maxListed {
		return fmt.Errorf("read %s: with it, more than %d entries are listed", d.Digest, maxListed)
	}
	if oci.IsIndex(d.MediaType) {
		n.label = cmp.Or(n.label, "index")
		if err := w.entries(ctx, n, m, depth); err != nil {
			return err
		}
	} else {
		n.label = cmp.Or(n.label, n.artifactType, "image")
		n.addLayers(m)
	}
	for _, r := range found {
		child, err := w.node(ctx, arrow+cmp.Or(r.ArtifactType, r.MediaType), r, depth+1)
		if err != nil {
			return err
		}
		n.referrers = append(n.referrers, child)
	}
	return w.tagged(ctx, n, depth)
}

func (n *node) addLayers(m manifest) {
	n.layers = len(m.Layers)
	if m.Config != nil {
		n.blobs[string(m.Config.Digest)] = m.Config.Size
	}
	for _, l := range m.Layers {
		n.blobs[string(l.Digest)] = l.Size
	}
}

// entries adds what an index lists.
func (w *walker) entries(ctx context.Context, n *node, m manifest, depth int) error {
	for _, d := range m.Manifests {
		child, err := w.node(ctx, entryLabel(d), d, depth+1)
		if err != nil {
			return err
		}
		n.entries = append(n.entries, child)
		maps.Copy(n.blobs, child.blobs)
	}
	return nil
}

// entryLabel is what an entry of an index is called: by its platform, if it has
// one.
func entryLabel(d oci.Descriptor) string {
	if p := oci.PlatformString(d.Platform); p != "" && p != unknownPlatform {
		return p
	}
	label := cmp.Or(d.Annotations[dockerReferenceType], d.ArtifactType)
	switch {
	case label != "":
		return label
	case oci.IsIndex(d.MediaType):
		return "index"
	case oci.IsImage(d.MediaType):
		return "image"
	}
	return "blob"
}

// platforms returns the platforms that an index lists, and those of them that are
// not here.
func (n *node) platforms() (all, without []string) {
	for _, e := range n.entries {
		if e.platform == "" {
			continue
		}
		all = append(all, e.platform)
		if e.state == missing {
			without = append(without, e.platform)
		}
	}
	return all, without
}

// referrers returns what refers to a manifest, by the registry's list and by the
// index under its tag, each once. What they hold does not count to its size.
func (w *walker) referrers(ctx context.Context, d oci.Descriptor) ([]oci.Descriptor, error) {
	var found []oci.Descriptor
	err := w.repo.Referrers(ctx, d, "", func(page []oci.Descriptor) error {
		found = append(found, page...)
		if len(found) > maxNodes {
			return fmt.Errorf("there are more than %d", maxNodes)
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("list referrers of %s: %w", d.Digest, err)
	}
	more, err := w.fallback(ctx, string(d.Digest))
	if len(found)+len(more) > maxNodes {
		return nil, fmt.Errorf("list referrers of %s: there are more than %d", d.Digest, maxNodes)
	}
	for _, r := range more {
		if !slices.ContainsFunc(found, func(f oci.Descriptor) bool { return f.Digest == r.Digest }) {
			found = append(found, r)
		}
	}
	return found, err
}

// arrow marks what refers to the line above it.
const arrow = "← "
