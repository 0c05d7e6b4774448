package e2e

import (
	"bytes"
	"encoding/json"
	"math/rand"
	"os"
	"path/filepath"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/random"
	"github.com/google/go-containerregistry/pkg/v1/types"
	"github.com/opencontainers/go-digest"
	"github.com/opencontainers/image-spec/specs-go"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

// tag is the tag of whatever the tests push, and its name in a layout.
const tag = "v1"

// newImage makes an OCI image with layers of the given sizes.
func newImage(t *testing.T, sizes ...int64) v1.Image {
	t.Helper()
	img := mutate.ConfigMediaType(mutate.MediaType(empty.Image, types.OCIManifestSchema1), types.OCIConfigJSON)
	for _, size := range sizes {
		layer, err := random.Layer(size, types.OCILayer)
		if err != nil {
			t.Fatalf("make a layer: %v", err)
		}
		if img, err = mutate.AppendLayers(img, layer); err != nil {
			t.Fatalf("add a layer: %v", err)
		}
	}
	return img
}

// newDockerIndex makes what `docker push` made before there was OCI.
func newDockerIndex(t *testing.T) v1.ImageIndex {
	t.Helper()
	index := mutate.IndexMediaType(empty.Index, types.DockerManifestList)
	img, err := random.Image(10<<10, 2) // of Docker's media types
	if err != nil {
		t.Fatalf("make an image: %v", err)
	}
	platform := v1.Platform{OS: "linux", Architecture: "amd64"}
	return mutate.AppendManifests(index, mutate.IndexAddendum{
		Add:        img,
		Descriptor: v1.Descriptor{Platform: &platform},
	})
}

// newLayout writes an image or an index to a new OCI layout, the form of an
// image on disk that every client reads and writes.
func newLayout(t *testing.T, what mutate.Appendable) string {
	t.Helper()
	dir := t.TempDir()
	path, err := layout.Write(dir, empty.Index)
	if err != nil {
		t.Fatalf("write a layout: %v", err)
	}
	appendTo(t, path, what)
	return dir
}

func appendTo(t *testing.T, path layout.Path, what mutate.Appendable) {
	t.Helper()
	named := layout.WithAnnotations(map[string]string{"org.opencontainers.image.ref.name": tag})
	var err error
	switch what := what.(type) {
	case v1.Image:
		err = path.AppendImage(what, named)
	case v1.ImageIndex:
		err = path.AppendIndex(what, named)
	default:
		t.Fatalf("a layout cannot hold a %T", what)
	}
	if err != nil {
		t.Fatalf("write a layout: %v", err)
	}
}

// newIndexLayout makes a layout with an image for three platforms. Its index
// is written as the image-spec library writes it: skopeo 1.9 copies no other
// one unchanged.
func newIndexLayout(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	path, err := layout.Write(dir, empty.Index)
	if err != nil {
		t.Fatalf("write a layout: %v", err)
	}
	index := ocispec.Index{Versioned: specs.Versioned{SchemaVersion: 2}, MediaType: ocispec.MediaTypeImageIndex}
	for _, platform := range []ocispec.Platform{
		{OS: "linux", Architecture: "amd64"},
		{OS: "linux", Architecture: "arm64"},
		{OS: "linux", Architecture: "arm", Variant: "v7"},
	} {
		img := newImage(t, 1<<10, 100<<10)
		if err := path.WriteImage(img); err != nil {
			t.Fatalf("write an image: %v", err)
		}
		raw, err := img.RawManifest()
		if err != nil {
			t.Fatalf("read a manifest: %v", err)
		}
		child := ociDescriptor(ocispec.MediaTypeImageManifest, raw, digest.SHA256)
		child.Platform = &platform
		index.Manifests = append(index.Manifests, child)
	}
	raw := marshal(t, index)
	root := ociDescriptor(index.MediaType, raw, digest.SHA256)
	store := orasLayout(t, dir)
	if err := store.Push(t.Context(), root, bytes.NewReader(raw)); err != nil {
		t.Fatalf("write an index: %v", err)
	}
	if err := store.Tag(t.Context(), root, tag); err != nil {
		t.Fatalf("tag an index: %v", err)
	}
	return dir
}

// blobsOf returns all that a layout holds, by digest.
func blobsOf(t *testing.T, dir string) map[string]string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "blobs", "*", "*"))
	if err != nil {
		t.Fatal(err)
	}
	blobs := map[string]string{}
	for _, file := range files {
		content, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		blobs[filepath.Base(filepath.Dir(file))+":"+filepath.Base(file)] = string(content)
	}
	if len(blobs) == 0 {
		t.Fatalf("the layout %s is empty", dir)
	}
	return blobs
}

// checkSame fails unless two layouts hold the same blobs, byte for byte.
func checkSame(t *testing.T, wantDir, gotDir string) {
	t.Helper()
	want, got := blobsOf(t, wantDir), blobsOf(t, gotDir)
	for digest, content := range want {
		switch pulled, ok := got[digest]; {
		case !ok:
			t.Errorf("%s did not come back", digest)
		case pulled != content:
			t.Errorf("%s came back with other bytes", digest)
		}
	}
	for digest := range got {
		if _, ok := want[digest]; !ok {
			t.Errorf("%s came back and was never pushed", digest)
		}
	}
}

// randomBytes makes content that no other test has.
func randomBytes(size int) []byte {
	p := make([]byte, size)
	for i := range p {
		p[i] = byte(rand.Int())
	}
	return p
}

// ociDescriptor describes content by the given algorithm.
func ociDescriptor(mediaType string, blob []byte, algorithm digest.Algorithm) ocispec.Descriptor {
	return ocispec.Descriptor{MediaType: mediaType, Digest: algorithm.FromBytes(blob), Size: int64(len(blob))}
}

func marshal(t *testing.T, v any) []byte {
	t.Helper()
	raw, err := json.Marshal(v)
	if err != nil {
		t.Fatalf("marshal: %v", err)
	}
	return raw
}
