package layout

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"

	"github.com/berthregistry/berth/shared/oci"
	"github.com/berthregistry/berth/shared/transfer"
	"oras.land/oras-go/v2/errdef"
)

// Tags returns all tags, sorted, each once.
func (i *Image) Tags(ctx context.Context) ([]string, error) {
	c, err := i.look(ctx)
	if err != nil {
		return nil, err
	}
	var tags []string
	for _, e := range c.entries {
		for _, name := range e.names() {
			tags = append(tags, tagOf(name))
		}
	}
	slices.Sort(tags)
	return slices.Compact(tags), nil
}

// Manifest returns the bytes of a manifest, verified. Errors: errdef.ErrNotFound.
func (i *Image) Manifest(ctx context.Context, d oci.Descriptor) ([]byte, error) {
	raw, err := i.manifest(ctx, d.Digest)
	if err != nil {
		return nil, fmt.Errorf("read manifest: %w", err)
	}
	if int64(len(raw)) != d.Size {
		return nil, fmt.Errorf("read manifest: %s has %d bytes in %s, and should have %d", d.Digest, len(raw), i.path, d.Size)
	}
	return raw, nil
}

// manifest reads what has a digest into memory, and verifies it.
func (i *Image) manifest(ctx context.Context, digest oci.Digest) ([]byte, error) {
	c, err := i.look(ctx)
	if err != nil {
		return nil, err
	}
	raw, ok := c.made[digest]
	if !ok {
		var name string
		if name, err = c.blob(digest); err == nil {
			raw, err = readDocument(ctx, i.files, name)
		}
	}
	if err != nil {
		return nil, i.missing(digest, err)
	}
	if got := oci.AlgorithmOf(digest).Sum(raw); got != digest {
		return nil, fmt.Errorf("%s is damaged in %s: its bytes are %s", digest, i.path, got)
	}
	return raw, nil
}

// Blob opens a blob. Its bytes are not verified. Errors: errdef.ErrNotFound.
func (i *Image) Blob(ctx context.Context, d oci.Descriptor) (transfer.Source, error) {
	c, err := i.look(ctx)
	if err != nil {
		return nil, fmt.Errorf("open blob: %w", err)
	}
	var f *file
	name, err := c.blob(d.Digest)
	if err == nil {
		f, err = i.files.open(ctx, name)
	}
	if err != nil {
		return nil, fmt.Errorf("open blob: %w", i.missing(d.Digest, err))
	}
	if f.size != d.Size {
		f.Close() // nothing was read
		return nil, fmt.Errorf("open blob: %s has %d bytes in %s, and should have %d", d.Digest, f.size, i.path, d.Size)
	}
	return source{f}, nil
}

// blob returns the path of a blob.
func (c *contents) blob(d oci.Digest) (string, error) {
	if name, ok := c.at[d]; ok {
		return name, nil
	}
	if _, err := oci.ParseDigest(string(d)); err != nil {
		return "", err
	}
	return blobPath(d), nil
}

// blobPath is where an image layout has a blob whose digest is well formed.
func blobPath(d oci.Digest) string {
	return path.Join("blobs", string(oci.AlgorithmOf(d)), d.Encoded())
}

// missing says of a file that is not there what others say of a blob.
func (i *Image) missing(d oci.Digest, err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("%s is not in %s: %w", d, i.path, errdef.ErrNotFound)
	}
	return err
}

// source is a file as others read blobs.
type source struct{ *file }

var _ transfer.Source = source{}

func (s source) ReadPart(ctx context.Context, off int64, p []byte) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if err := s.full(p, off); err != nil {
		return fmt.Errorf("read blob: %w", err)
	}
	return nil
}

// Resolve returns the descriptor that a tag, a full name with a tag, or a
// digest stands for; that of the only image if the reference is empty. What
// only refers to an image, as signatures do, is none. Errors:
// errdef.ErrNotFound.
func (i *Image) Resolve(ctx context.Context, reference string) (oci.Descriptor, error) {
	d, err := i.resolve(ctx, reference)
	if err != nil {
		return oci.Descriptor{}, fmt.Errorf("resolve %q in %s: %w", oci.Clip(reference), i.path, err)
	}
	return d, nil
}

