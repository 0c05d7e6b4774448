package layout_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/berthregistry/berth/shared/layout"
	"github.com/berthregistry/berth/shared/oci"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"
)

var formats = map[string]layout.Format{"folder": layout.Folder, "OCI archive": layout.OCIArchive, "docker-archive": layout.DockerArchive}

// create begins to write b at path, named as one would pull it.
func create(t testing.TB, path string, format layout.Format, b blobs) *layout.Writer {
	t.Helper()
	w, err := layout.Create(path, format)
	if err != nil {
		t.Fatal(err)
	}
	if err := w.SetName("127.0.0.1:5000/team/app"); err != nil {
		t.Fatal(err)
	}
	if err := w.Prepare(t.Context(), b.all()); err != nil {
		t.Fatal(err)
	}
	return w
}

// A put is a manifest of a copy, with its tags. They come bottom up.
type put struct {
	d    oci.Descriptor
	tags []string
}

type puts []put

// fill writes all blobs side by side, in pieces, and then the manifests.
func fill(t testing.TB, w *layout.Writer, b blobs, manifests puts) {
	t.Helper()
	var all sync.WaitGroup
	for d, raw := range b {
		if !slices.ContainsFunc(manifests, func(m put) bool { return m.d.Digest == d }) {
			all.Go(func() { writeBlob(t, w, d, raw, len(raw)) })
		}
	}
	all.Wait()
	for _, m := range manifests {
		if err := w.PutManifest(t.Context(), m.d, b[m.d.Digest], m.tags); err != nil {
			t.Error(err)
		}
	}
}

// writeBlob writes a blob up to a byte, after what is there, and commits it if
// that was the last. It returns how much was there.
func writeBlob(t testing.TB, w *layout.Writer, digest oci.Digest, raw []byte, to int) int {
	t.Helper()
	d := oci.Descriptor{Digest: digest, Size: int64(len(raw))}
	if w.Has(d) {
		return len(raw)
	}
	s, err := w.Sink(t.Context(), d)
	if err != nil {
		t.Error(err)
		return 0
	}
	r, n, err := s.Prefix()
	if err != nil {
		t.Error(err)
		return 0
	}
	had, err := io.ReadAll(r)
	if err != nil || int64(len(had)) != n || !bytes.Equal(had, raw[:n]) {
		t.Errorf("prefix of %s: got %d other bytes, error %v, want %d", digest, len(had), err, n)
	}
	if err := errors.Join(r.Close(), writeRest(s, raw[n:max(int(n), to)])); err != nil {
		t.Error(err)
	}
	if to == len(raw) {
		if err := s.Commit(); err != nil {
			t.Error(err)
		}
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	return int(n)
}

func writeRest(w io.Writer, rest []byte) error {
	for len(rest) > 0 {
		n := min(len(rest), 1+rand.IntN(50_000))
		if _, err := w.Write(rest[:n]); err != nil {
			return err
		}
		rest = rest[n:]
	}
	return nil
}

func finish(t testing.TB, w *layout.Writer) {
	t.Helper()
	if err := errors.Join(w.Commit(), w.Close()); err != nil {
		t.Fatal(err)
	}
}

// A scene is an index of two images, with a signature and an attestation that
// looks like an image, and another image.
func scene(t testing.TB) (b blobs, manifests puts, top oci.Descriptor) {
	t.Helper()
	b = blobs{}
	amd, arm := b.image(t, noise(1, 300_000), noise(2, 0)), b.image(t, noise(3, 70_000), noise(2, 0), noise(3, 70_000))
	attestation := b.putJSON(t, oci.MediaTypeImage, v1.Manifest{
		MediaType: oci.MediaTypeImage, Versioned: versioned, Config: b.put(v1.MediaTypeImageConfig, []byte(`{"os":"unknown"}`)),
		Layers: []oci.Descriptor{b.put("application/vnd.in-toto+json", []byte("{}"))},
	})
	top = b.index(t, amd, arm, attestation)
	sig, other := b.signature(t, top, "sig"), b.image(t, noise(4, 5))
	return b, puts{
		{amd, nil}, {arm, nil}, {attestation, nil}, {top, []string{"latest", "1"}}, {sig, nil}, {other, []string{"other"}},
	}, top
}

// What is written is read back, byte for byte, and nothing else is left.
func TestWriter(t *testing.T) {
	b, manifests, top := scene(t)
	sig := manifests[4].d
	for name, format := range formats {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			path := filepath.Join(dir, "image")
			w := create(t, path+"/", format, b)
			fill(t, w, b, manifests)
			finish(t, w)
			image := open(t, path)
			wantTags(t, image, "1", "latest", "other")
			wantResolved(t, image, "1", top)
			wantResolved(t, image, "127.0.0.1:5000/team/app:latest", top)
			wantBlobs(t, image, top, b)
			wantBlobs(t, image, manifests[5].d, b)
			referrers, err := image.Referrers(t.Context(), top)
			if err != nil || len(referrers) != 1 || referrers[0].Digest != sig.Digest {
				t.Errorf("referrers: got %v, error %v, want %s", referrers, err, sig.Digest)
			}
			wantNames(t, dir, "image")
			if format == layout.Folder {
				wantNames(t, path, "blobs", "index.json", "oci-layout")
			}
		})
	}
}

