package mirror

import (
	"context"
	"errors"
	"strings"

	"oras.land/oras-go/v2/errdef"

	"github.com/berthregistry/berth/shared/oci"
)

// suffixes are those of the tags by which cosign finds what belongs to a
// manifest: signatures, attestations, SBOMs.
var suffixes = []string{".sig", ".att", ".sbom"}

// An attachment belongs to a manifest by the name of its tag.
type attachment struct {
	oci.Descriptor
	tag string
}

// maxHash is how much of a hash, in hex, a tag has (spec, "Referrers Tag
// Schema").
const maxHash = 64

// fallback is the tag of the list of a manifest's referrers, where a registry
// keeps none by itself (spec, "Referrers Tag Schema").
func fallback(d oci.Digest) string {
	algorithm, hash, _ := strings.Cut(string(d), ":")
	return algorithm + "-" + hash[:min(len(hash), maxHash)]
}

// isFallback says whether a tag is that of a list of referrers.
func isFallback(tag string) bool {
	algorithm, hash, ok := strings.Cut(tag, "-")
	if _, err := oci.ParseAlgorithm(algorithm); !ok || err != nil || len(hash) != maxHash {
		return false
	}
	return strings.Trim(hash, "0123456789abcdef") == ""
}

// refer finds what refers to a manifest, in each of the ways there are: as the
// registry lists it, as clients list it where registries once did not, and by
// cosign's tags.
func (w *walk) refer(ctx context.Context, n *node) (err error) {
	if n.referrers, err = w.from.Referrers(ctx, n.Descriptor); err != nil {
		return err
	}
	base := fallback(n.Digest)
	list, ok, err := w.tagged(ctx, base)
	if err != nil {
		return err
	}
	if ok && oci.IsIndex(list.MediaType) {
		_, m, err := w.fetch(ctx, list)
		w.keep.drop(list.Digest)
		if err != nil {
			return err
		}
		for _, e := range m.Children {
			if e.Kind == oci.ChildManifest {
				n.referrers = append(n.referrers, e.Descriptor)
			}
		}
	}
	for _, suffix := range suffixes {
		d, ok, err := w.tagged(ctx, base+suffix)
		if err != nil {
			return err
		}
		if ok {
			n.attached = append(n.attached, attachment{d, base + suffix})
		}
	}
	return nil
}

// tagged returns what a tag of the origin stands for, if there is one.
func (w *walk) tagged(ctx context.Context, tag string) (oci.Descriptor, bool, error) {
	if tags, err := w.listed(ctx); err != nil || tags != nil && !tags[tag] {
		return oci.Descriptor{}, false, err
	}
	d, err := w.from.Resolve(ctx, tag)
	if errors.Is(err, errdef.ErrNotFound) {
		return oci.Descriptor{}, false, nil
	}
	return d, err == nil, err
}

// list returns the tags of the origin, or nil where they are not told. Then each
// has to be asked for.
func (w *walk) list(ctx context.Context) (map[string]bool, error) {
	names, err := w.from.Tags(ctx)
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	if err != nil {
		w.o.Log.DebugContext(ctx, "tags are not told", "error", err)
		return nil, nil
	}
	tags := make(map[string]bool, len(names))
	for _, name := range names {
		tags[name] = true
	}
	return tags, nil
}
