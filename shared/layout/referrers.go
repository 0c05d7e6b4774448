package layout

import (
	"context"
	"errors"
	"fmt"

	"github.com/berthregistry/berth/shared/oci"
	"oras.land/oras-go/v2/errdef"
)

// maxWalk is how many manifests are read to find out which refers to which.
const maxWalk = 20_000

// Referrers returns the manifests that have subject as theirs. An image layout
// does not say which those are: all manifests of index.json are read for it,
// and those that they list, once. What only cosign's tags tie to an image is
// found by these tags.
func (i *Image) Referrers(ctx context.Context, subject oci.Descriptor) ([]oci.Descriptor, error) {
	c, err := i.look(ctx)
	if err != nil {
		return nil, fmt.Errorf("list referrers: %w", err)
	}
	i.mu.Lock()
	all := i.referrers
	i.mu.Unlock()
	if all == nil {
		// Two who ask at once both walk, and find the same.
		if all, err = i.walk(ctx, c.entries); err != nil {
			return nil, fmt.Errorf("list referrers in %s: %w", i.path, err)
		}
		i.mu.Lock()
		i.referrers = all
		i.mu.Unlock()
	}
	return all[subject.Digest], nil
}

// walk reads all manifests, each once.
func (i *Image) walk(ctx context.Context, entries []entry) (map[oci.Digest][]oci.Descriptor, error) {
	all := map[oci.Digest][]oci.Descriptor{}
	seen := map[oci.Digest]bool{}
	var next []oci.Descriptor
	for _, e := range entries {
		next = append(next, e.descriptor)
	}
	for len(next) > 0 {
		d := next[0]
		next = next[1:]
		if seen[d.Digest] || !oci.IsImage(d.MediaType) && !oci.IsIndex(d.MediaType) {
			continue
		}
		seen[d.Digest] = true
		if len(seen) > maxWalk {
			return nil, fmt.Errorf("more than %d manifests are not read: %w", maxWalk, errdef.ErrSizeExceedsLimit)
		}
		m, err := i.parsed(ctx, d)
		if err != nil {
			return nil, err
		}
		if m.Subject != nil {
			all[m.Subject.Digest] = append(all[m.Subject.Digest], referrer(d, m))
		}
		for _, child := range m.Children {
			if child.Kind == oci.ChildManifest {
				next = append(next, child.Descriptor)
			}
		}
	}
	return all, nil
}

// parsed returns nothing for what is not there, as in an image of which only
// some platforms were saved, and for what can refer to nothing.
func (i *Image) parsed(ctx context.Context, d oci.Descriptor) (oci.Manifest, error) {
	raw, err := i.Manifest(ctx, d)
	if errors.Is(err, errdef.ErrNotFound) {
		return oci.Manifest{}, nil
	}
	if err != nil {
		return oci.Manifest{}, err
	}
	m, err := oci.ParseManifest(d.MediaType, raw)
	if err != nil {
		return oci.Manifest{}, nil
	}
	return m, nil
}

// referrer describes a manifest as a registry would list it.
func referrer(d oci.Descriptor, m oci.Manifest) oci.Descriptor {
	return oci.Descriptor{
		MediaType: d.MediaType, Digest: d.Digest, Size: d.Size,
		ArtifactType: m.ArtifactType, Annotations: m.Annotations,
	}
}
