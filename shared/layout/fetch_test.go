package layout_test

import (
	"errors"
	"path/filepath"
	"testing"

	"github.com/berthregistry/berth/shared/oci"
	"github.com/berthregistry/berth/shared/transfer"
)

// The engine goes on after what is there, and fetches anew what is wrong of it.
func TestFetch(t *testing.T) {
	b := blobs{}
	image := b.image(t, noise(1, 1_500_000), noise(2, 1_500_000), noise(3, 1_500_000))
	from := open(t, inTar(t, b.layoutFiles(t, tagged(image, "1"))))
	engine := transfer.New(transfer.Options{})
	for name, format := range formats {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "image")
			w := create(t, path, format, b)
			writeBlob(t, w, oci.SHA256.Sum(noise(1, 1_500_000)), noise(1, 1_500_000), 400_000)
			s, err := w.Sink(t.Context(), b.put("x", noise(2, 1_500_000)))
			if err != nil {
				t.Fatal(err)
			}
			// As a power cut could leave it.
			if err := errors.Join(writeRest(s, make([]byte, 400_000)), s.Close(), w.Close()); err != nil {
				t.Fatal(err)
			}
			w = create(t, path, format, b)
			for _, d := range b.all() {
				source, err := from.Blob(t.Context(), d)
				if err != nil {
					t.Fatal(err)
				}
				s, err := w.Sink(t.Context(), d)
				if err != nil {
					t.Fatal(err)
				}
				if err := engine.Fetch(t.Context(), d, source, s, nil); err != nil {
					t.Errorf("%s: %v", d.Digest, err)
				}
			}
			if err := w.PutManifest(t.Context(), image, b[image.Digest], []string{"1"}); err != nil {
				t.Fatal(err)
			}
			finish(t, w)
			wantBlobs(t, open(t, path), image, b)
		})
	}
}