func (i *Image) resolve(ctx context.Context, reference string) (oci.Descriptor, error) {
	c, err := i.look(ctx)
	if err != nil {
		return oci.Descriptor{}, err
	}
	if reference == "" {
		return i.only(ctx, c)
	}
	if digest, err := oci.ParseDigest(reference); err == nil {
		return i.byDigest(ctx, c, digest)
	}
	for _, same := range []func(name string) bool{
		func(name string) bool { return name == reference },
		func(name string) bool { return strings.HasSuffix(name, "/"+reference) }, // docker.io/library/ is not said
		func(name string) bool { return tagOf(name) == reference },
	} {
		found := slices.DeleteFunc(slices.Clone(c.entries), func(e entry) bool { return !slices.ContainsFunc(e.names(), same) })
		if len(found) > 0 {
			return one(found)
		}
	}
	return oci.Descriptor{}, fmt.Errorf("there is only %s: %w", nameAll(c.entries), errdef.ErrNotFound)
}

// byDigest also finds a manifest that is not listed but by another one.
func (i *Image) byDigest(ctx context.Context, c *contents, digest oci.Digest) (oci.Descriptor, error) {
	for _, e := range c.entries {
		if e.descriptor.Digest == digest {
			return bare(e.descriptor), nil
		}
	}
	raw, err := i.manifest(ctx, digest)
	if err != nil {
		return oci.Descriptor{}, err
	}
	m, err := oci.ParseManifest("", raw)
	if err != nil {
		return oci.Descriptor{}, err
	}
	return oci.Descriptor{MediaType: m.MediaType, Digest: digest, Size: int64(len(raw))}, nil
}

// only returns the image where there is but one: among those with tags, or else
// among all.
func (i *Image) only(ctx context.Context, c *contents) (oci.Descriptor, error) {
	var tagged, untagged []entry
	for _, e := range c.entries {
		names := e.names()
		switch {
		case len(names) == 0:
			untagged = append(untagged, e)
		case !slices.ContainsFunc(names, refers):
			tagged = append(tagged, e)
		}
	}
	if len(tagged) > 0 {
		return one(tagged)
	}
	images, err := i.images(ctx, untagged)
	if err != nil {
		return oci.Descriptor{}, err
	}
	if len(images) == 0 {
		return oci.Descriptor{}, fmt.Errorf("there is no image: %w", errdef.ErrNotFound)
	}
	return one(images)
}

// images returns the entries that do not refer to another.
func (i *Image) images(ctx context.Context, entries []entry) (images []entry, err error) {
	for _, e := range entries {
		raw, err := i.Manifest(ctx, e.descriptor)
		if err != nil {
			return nil, err
		}
		if m, err := oci.ParseManifest(e.descriptor.MediaType, raw); err != nil || m.Subject == nil {
			images = append(images, e)
		}
	}
	return images, nil
}

// refers says whether a tag is one that only says to what manifest something
// refers: sha256-<hex>, and with .sig, .att or .sbom as cosign has it.
func refers(name string) bool {
	algorithm, rest, _ := strings.Cut(tagOf(name), "-")
	encoded, _, _ := strings.Cut(rest, ".")
	_, err := oci.ParseDigest(algorithm + ":" + encoded)
	return err == nil
}

// one returns what all entries stand for.
func one(entries []entry) (oci.Descriptor, error) {
	first := entries[0].descriptor
	for _, e := range entries[1:] {
		if e.descriptor.Digest != first.Digest {
			return oci.Descriptor{}, fmt.Errorf("it may be any of %s: say which", nameAll(entries))
		}
	}
	return bare(first), nil
}

// bare leaves out what an index.json says of an image.
func bare(d oci.Descriptor) oci.Descriptor {
	return oci.Descriptor{MediaType: d.MediaType, Digest: d.Digest, Size: d.Size, Platform: d.Platform}
}

// nameAll lists entries by their longest names, for errors.
func nameAll(entries []entry) string {
	const most = 10
	var all []string
	for _, e := range entries {
		name := string(e.descriptor.Digest)
		if names := e.names(); len(names) > 0 {
			name = slices.MaxFunc(names, func(a, b string) int { return len(a) - len(b) })
		}
		all = append(all, oci.Clip(name))
	}
	slices.Sort(all)
	all = slices.Compact(all)
	if len(all) > most {
		all = append(all[:most], fmt.Sprintf("and %d more", len(all)-most))
	}
	if len(all) == 0 {
		return "nothing"
	}
	return strings.Join(all, ", ")
}
