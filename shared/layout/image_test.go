package layout_test

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/berthregistry/berth/shared/oci"
	"oras.land/oras-go/v2/errdef"
)

// An image layout reads the same whatever it is packed in.
func TestImageLayout(t *testing.T) {
	b := blobs{}
	image := b.image(t, noise(1, 5000), noise(2, 0), noise(3, 70_000), noise(1, 5000))
	other := b.image(t, noise(4, 10))
	both := b.index(t, image, other)
	files := b.layoutFiles(t, tagged(both, "1"), tagged(other, "other"))
	dotted := slices.Clone(files) // by tar -C FOLDER -cf FILE .
	for i := range dotted {
		dotted[i].name = "./" + dotted[i].name
	}
	linked := slices.Clone(files) // a file with two names in the folder
	linked = append(linked, file{name: "again", hard: "index.json"})
	for name, path := range map[string]string{
		"folder": inFolder(t, files), "tar": inTar(t, files), "tar of dots": inTar(t, append([]file{{name: "./"}}, dotted...)),
		"tar with a hard link": inTar(t, linked),
	} {
		t.Run(name, func(t *testing.T) {
			got := open(t, path)
			wantTags(t, got, "1", "other")
			wantResolved(t, got, "1", both)
			wantResolved(t, got, string(other.Digest), other)
			wantResolved(t, got, string(image.Digest), image) // only the index lists it
			wantBlobs(t, got, both, b)
		})
	}
}

func TestResolve(t *testing.T) {
	b := blobs{}
	app, db, old := b.image(t, []byte("app")), b.image(t, []byte("db")), b.image(t, []byte("old"))
	sig := b.signature(t, app, "sig")
	image := open(t, inFolder(t, b.layoutFiles(t,
		named(app, "docker.io/library/app:1", "1"), named(db, "127.0.0.1:5000/team/db:1", "1"),
		tagged(old, "quay.io/team/old:2.0"), tagged(old, "quay.io/team/older"), sig,
		tagged(sig, "sha256-"+app.Digest.Encoded()+".sig"))))
	wantTags(t, image, "1", "2.0", "latest", "sha256-"+app.Digest.Encoded()+".sig")
	for reference, want := range map[string]oci.Descriptor{
		"docker.io/library/app:1": app, "app:1": app, "library/app:1": app,
		"127.0.0.1:5000/team/db:1": db, "db:1": db,
		"2.0": old, "old:2.0": old, "latest": old,
	} {
		wantResolved(t, image, reference, want)
	}
	for _, c := range []struct {
		reference, says string
		absent          bool
	}{
		{"1", "it may be any of 127.0.0.1:5000/team/db:1, docker.io/library/app:1: say which", false},
		{"", "it may be any of 127.0.0.1:5000/team/db:1, docker.io/library/app:1, quay.io/team/old:2.0", false},
		{"p:1", "there is only ", true},
		{"../../etc", "there is only ", true},
		{string(oci.SHA256.Sum(nil)), "is not in ", true},
	} {
		_, err := image.Resolve(t.Context(), c.reference)
		wantError(t, "resolve "+c.reference, err, c.says)
		if errors.Is(err, errdef.ErrNotFound) != c.absent {
			t.Errorf("resolve %q: got %v, want it to be absent: %v", c.reference, err, c.absent)
		}
	}
}

// Without a reference the only image is meant. What refers to it is none.
func TestResolveNothing(t *testing.T) {
	b := blobs{}
	image := b.image(t, []byte("app"))
	sig := b.signature(t, image, "sig")
	fallback := b.index(t, sig)
	cosign := b.image(t, []byte("legacy"))
	referring := []oci.Descriptor{sig, tagged(fallback, "sha256-"+image.Digest.Encoded()), tagged(cosign, "sha256-"+image.Digest.Encoded()+".att")}
	for name, entries := range map[string][]oci.Descriptor{
		"tagged":        append(referring, tagged(image, "1")),
		"tagged twice":  append(referring, tagged(image, "1"), tagged(image, "2")),
		"without a tag": append(referring, image),
	} {
		t.Run(name, func(t *testing.T) {
			wantResolved(t, open(t, inFolder(t, b.layoutFiles(t, entries...))), "", image)
		})
	}
	_, err := open(t, inFolder(t, b.layoutFiles(t))).Resolve(t.Context(), "")
	if !errors.Is(err, errdef.ErrNotFound) {
		t.Errorf("resolve in an empty layout: got %v, want %v", err, errdef.ErrNotFound)
	}
}

