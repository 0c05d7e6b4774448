package layout_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/berthregistry/berth/shared/layout"
	"github.com/berthregistry/berth/shared/oci"
	"github.com/berthregistry/berth/shared/transfer"
)

// A blob of the right size of which a power cut has left only a part is brought
// again.
func TestPowerCut(t *testing.T) {
	b := blobs{}
	image := b.image(t, noise(1, 300_000))
	layer := oci.SHA256.Sum(noise(1, 300_000))
	from := open(t, inTar(t, b.layoutFiles(t, tagged(image, "1"))))
	path := inFolder(t, b.layoutFiles(t, tagged(image, "1")))
	cut := filepath.Join(path, "blobs", "sha256", layer.Encoded())
	if err := os.Truncate(cut, 65536); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(cut, 300_000); err != nil {
		t.Fatal(err)
	}
	w := create(t, path, layout.Folder, b)
	for _, d := range b.all() {
		if got, want := w.Has(d), d.Digest != layer; got != want {
			t.Errorf("has %s: got %v, want %v", d.Digest, got, want)
		}
	}
	d := b.put("", noise(1, 300_000))
	source, err := from.Blob(t.Context(), d)
	if err != nil {
		t.Fatal(err)
	}
	s, err := w.Sink(t.Context(), d)
	if err != nil {
		t.Fatal(err)
	}
	if err := transfer.New(transfer.Options{}).Fetch(t.Context(), d, source, s, nil); err != nil {
		t.Fatal(err)
	}
	finish(t, w)
	wantBlobs(t, open(t, path), image, b)
}
