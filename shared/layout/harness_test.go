package layout_test

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/berthregistry/berth/shared/layout"
	"github.com/berthregistry/berth/shared/mirror"
	"github.com/berthregistry/berth/shared/oci"
	"github.com/opencontainers/image-spec/specs-go"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"
)

var versioned = specs.Versioned{SchemaVersion: 2}

var _ mirror.Origin = (*layout.Image)(nil)

// blobs are the contents of an image layout by digest, manifests among them.
type blobs map[oci.Digest][]byte

// put adds a blob and describes it.
func (b blobs) put(mediaType string, raw []byte) oci.Descriptor {
	d := oci.Descriptor{MediaType: mediaType, Digest: oci.SHA256.Sum(raw), Size: int64(len(raw))}
	b[d.Digest] = raw
	return d
}

func (b blobs) putJSON(t testing.TB, mediaType string, v any) oci.Descriptor {
	t.Helper()
	return b.put(mediaType, mustJSON(t, v))
}

// image adds an image of these layers, uncompressed.
func (b blobs) image(t testing.TB, layers ...[]byte) oci.Descriptor {
	t.Helper()
	m := v1.Manifest{Versioned: versioned, MediaType: oci.MediaTypeImage}
	var c v1.Image
	c.OS, c.Architecture = "linux", "amd64"
	c.RootFS.Type = "layers"
	for _, raw := range layers {
		d := b.put(v1.MediaTypeImageLayer, raw)
		m.Layers = append(m.Layers, d)
		c.RootFS.DiffIDs = append(c.RootFS.DiffIDs, d.Digest)
	}
	m.Config = b.putJSON(t, v1.MediaTypeImageConfig, c)
	return b.putJSON(t, oci.MediaTypeImage, m)
}

// signature adds an artifact that refers to subject.
func (b blobs) signature(t testing.TB, subject oci.Descriptor, text string) oci.Descriptor {
	t.Helper()
	return b.putJSON(t, oci.MediaTypeImage, v1.Manifest{
		Versioned: versioned, MediaType: oci.MediaTypeImage, ArtifactType: "application/vnd.example.signature",
		Config: b.put(v1.MediaTypeEmptyJSON, []byte("{}")), Layers: []oci.Descriptor{b.put("text/plain", []byte(text))},
		Subject: &subject, Annotations: map[string]string{"by": text},
	})
}

// index adds an index of these manifests.
func (b blobs) index(t testing.TB, of ...oci.Descriptor) oci.Descriptor {
	t.Helper()
	return b.putJSON(t, oci.MediaTypeIndex, v1.Index{Versioned: versioned, MediaType: oci.MediaTypeIndex, Manifests: of})
}

// all describes every blob, in no order.
func (b blobs) all() []oci.Descriptor {
	var all []oci.Descriptor
	for d, raw := range b {
		all = append(all, oci.Descriptor{MediaType: "application/octet-stream", Digest: d, Size: int64(len(raw))})
	}
	return all
}

// file is an entry of a tar: a folder if its name ends in a slash, and a link if
// it has one.
type file struct {
	name string
	body []byte
	sym  string
	hard string
}

// layoutFiles are the files of an OCI image layout, in the order of their names.
func (b blobs) layoutFiles(t testing.TB, entries ...oci.Descriptor) []file {
	t.Helper()
	files := []file{{name: "blobs/"}, {name: "blobs/sha256/"}}
	for _, d := range slices.Sorted(maps.Keys(b)) {
		files = append(files, file{name: "blobs/sha256/" + d.Encoded(), body: b[d]})
	}
	return append(files,
		file{name: "index.json", body: mustJSON(t, v1.Index{Versioned: versioned, Manifests: entries})},
		file{name: "oci-layout", body: []byte(`{"imageLayoutVersion": "1.0.0"}`)})
}

// tagged is an entry of an index.json.
func tagged(d oci.Descriptor, refName string) oci.Descriptor {
	d.Annotations = map[string]string{v1.AnnotationRefName: refName}
	return d
}

// named is an entry as Docker and containerd write it.
func named(d oci.Descriptor, name, tag string) oci.Descriptor {
	d.Annotations = map[string]string{"io.containerd.image.name": name, v1.AnnotationRefName: tag}
	return d
}

// inTar writes files into a tar.
func inTar(t testing.TB, files []file) string {
	t.Helper()
	return saveTar(t, tarOf(t, files))
}

