package mirror

import (
	"context"
	"errors"
	"fmt"

	"oras.land/oras-go/v2/errdef"

	"github.com/berthregistry/berth/shared/oci"
)

// open looks into a manifest and lists what refers to it. An image that is
// there is whole; an index that is there may be sparse.
func (w *walk) open(ctx context.Context, n *node) error {
	if !n.there || n.root && n.limited || oci.IsIndex(n.MediaType) {
		err := w.read(ctx, n)
		switch {
		case errors.Is(err, errdef.ErrNotFound) && n.platform != "":
			return fmt.Errorf("%s, which an index lists for %s, is not there, so copy other platforms only: %w", n.Digest, oci.Clip(n.platform), err)
		case err != nil:
			return fmt.Errorf("read %s: %w", n.Digest, err)
		case n.stray:
			return nil
		}
	}
	if !w.o.Referrers {
		return nil
	}
	if err := w.refer(ctx, n); err != nil {
		return fmt.Errorf("look for what refers to %s: %w", n.Digest, err)
	}
	return nil
}

// read reads a manifest and chooses what of it is copied.
func (w *walk) read(ctx context.Context, n *node) error {
	raw, m, err := w.fetch(ctx, n.Descriptor)
	if err != nil {
		return err
	}
	if n.subject != nil && (m.Subject == nil || m.Subject.Digest != n.subject.Digest) {
		w.o.Log.WarnContext(ctx, "listed as a referrer of what it does not refer to",
			"digest", n.Digest, "subject", n.subject.Digest)
		n.subject, n.before = nil, nil
		if n.stray = !n.listed; n.stray {
			return nil
		}
	}
	n.entries = m.Children
	if !n.limited {
		return nil
	}
	if n.root {
		err := w.checkPlatform(ctx, n, m)
		if errors.Is(err, errPlatform) && w.all() { // others will do
			w.o.Log.InfoContext(ctx, "left out", "tags", n.tags, "why", err)
			n.stray = true
			return nil
		}
		if err != nil {
			return err
		}
	}
	if oci.IsIndex(n.MediaType) {
		n.entries, n.left, err = platforms(w.o.Platforms).chosen(raw, m.Children)
	}
	return err
}

// fetch fetches a manifest, and keeps it for the time when it is put.
func (w *walk) fetch(ctx context.Context, d oci.Descriptor) ([]byte, oci.Manifest, error) {
	raw, err := w.keep.get(ctx, w.from, d)
	if err != nil {
		return nil, oci.Manifest{}, err
	}
	m, err := oci.ParseManifest(d.MediaType, raw)
	return raw, m, err
}
