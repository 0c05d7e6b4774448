package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"

	"oras.land/oras-go/v2/content"
	"oras.land/oras-go/v2/errdef"
	"oras.land/oras-go/v2/registry/remote"

	"github.com/berthregistry/berth/shared/oci"
)

// maxDepth is how far down a tree is followed. Nobody stacks signatures upon
// signatures so high, but a registry may claim it.
const maxDepth = 16

// A node is a manifest, or an entry of an index that is not one.
type node struct {
	label  string // what it is to the node above
	digest string
	note   string // what is in it, or why that is not known
	blobs  sizes  // what is here of it and of its entries
	nodes  []*node
}

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
	ArtifactType string           `json:"artifactType"`
	Config       *oci.Descriptor  `json:"config"`
	Layers       []oci.Descriptor `json:"layers"`
	Manifests    []oci.Descriptor `json:"manifests"`
}

// A walker follows a manifest's entries and referrers.
type walker struct {
	repo   *remote.Repository
	absent *absences
	drawn  map[string]bool // by digest
}

// root draws what the repository's reference stands for.
func (w *walker) root(ctx context.Context) (*node, error) {
	d, body, err := w.repo.FetchReference(ctx, w.repo.Reference.Reference)
	if err != nil {
		return nil, err
	}
	defer body.Close()
	if d.Size > maxMetadata {
		return nil, fmt.Errorf("a manifest of %s is more than can be read", human(d.Size))
	}
	raw, err := content.ReadAll(body, d)
	if err != nil {
		return nil, err
	}
	n := &node{digest: string(d.Digest)}
	w.drawn[n.digest] = true
	return n, w.fill(ctx, n, d, raw, 0)
}

// node returns the node of a descriptor that was found in a manifest or in a
// list of referrers.
func (w *walker) node(ctx context.Context, label string, d oci.Descriptor, depth int) (*node, error) {
	n := &node{label: label, digest: string(d.Digest)}
	switch {
	case !oci.IsIndex(d.MediaType) && !oci.IsImage(d.MediaType):
		n.note, n.blobs = d.MediaType, sizes{n.digest: d.Size} // whether it is here is not asked
		return n, nil
	case w.drawn[n.digest]:
		// Entries may be listed twice, and a registry that lies may list
		// referrers in a ring.
		n.note = "shown above"
		return n, nil
	case depth > maxDepth:
		n.note = "not followed any deeper"
		return n, nil
	case d.Size > maxMetadata:
		n.note = "too large to be read"
		return n, nil
	}
	w.drawn[n.digest] = true
	raw, err := content.FetchAll(ctx, w.repo, d)
	if errors.Is(err, errdef.ErrNotFound) {
		n.note = "not here"
		return n, nil
	}
	if err != nil {
		return nil, fmt.Errorf("fetch %s: %w", d.Digest, err)
	}
	return n, w.fill(ctx, n, d, raw, depth)
}

// fill says what is in a manifest and what refers to it.
func (w *walker) fill(ctx context.Context, n *node, d oci.Descriptor, raw []byte, depth int) error {
	var m manifest
	if err := json.Unmarshal(raw, &m); err != nil {
		return fmt.Errorf("read %s: %w", d.Digest, err)
	}
	n.blobs = sizes{n.digest: d.Size}
	var err error
	if oci.IsIndex(d.MediaType) {
		n.label = cmp.Or(n.label, "index")
		err = w.entries(ctx, n, m, depth)
	} else {
		n.label = cmp.Or(n.label, m.ArtifactType, "image")
		n.addLayers(m)
	}
	if err != nil {
		return err
	}
	return w.referrers(ctx, n, d, depth)
}

func (n *node) addLayers(m manifest) {
	n.note = count(len(m.Layers), "layer")
	if m.Config != nil {
		n.blobs[string(m.Config.Digest)] = m.Config.Size
	}
	for _, l := range m.Layers {
		n.blobs[string(l.Digest)] = l.Size
	}
}

// entries adds what an index lists.
func (w *walker) entries(ctx context.Context, n *node, m manifest, depth int) error {
	platforms, here := 0, 0
	for _, d := range m.Manifests {
		label, isPlatform := entryLabel(d)
		child, err := w.node(ctx, label, d, depth+1)
		if err != nil {
			return err
		}
		n.nodes = append(n.nodes, child)
		maps.Copy(n.blobs, child.blobs)
		if isPlatform {
			platforms++
			if child.blobs != nil {
				here++
			}
		}
	}
	switch {
	case platforms == 0:
		n.note = count(len(m.Manifests), "entry")
	case here < platforms:
		n.note = fmt.Sprintf("%d of %s", here, count(platforms, "platform"))
	default:
		n.note = count(platforms, "platform")
	}
	return nil
}

// entryLabel is what an entry of an index is called, and whether by its
// platform. BuildKit lists attestations under the platform unknown/unknown.
func entryLabel(d oci.Descriptor) (label string, isPlatform bool) {
	if p := oci.PlatformString(d.Platform); p != "" && p != "unknown/unknown" {
		return p, true
	}
	label = cmp.Or(d.Annotations["vnd.docker.reference.type"], d.ArtifactType)
	switch {
	case label != "":
		return label, false
	case oci.IsIndex(d.MediaType):
		return "index", false
	case oci.IsImage(d.MediaType):
		return "image", false
	}
	return "blob", false
}

// referrers adds what refers to a manifest. What they hold does not count to
// its size.
func (w *walker) referrers(ctx context.Context, n *node, d oci.Descriptor, depth int) error {
	if w.absent.of(n.digest) {
		return nil
	}
	var found []oci.Descriptor
	err := w.repo.Referrers(ctx, d, "", func(page []oci.Descriptor) error {
		found = append(found, page...)
		return nil
	})
	if err != nil {
		return fmt.Errorf("list referrers of %s: %w", d.Digest, err)
	}
	for _, r := range found {
		child, err := w.node(ctx, arrow+cmp.Or(r.ArtifactType, r.MediaType), r, depth+1)
		if err != nil {
			return err
		}
		n.nodes = append(n.nodes, child)
	}
	return nil
}

// arrow marks what refers to the line above it.
const arrow = "← "