// The same images make the same bytes, in whatever order they come.
func TestSameBytes(t *testing.T) {
	b, manifests, _ := scene(t)
	for name, format := range formats {
		if format == layout.Folder {
			continue
		}
		t.Run(name, func(t *testing.T) {
			var first []byte
			for range 3 {
				path := filepath.Join(t.TempDir(), "image.tar")
				rand.Shuffle(len(manifests), func(i, j int) { manifests[i], manifests[j] = manifests[j], manifests[i] })
				w := create(t, path, format, b)
				fill(t, w, b, manifests)
				finish(t, w)
				raw, err := os.ReadFile(path)
				if err != nil {
					t.Fatal(err)
				}
				if first == nil {
					first = raw
				}
				if !bytes.Equal(raw, first) {
					t.Error("got other bytes than before")
				}
			}
		})
	}
}

// A docker-archive lists images as docker load wants them: an index by its first
// image, layers in their order and as often as they are there, no artifacts.
func TestManifestJSON(t *testing.T) {
	b, manifests, top := scene(t)
	path := filepath.Join(t.TempDir(), "image.tar")
	w := create(t, path, layout.DockerArchive, b)
	fill(t, w, b, manifests)
	finish(t, w)
	got := map[string]item{}
	for _, i := range readItems(t, path) {
		got[i.Config] = i
	}
	pathOf := func(raw []byte) string { return "blobs/sha256/" + oci.SHA256.Sum(raw).Encoded() }
	index := children(t, b, top)
	amd, arm, other := children(t, b, index[0]), children(t, b, index[1]), children(t, b, manifests[5].d)
	want := []item{
		{pathOf(b[amd[0].Digest]), []string{"127.0.0.1:5000/team/app:1", "127.0.0.1:5000/team/app:latest"}, []string{pathOf(noise(1, 300_000)), pathOf(nil)}},
		{pathOf(b[arm[0].Digest]), nil, []string{pathOf(noise(3, 70_000)), pathOf(nil), pathOf(noise(3, 70_000))}},
		{pathOf(b[other[0].Digest]), []string{"127.0.0.1:5000/team/app:other"}, []string{pathOf(noise(4, 5))}},
	}
	if len(got) != len(want) {
		t.Errorf("got %d images, want %d: %v", len(got), len(want), got)
	}
	for _, i := range want {
		if g := got[i.Config]; !slices.Equal(g.RepoTags, i.RepoTags) || !slices.Equal(g.Layers, i.Layers) {
			t.Errorf("got %v, want %v", g, i)
		}
	}
}

// An archive that docker load would take nothing from is not made.
func TestNothingToLoad(t *testing.T) {
	b := blobs{}
	sig := b.signature(t, b.put("x", nil), "sig")
	w := create(t, filepath.Join(t.TempDir(), "image.tar"), layout.DockerArchive, b)
	fill(t, w, b, puts{{sig, []string{"sig"}}})
	wantError(t, "commit", w.Commit(), "no image that docker load would take")
	if err := w.Close(); err != nil {
		t.Error(err)
	}
}

// A folder is added to. A tag that moves leaves what it stood for.
func TestAddToFolder(t *testing.T) {
	b := blobs{}
	first, second, third := b.image(t, noise(1, 10)), b.image(t, noise(2, 10)), b.image(t, noise(3, 10))
	files := b.layoutFiles(t, tagged(first, "1"), tagged(first, "kept"), tagged(second, "2"))
	index := &files[len(files)-2]
	index.body = bytes.Replace(index.body, []byte(`"schemaVersion"`), []byte(`"annotations":{"org.example":"kept"},"schemaVersion"`), 1)
	path := inFolder(t, files)
	w := create(t, path, layout.Folder, b)
	for _, d := range b.all() {
		if !w.Has(d) {
			t.Errorf("%s: got false, want it to be there", d.Digest)
		}
	}
	if err := w.PutManifest(t.Context(), third, b[third.Digest], []string{"1", "2"}); err != nil {
		t.Fatal(err)
	}
	if err := w.Commit(); err != nil {
		t.Fatal(err)
	}
	if err := w.PutManifest(t.Context(), third, b[third.Digest], []string{"3"}); err != nil {
		t.Fatal(err)
	}
	finish(t, w)
	image := open(t, path)
	wantTags(t, image, "1", "2", "3", "kept")
	for reference, want := range map[string]oci.Descriptor{"1": third, "2": third, "3": third, "kept": first, string(second.Digest): second} {
		wantResolved(t, image, reference, want)
	}
	raw, err := os.ReadFile(filepath.Join(path, "index.json"))
	if err != nil || !bytes.Contains(raw, []byte(`"org.example":"kept"`)) || bytes.Count(raw, []byte(second.Digest)) != 1 {
		t.Errorf("got index.json %s, error %v, want its annotations kept, and %s once", raw, err, second.Digest)
	}
}

