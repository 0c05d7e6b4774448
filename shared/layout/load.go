package layout

import (
	"encoding/json"
	"errors"
	"strings"

	"github.com/berthregistry/berth/shared/oci"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"
)

// dockerConfig is the media type of Docker's own configs.
const dockerConfig = "application/vnd.docker.container.image.v1+json"

// loadable returns an image as `docker load` wants it listed, or nil for what is
// none. Layers stay as they are: all who load such archives take compressed
// ones, so that the digests of the registry stay true.
func loadable(mediaType string, raw []byte) (*saved, error) {
	if !oci.IsImage(mediaType) {
		return nil, nil
	}
	var m v1.Manifest
	if err := json.Unmarshal(raw, &m); err != nil {
		return nil, err
	}
	if m.Config.MediaType != v1.MediaTypeImageConfig && m.Config.MediaType != dockerConfig {
		return nil, nil // an artifact
	}
	image := &saved{Config: blobPath(m.Config.Digest), Layers: []string{}}
	for _, layer := range m.Layers {
		if !strings.Contains(layer.MediaType, ".tar") {
			return nil, nil // an attestation: it is made to look like an image
		}
		image.Layers = append(image.Layers, blobPath(layer.Digest))
	}
	return image, nil
}

// saved returns a manifest.json. An index cannot be in there, so the first of
// its images that is here gets its tags; the others are there without.
func (w *Writer) saved(roots []root) ([]byte, error) {
	list := []saved{}
	at := map[oci.Digest]int{}
	for _, r := range roots {
		for i, p := range w.imagesOf(r.descriptor.Digest, map[oci.Digest]bool{}) {
			if _, ok := at[p.descriptor.Digest]; !ok {
				at[p.descriptor.Digest] = len(list)
				list = append(list, *p.image)
			}
			if i == 0 && r.tag != "" {
				named := &list[at[p.descriptor.Digest]]
				named.RepoTags = append(named.RepoTags, w.fullName(r.tag))
			}
		}
	}
	if len(list) == 0 {
		return nil, errors.New("there is no image that docker load would take")
	}
	return json.Marshal(list)
}

// imagesOf returns the image with a digest, or those that an index lists.
func (w *Writer) imagesOf(d oci.Digest, seen map[oci.Digest]bool) (images []*published) {
	p := w.put[d]
	if p == nil || seen[d] {
		return nil
	}
	seen[d] = true
	if p.image != nil {
		return []*published{p}
	}
	if !oci.IsIndex(p.descriptor.MediaType) {
		return nil
	}
	for _, c := range p.children {
		images = append(images, w.imagesOf(c.Digest, seen)...)
	}
	return images
}
