package layout

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/berthregistry/berth/shared/oci"
	"github.com/opencontainers/image-spec/specs-go"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"
	"oras.land/oras-go/v2/errdef"
)

// A saved is an image in the manifest.json of `docker save`. Config and Layers
// are paths.
type saved struct {
	Config   string
	RepoTags []string
	Layers   []string
}

// isSaved says whether there is a manifest.json, and what is wrong if not.
func (a *archive) isSaved() error {
	if _, ok := a.members[savedFile]; ok {
		return nil
	}
	if _, ok := a.members["repositories"]; ok {
		return errors.New("it was made by a Docker older than 1.10: load it and save it with one of this decade")
	}
	for name := range a.members {
		if strings.HasSuffix(name, "/"+layoutFile) {
			return fmt.Errorf("its image layout is not at its top, but at %s: pack it from within, as tar -C FOLDER -cf FILE . does", oci.Clip(name))
		}
	}
	return fmt.Errorf("it has neither %s nor %s: it is no archive of an image", layoutFile, savedFile)
}

// What an archive of docker save may list in all: a few bytes in it become a
// descriptor here.
const (
	maxSavedImages = 5_000
	maxSavedLayers = 50_000
)

// converter makes manifests for an archive of docker save, which has none.
type converter struct {
	files  tree
	made   *contents
	layers map[string]oci.Descriptor // by path
	listed int                       // layers of all images
}

// convert reads the configs, which say what the layers hash to. Only layers that
// are compressed are read: of these they do not say it.
func convert(ctx context.Context, files tree) (*contents, error) {
	raw, err := readDocument(ctx, files, savedFile)
	if err != nil {
		return nil, err
	}
	var images []saved
	if err := json.Unmarshal(raw, &images); err != nil {
		return nil, fmt.Errorf("%s: %w", savedFile, err)
	}
	if len(images) > maxSavedImages {
		return nil, fmt.Errorf("%s has %d images, more than %d are not read: %w", savedFile, len(images), maxSavedImages, errdef.ErrSizeExceedsLimit)
	}
	c := converter{
		files:  files,
		made:   &contents{made: map[oci.Digest][]byte{}, at: map[oci.Digest]string{}},
		layers: map[string]oci.Descriptor{},
	}
	for i, image := range images {
		if err := c.image(ctx, image); err != nil {
			return nil, fmt.Errorf("%s: image %d: %w", savedFile, i, err)
		}
	}
	return c.made, nil
}

// image makes the manifest of one image, and an entry for each of its names.
func (c *converter) image(ctx context.Context, image saved) error {
	m, err := c.manifest(ctx, image)
	if err != nil {
		return err
	}
	raw, err := json.Marshal(m)
	if err != nil {
		return err
	}
	d := oci.Descriptor{MediaType: m.MediaType, Digest: oci.SHA256.Sum(raw), Size: int64(len(raw))}
	c.made.made[d.Digest] = raw
	if len(image.RepoTags) == 0 {
		c.made.entries = append(c.made.entries, entry{descriptor: d})
	}
	for _, name := range image.RepoTags {
		d.Annotations = map[string]string{annotationName: name}
		c.made.entries = append(c.made.entries, entry{descriptor: d})
	}
	return nil
}

// manifest is the same each time for the same archive. Docker's configs are OCI
// ones with more in them, and Docker itself calls them so.
func (c *converter) manifest(ctx context.Context, image saved) (v1.Manifest, error) {
	m := v1.Manifest{Versioned: specs.Versioned{SchemaVersion: 2}, MediaType: oci.MediaTypeImage, Layers: []oci.Descriptor{}}
	raw, err := readDocument(ctx, c.files, image.Config)
	if err != nil {
		return m, err
	}
	m.Config = oci.Descriptor{MediaType: v1.MediaTypeImageConfig, Digest: oci.SHA256.Sum(raw), Size: int64(len(raw))}
	c.made.at[m.Config.Digest] = image.Config
	diffs, err := diffIDs(raw)
	if err != nil {
		return m, fmt.Errorf("config %s: %w", oci.Clip(image.Config), err)
	}
	if len(diffs) != len(image.Layers) || len(diffs) > oci.MaxChildren {
		return m, fmt.Errorf("it has %d layers, %d in its config; %d are allowed", len(image.Layers), len(diffs), oci.MaxChildren)
	}
	if c.listed += len(diffs); c.listed > maxSavedLayers {
		return m, fmt.Errorf("more than %d layers in all are not read: %w", maxSavedLayers, errdef.ErrSizeExceedsLimit)
	}
	for i, name := range image.Layers {
		layer, err := c.layer(ctx, name, diffs[i])
		if err != nil {
			return m, fmt.Errorf("layer %s: %w", oci.Clip(name), err)
		}
		m.Layers = append(m.Layers, layer)
	}
	return m, nil
}

// diffIDs reads what a config says of its layers: their digests, uncompressed.
func diffIDs(config []byte) ([]oci.Digest, error) {
	var c struct {
		RootFS struct {
			DiffIDs []string `json:"diff_ids"`
		} `json:"rootfs"`
	}
	if err := json.Unmarshal(config, &c); err != nil {
		return nil, err
	}
	diffs := make([]oci.Digest, len(c.RootFS.DiffIDs))
	for i, s := range c.RootFS.DiffIDs {
		var err error
		if diffs[i], err = oci.ParseDigest(s); err != nil {
			return nil, err
		}
	}
	return diffs, nil
}

// layer describes a layer. What its config says of one that is not compressed
// is believed here: whoever takes the bytes finds out.
func (c *converter) layer(ctx context.Context, name string, diff oci.Digest) (oci.Descriptor, error) {
	if d, ok := c.layers[name]; ok {
		if d.MediaType == v1.MediaTypeImageLayer && d.Digest != diff {
			return d, fmt.Errorf("one config says that it hashes to %s, another %s", d.Digest, diff)
		}
		return d, nil
	}
	f, err := c.files.open(ctx, name)
	if err != nil {
		return oci.Descriptor{}, err
	}
	defer f.Close()
	d := oci.Descriptor{MediaType: v1.MediaTypeImageLayer, Digest: diff, Size: f.size}
	head := make([]byte, min(f.size, 8))
	if err := f.full(head, 0); err != nil {
		return d, err
	}
	if by := compression(head); by != "" {
		if d.MediaType, err = layerType(by); err != nil {
			return d, err
		}
		if d.Digest, err = sum(ctx, f); err != nil {
			return d, err
		}
	}
	c.layers[name], c.made.at[d.Digest] = d, name
	return d, nil
}

func layerType(compressedBy string) (string, error) {
	switch compressedBy {
	case "gzip":
		return v1.MediaTypeImageLayerGzip, nil
	case "zstd":
		return v1.MediaTypeImageLayerZstd, nil
	}
	return "", fmt.Errorf("it is compressed by %s, which images do not have: load the archive and save it again", compressedBy)
}

// sum hashes a file.
func sum(ctx context.Context, f *file) (oci.Digest, error) {
	h := oci.SHA256.Hash()
	buf := make([]byte, 1<<20)
	for off := int64(0); off < f.size; off += int64(len(buf)) {
		if err := ctx.Err(); err != nil {
			return "", err
		}
		piece := buf[:min(int64(len(buf)), f.size-off)]
		if err := f.full(piece, off); err != nil {
			return "", err
		}
		if _, err := h.Write(piece); err != nil {
			return "", err
		}
	}
	return oci.SHA256.Digest(h), nil
}