func TestReferrers(t *testing.T) {
	b := blobs{}
	app := b.image(t, []byte("app"))
	sig, sbom := b.signature(t, app, "sig"), b.signature(t, app, "sbom")
	onSig := b.signature(t, sig, "deep")
	unknown := oci.Descriptor{MediaType: oci.MediaTypeImage, Digest: oci.SHA256.Sum([]byte("not here")), Size: 8}
	sparse := b.index(t, app, unknown)
	fallback := b.index(t, sbom) // what a registry without referrers was given
	image := open(t, inTar(t, b.layoutFiles(t,
		tagged(sparse, "1"), sig, tagged(fallback, "sha256-"+app.Digest.Encoded()), onSig, sig)))
	for subject, want := range map[oci.Digest][]oci.Digest{
		app.Digest: {sig.Digest, sbom.Digest}, sig.Digest: {onSig.Digest}, sparse.Digest: nil, unknown.Digest: nil,
	} {
		referrers, err := image.Referrers(t.Context(), oci.Descriptor{Digest: subject})
		if err != nil {
			t.Fatal(err)
		}
		var got []oci.Digest
		for _, d := range referrers {
			got = append(got, d.Digest)
			if d.ArtifactType != "application/vnd.example.signature" || d.Annotations["by"] == "" {
				t.Errorf("%s: got artifact type %q and annotations %v", d.Digest, d.ArtifactType, d.Annotations)
			}
		}
		if !slices.Equal(got, want) {
			t.Errorf("referrers of %s: got %v, want %v", subject, got, want)
		}
	}
}

// What does not hash to its name is told apart from what is not there.
func TestDamaged(t *testing.T) {
	b := blobs{}
	image := b.image(t, []byte("layer"))
	layer := b.put("x", []byte("layer"))
	dir := inFolder(t, b.layoutFiles(t, tagged(image, "1")))
	at := func(d oci.Descriptor) string { return filepath.Join(dir, "blobs", "sha256", d.Digest.Encoded()) }
	raw := bytes.Replace(b[image.Digest], []byte("schemaVersion"), []byte("SchemaVersion"), 1)
	if err := errors.Join(os.WriteFile(at(image), raw, 0o666), os.Truncate(at(layer), 3)); err != nil {
		t.Fatal(err)
	}
	got := open(t, dir)
	wantResolved(t, got, "1", image)
	_, err := got.Manifest(t.Context(), image)
	wantError(t, "manifest", err, "is damaged")
	_, err = got.Referrers(t.Context(), image)
	wantError(t, "referrers", err, "is damaged")
	_, err = got.Blob(t.Context(), layer)
	wantError(t, "blob", err, "has 3 bytes")
	missing := oci.Descriptor{MediaType: oci.MediaTypeImage, Digest: oci.SHA256.Sum(nil)}
	if _, err := got.Blob(t.Context(), missing); !errors.Is(err, errdef.ErrNotFound) {
		t.Errorf("blob that is not there: got %v, want %v", err, errdef.ErrNotFound)
	}
	if _, err := got.Manifest(t.Context(), missing); !errors.Is(err, errdef.ErrNotFound) {
		t.Errorf("manifest that is not there: got %v, want %v", err, errdef.ErrNotFound)
	}
	missing.Digest = "sha256:../../index.json"
	_, err = got.Blob(t.Context(), missing)
	wantError(t, "path as a digest", err, "is not sha256:")
}

// A part is within the blob, or an error.
func TestReadPart(t *testing.T) {
	b := blobs{}
	image := b.image(t, []byte("layer"))
	source, err := open(t, inTar(t, b.layoutFiles(t, image))).Blob(t.Context(), b.put("x", []byte("layer")))
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		off  int64
		size int
	}{{0, 6}, {-1, 2}, {5, 1}, {6, 0}, {1 << 62, 1}} {
		if err := source.ReadPart(t.Context(), c.off, make([]byte, c.size)); err == nil {
			t.Errorf("%d bytes at %d of 5: got no error", c.size, c.off)
		}
	}
	if err := source.ReadPart(t.Context(), 5, nil); err != nil {
		t.Errorf("no bytes at the end: %v", err)
	}
}

func wantError(t testing.TB, what string, err error, says string) {
	t.Helper()
	if err == nil || !strings.Contains(err.Error(), says) {
		t.Errorf("%s: got %v, want it to say %q", what, err, says)
	}
}