func saveTar(t testing.TB, raw []byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "image.tar")
	if err := os.WriteFile(path, raw, 0o666); err != nil {
		t.Fatal(err)
	}
	return path
}

func tarOf(t testing.TB, files []file) []byte {
	t.Helper()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for _, f := range files {
		h := &tar.Header{Name: f.name, Mode: 0o644, Size: int64(len(f.body)), Typeflag: tar.TypeReg}
		switch {
		case f.sym != "":
			h.Typeflag, h.Linkname = tar.TypeSymlink, f.sym
		case f.hard != "":
			h.Typeflag, h.Linkname = tar.TypeLink, f.hard
		case f.name[len(f.name)-1] == '/':
			h.Typeflag = tar.TypeDir
		}
		if err := w.WriteHeader(h); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write(f.body); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// inFolder writes files into a folder.
func inFolder(t testing.TB, files []file) string {
	t.Helper()
	dir := t.TempDir()
	for _, f := range files {
		path := filepath.Join(dir, filepath.FromSlash(f.name))
		err := os.MkdirAll(filepath.Dir(path), 0o777)
		if err == nil && f.name[len(f.name)-1] != '/' {
			err = os.WriteFile(path, f.body, 0o666)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func open(t testing.TB, path string) *layout.Image {
	t.Helper()
	image, err := layout.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := image.Close(); err != nil {
			t.Error(err)
		}
	})
	return image
}

// read returns a blob whole, read in pieces from its end on.
func read(t testing.TB, image *layout.Image, d oci.Descriptor) []byte {
	t.Helper()
	source, err := image.Blob(t.Context(), d)
	if err != nil {
		t.Fatal(err)
	}
	defer source.Close()
	const piece = 999
	raw := make([]byte, d.Size)
	for off := (d.Size - 1) / piece * piece; off >= 0; off -= piece {
		if err := source.ReadPart(t.Context(), off, raw[off:min(off+piece, d.Size)]); err != nil {
			t.Fatal(err)
		}
	}
	return raw
}

// wantBlobs checks that a manifest and all below it are there, byte for byte.
func wantBlobs(t testing.TB, image *layout.Image, d oci.Descriptor, want blobs) {
	t.Helper()
	raw, err := image.Manifest(t.Context(), d)
	if err != nil {
		t.Fatal(err)
	}
	m, err := oci.ParseManifest(d.MediaType, raw)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range m.Children {
		if c.Kind == oci.ChildManifest {
			wantBlobs(t, image, c.Descriptor, want)
			continue
		}
		if got := read(t, image, c.Descriptor); !bytes.Equal(got, want[c.Digest]) {
			t.Errorf("%s: got other bytes", c.Digest)
		}
	}
}

func wantResolved(t testing.TB, image *layout.Image, reference string, want oci.Descriptor) {
	t.Helper()
	got, err := image.Resolve(t.Context(), reference)
	if err != nil {
		t.Error(err)
		return
	}
	if got.Digest != want.Digest || got.Size != want.Size || got.MediaType != want.MediaType {
		t.Errorf("resolve %q: got %s, %d bytes of %s; want %s, %d bytes of %s",
			reference, got.Digest, got.Size, got.MediaType, want.Digest, want.Size, want.MediaType)
	}
}

func wantTags(t testing.TB, image *layout.Image, want ...string) {
	t.Helper()
	got, err := image.Tags(t.Context())
	if err != nil || !slices.Equal(got, want) {
		t.Errorf("tags: got %q, error %v, want %q", got, err, want)
	}
}

// noise is bytes that do not compress, the same for the same seed.
func noise(seed uint64, size int) []byte {
	b := make([]byte, size)
	random := rand.NewChaCha8([32]byte{byte(seed), byte(seed >> 8)})
	random.Read(b) // never fails
	return b
}

func gzipped(t testing.TB, raw []byte) []byte {
	t.Helper()
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	if _, err := w.Write(raw); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func mustJSON(t testing.TB, v any) []byte {
	t.Helper()
	raw, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

// untar returns a file of a tar.
func untar(t testing.TB, path, name string) []byte {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for r := tar.NewReader(f); ; {
		h, err := r.Next()
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if h.Name != name {
			continue
		}
		raw, err := io.ReadAll(r)
		if err != nil {
			t.Fatal(err)
		}
		return raw
	}
}

func hexName(n int) string { return fmt.Sprintf("%064x", n) }
