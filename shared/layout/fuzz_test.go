package layout_test

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/berthregistry/berth/shared/layout"
	"github.com/berthregistry/berth/shared/oci"
)

// FuzzOpen opens whatever is there, and reads all that it is said to hold.
func FuzzOpen(f *testing.F) {
	b := blobs{}
	image := b.image(f, noise(1, 30))
	files := b.layoutFiles(f, tagged(b.index(f, image), "1"), b.signature(f, image, "sig"))
	f.Add(tarOf(f, files))
	f.Add(tarOf(f, append(files, file{name: "a", sym: "b"}, file{name: "b", hard: "a"})))
	layers := [][]byte{noise(1, 30), gzipped(f, noise(2, 30)), nil, nil}
	f.Add(tarOf(f, []file{
		{name: "c", body: configOf(f, layers)}, {name: "0", body: layers[0]}, {name: "1", body: layers[1]}, {name: "2"}, {name: "3", sym: "2"},
		{name: "manifest.json", body: mustJSON(f, []item{{"c", []string{"app:1"}, []string{"0", "1", "2", "3"}}})},
	}))
	for _, sparse := range sparseForms() {
		f.Add(slices.Concat(sparse("x"), sparse("y"), tarOf(f, files)))
		f.Add(slices.Concat(rawEntry("oci-layout", '0', []byte(`{"imageLayoutVersion":"1.0.0"}`), nil), sparse("index.json")))
	}
	path := filepath.Join(f.TempDir(), "image.tar")
	f.Fuzz(func(t *testing.T, raw []byte) {
		if err := os.WriteFile(path, raw, 0o666); err != nil {
			t.Fatal(err)
		}
		readAll(t, path)
	})
}

// FuzzIndex reads an archive with this index.json.
func FuzzIndex(f *testing.F) {
	b := blobs{}
	image := b.image(f, noise(1, 30))
	files := b.layoutFiles(f, tagged(image, "1"), named(image, "docker.io/library/app:1", "2"), b.signature(f, image, "sig"))
	last := len(files) - 2
	f.Add(files[last].body)
	f.Add([]byte(`{"manifests":[{"mediaType":"x","digest":"sha256:` + hexName(1) + `","size":9223372036854775807,"annotations":null}]}`))
	path := filepath.Join(f.TempDir(), "image.tar")
	f.Fuzz(func(t *testing.T, raw []byte) {
		files[last].body = raw
		if err := os.WriteFile(path, tarOf(t, files), 0o666); err != nil {
			t.Fatal(err)
		}
		readAll(t, path)
	})
}

// FuzzSaved reads an archive of docker save with this list and config.
func FuzzSaved(f *testing.F) {
	layers := [][]byte{noise(1, 30), gzipped(f, noise(2, 30)), nil}
	f.Add(mustJSON(f, []item{{"c", []string{"app:1", "a/b@c"}, []string{"0", "1", "2"}}}), configOf(f, layers))
	f.Add([]byte(`[{"Config":"../c","Layers":null},null]`), []byte(`{"rootfs":null}`))
	path := filepath.Join(f.TempDir(), "image.tar")
	f.Fuzz(func(t *testing.T, list, config []byte) {
		raw := tarOf(t, []file{
			{name: "c", body: config}, {name: "0", body: layers[0]}, {name: "1", body: layers[1]},
			{name: "2", sym: "3"}, {name: "3"}, {name: "manifest.json", body: list},
		})
		if err := os.WriteFile(path, raw, 0o666); err != nil {
			t.Fatal(err)
		}
		readAll(t, path)
	})
}

// readAll reads what it can. What it is told was verified must be right.
func readAll(t *testing.T, path string) {
	t.Helper()
	image, err := layout.Open(path)
	if err != nil {
		return
	}
	defer image.Close()
	ctx, cancel := context.WithTimeout(t.Context(), time.Second) // gigabytes of holes take longer
	defer cancel()
	tags, err := image.Tags(ctx)
	if err != nil {
		return
	}
	for _, reference := range append(tags, "", "x:1") {
		d, err := image.Resolve(ctx, reference)
		if err != nil {
			continue
		}
		raw, err := image.Manifest(ctx, d)
		if err != nil {
			continue
		}
		if oci.AlgorithmOf(d.Digest).Sum(raw) != d.Digest || int64(len(raw)) != d.Size {
			t.Errorf("%s: got another manifest", d.Digest)
		}
		if _, err := image.Referrers(ctx, d); err != nil {
			continue
		}
		if m, err := oci.ParseManifest(d.MediaType, raw); err == nil {
			readChildren(ctx, t, image, m)
		}
	}
}

func readChildren(ctx context.Context, t *testing.T, image *layout.Image, m oci.Manifest) {
	t.Helper()
	for _, c := range m.Children {
		source, err := image.Blob(ctx, c.Descriptor)
		if err != nil {
			continue
		}
		p := make([]byte, min(c.Size, 1<<16))
		if err := source.ReadPart(ctx, c.Size-int64(len(p)), p); err != nil {
			t.Errorf("%s: %v", c.Digest, err)
		}
		if err := source.Close(); err != nil {
			t.Error(err)
		}
	}
}