// Many write to one folder at once, some of it the same.
func TestShareFolder(t *testing.T) {
	path := filepath.Join(t.TempDir(), "layout")
	var all sync.WaitGroup
	images := make([]oci.Descriptor, 8)
	want := make([]blobs, len(images))
	for i := range images {
		want[i] = blobs{}
		images[i] = want[i].image(t, noise(99, 400_000), noise(uint64(i), 1000))
		all.Go(func() {
			w := create(t, path, layout.Folder, want[i])
			fill(t, w, want[i], puts{{images[i], []string{string(rune('a' + i))}}})
			finish(t, w)
		})
	}
	all.Wait()
	image := open(t, path)
	wantTags(t, image, "a", "b", "c", "d", "e", "f", "g", "h")
	for i := range images {
		wantResolved(t, image, string(rune('a'+i)), images[i])
		wantBlobs(t, image, images[i], want[i])
	}
	wantNames(t, path, "blobs", "index.json", "oci-layout")
}

// Nothing goes where it should not.
func TestWriterWrong(t *testing.T) {
	b := blobs{}
	image := b.image(t, noise(1, 100))
	full := inFolder(t, []file{{name: "a", body: []byte("x")}})
	huge := inFolder(t, []file{{name: "oci-layout", body: make([]byte, 9<<20)}})
	for _, c := range []struct {
		path   string
		format layout.Format
		says   string
	}{
		{full, layout.Folder, "neither empty nor an image layout"},
		{huge, layout.Folder, "more than 8388608 are not read"},
		{full, layout.OCIArchive, "not a file"},
		{filepath.Join(full, "a"), layout.Folder, "not a directory"},
		{filepath.Join(full, "b", "c.tar"), layout.OCIArchive, "no such file"},
		{filepath.Join(full, "c"), 0, "format 0"},
	} {
		_, err := layout.Create(c.path, c.format)
		wantError(t, c.path, err, c.says)
	}
	w, err := layout.Create(filepath.Join(full, "a.tar"), layout.DockerArchive)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"", "Team/App", "a b/c", "host:5000/", "../x", "host.example/a:1"} {
		wantError(t, name, w.SetName(name), "not the name of a repository")
	}
	wantError(t, "no name", w.Prepare(t.Context(), nil), "needs a name")
	for _, name := range []string{"app", "team/app", "localhost/app", "127.0.0.1:5000/a", "[::1]:5000/a", "registry.example.com/a/b"} {
		if err := w.SetName(name); err != nil {
			t.Error(err)
		}
	}
	size := image
	size.Size++
	wantError(t, "two sizes", w.Prepare(t.Context(), []oci.Descriptor{image, size}), "cannot have a size")
	wantError(t, "bad digest", w.Prepare(t.Context(), []oci.Descriptor{{Digest: "sha256:../x"}}), "is not sha256:")
	if err := w.Close(); err != nil {
		t.Errorf("close what could not be prepared: %v", err)
	}
	if err := w.Prepare(t.Context(), []oci.Descriptor{image, image}); err != nil {
		t.Fatal(err)
	}
	_, err = w.Sink(t.Context(), b.put("x", noise(1, 100)))
	wantError(t, "sink of what Prepare was not told", err, "Prepare was not told of it")
	wantError(t, "damaged manifest", w.PutManifest(t.Context(), image, b[image.Digest][1:], nil), "its bytes are others")
	wantError(t, "no tag", w.PutManifest(t.Context(), image, b[image.Digest], []string{"a/b"}), "is not a tag")
	wantSinkErrors(t, w, image)
	if err := w.Close(); err != nil {
		t.Error(err)
	}
	wantNames(t, full, "a")
}

func wantSinkErrors(t *testing.T, w *layout.Writer, d oci.Descriptor) {
	t.Helper()
	s, err := w.Sink(t.Context(), d)
	if err != nil {
		t.Fatal(err)
	}
	_, err = w.Sink(t.Context(), d)
	wantError(t, "a second sink", err, "being written already")
	_, err = s.Write(make([]byte, d.Size+1))
	wantError(t, "more than its size", err, "more than its size")
	wantError(t, "less than its size", s.Commit(), "it has 0 bytes of")
	if err := s.Close(); err != nil {
		t.Error(err)
	}
}

func readItems(t *testing.T, path string) (items []item) {
	t.Helper()
	if err := json.Unmarshal(untar(t, path, "manifest.json"), &items); err != nil {
		t.Fatal(err)
	}
	return items
}

func children(t *testing.T, b blobs, d oci.Descriptor) (all []oci.Descriptor) {
	t.Helper()
	m, err := oci.ParseManifest(d.MediaType, b[d.Digest])
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range m.Children {
		all = append(all, c.Descriptor)
	}
	return all
}

// wantNames checks what there is in a folder.
func wantNames(t *testing.T, dir string, want ...string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]bool{}
	for _, e := range entries {
		got[e.Name()] = true
	}
	if names := slices.Sorted(maps.Keys(got)); !slices.Equal(names, want) {
		t.Errorf("%s: got %s, want %s", dir, strings.Join(names, ", "), strings.Join(want, ", "))
	}
}
