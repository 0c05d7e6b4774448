package layout_test

import (
	"bytes"
	"slices"
	"strings"
	"testing"

	"github.com/berthregistry/berth/shared/layout"
	"github.com/berthregistry/berth/shared/oci"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"
)

// item is an image in a manifest.json.
type item struct {
	Config   string
	RepoTags []string
	Layers   []string
}

// An application is an image of three layers, of which the last is there twice.
func application(t testing.TB) (layers [][]byte, config []byte) {
	t.Helper()
	layers = [][]byte{noise(1, 3000), noise(2, 70_000), make([]byte, 1024), make([]byte, 1024)}
	return layers, configOf(t, layers)
}

func configOf(t testing.TB, layers [][]byte) []byte {
	t.Helper()
	var c v1.Image
	c.OS, c.Architecture = "linux", "amd64"
	for _, layer := range layers {
		c.RootFS.DiffIDs = append(c.RootFS.DiffIDs, oci.SHA256.Sum(layer))
	}
	return mustJSON(t, c)
}

// Each tool has its own names for the parts of an image.
func TestSaved(t *testing.T) {
	layers, config := application(t)
	configHex := oci.SHA256.Sum(config).Encoded()
	hexOf := func(i int) string { return oci.SHA256.Sum(layers[i]).Encoded() }
	packed := make([][]byte, len(layers))
	for i := range layers {
		packed[i] = gzipped(t, layers[i])
	}
	for _, c := range []struct {
		name  string
		files []file
		want  [][]byte // what the layers are
		media string
	}{
		{"Docker before 25", []file{
			{name: hexName(1) + "/"}, {name: hexName(1) + "/VERSION", body: []byte("1.0")}, {name: hexName(1) + "/json", body: []byte("{}")},
			{name: hexName(1) + "/layer.tar", body: layers[0]},
			{name: hexName(2) + "/"}, {name: hexName(2) + "/layer.tar", body: layers[1]},
			{name: hexName(3) + "/"}, {name: hexName(3) + "/layer.tar", body: layers[2]},
			{name: configHex + ".json", body: config},
			{name: hexName(4) + "/"}, {name: hexName(4) + "/layer.tar", sym: "../" + hexName(3) + "/layer.tar"},
			{name: "manifest.json", body: mustJSON(t, []item{{
				configHex + ".json", []string{"team/app:1", "team/app:2"},
				[]string{hexName(1) + "/layer.tar", hexName(2) + "/layer.tar", hexName(3) + "/layer.tar", hexName(4) + "/layer.tar"},
			}})},
			{name: "repositories", body: []byte("{}")},
		}, layers, v1.MediaTypeImageLayer},
		{"skopeo and podman", []file{
			{name: hexOf(0) + ".tar", body: layers[0]}, {name: hexOf(1) + ".tar", body: layers[1]}, {name: hexOf(2) + ".tar", body: layers[2]},
			{name: configHex + ".json", body: config},
			{name: hexName(1) + "/layer.tar", sym: "../" + hexOf(0) + ".tar"}, {name: hexName(1) + "/VERSION", body: []byte("1.0")},
			{name: "manifest.json", body: mustJSON(t, []item{{
				configHex + ".json", []string{"docker.io/team/app:1", "docker.io/team/app:2"},
				[]string{hexOf(0) + ".tar", hexOf(1) + ".tar", hexOf(2) + ".tar", hexOf(2) + ".tar"},
			}})},
		}, layers, v1.MediaTypeImageLayer},
		{"crane and kaniko", []file{
			{name: "sha256:" + configHex, body: config},
			{name: "0.tar.gz", body: packed[0]}, {name: "1.tar.gz", body: packed[1]}, {name: "2.tar.gz", body: packed[2]},
			{name: "manifest.json", body: mustJSON(t, []item{{
				"sha256:" + configHex, []string{"registry.example.com/team/app:1", "registry.example.com/team/app:2"},
				[]string{"0.tar.gz", "1.tar.gz", "2.tar.gz", "2.tar.gz"},
			}})},
		}, packed, v1.MediaTypeImageLayerGzip},
		{"hard links", []file{
			{name: "a", body: layers[0]}, {name: "b", body: layers[1]}, {name: "c", body: layers[2]}, {name: "d", hard: "c"}, {name: "e", sym: "d"},
			{name: "config", body: config},
			{name: "manifest.json", body: mustJSON(t, []item{{"config", []string{"app:1", "app:2"}, []string{"./a", "b", "c", "e"}}})},
		}, layers, v1.MediaTypeImageLayer},
	} {
		t.Run(c.name, func(t *testing.T) {
			image := open(t, inTar(t, c.files))
			wantTags(t, image, "1", "2")
			wantLayers(t, image, config, c.want, c.media)
		})
	}
}

func wantLayers(t *testing.T, image *layout.Image, config []byte, layers [][]byte, mediaType string) {
	t.Helper()
	d, err := image.Resolve(t.Context(), "")
	if err != nil {
		t.Fatal(err)
	}
	wantResolved(t, image, "1", d)
	wantResolved(t, image, "app:2", d)
	wantResolved(t, image, string(d.Digest), d)
	raw, err := image.Manifest(t.Context(), d)
	if err != nil {
		t.Fatal(err)
	}
	m, err := oci.ParseManifest(d.MediaType, raw)
	if err != nil {
		t.Fatal(err)
	}
	if got := read(t, image, m.Children[0].Descriptor); !bytes.Equal(got, config) {
		t.Errorf("config: got %s, want %s", got, config)
	}
	if got, want := strings.Count(string(raw), mediaType+`"`), len(layers); got != want {
		t.Errorf("got %d layers of type %s, want %d: %s", got, mediaType, want, raw)
	}
	for i, c := range m.Children[1:] { // the last one is there twice, and so not here
		if got := read(t, image, c.Descriptor); !bytes.Equal(got, layers[i]) || c.Digest != oci.SHA256.Sum(layers[i]) {
			t.Errorf("layer %d: got other bytes, or digest %s", i, c.Digest)
		}
	}
}

// Docker's archives are image layouts as well since version 25. Then the
// manifests of the layout count.
func TestSavedByDocker25(t *testing.T) {
	b := blobs{}
	app, db := b.image(t, noise(1, 3000)), b.image(t, noise(2, 100))
	files := append(b.layoutFiles(t, named(app, "docker.io/team/app:1", "1"), named(app, "docker.io/team/app:2", "2"), named(db, "docker.io/library/db:1", "1")),
		file{name: "manifest.json", body: []byte("is not even read")}, file{name: "repositories", body: []byte("{}")})
	image := open(t, inTar(t, files))
	wantTags(t, image, "1", "2")
	wantResolved(t, image, "team/app:1", app)
	wantResolved(t, image, "2", app)
	wantResolved(t, image, "db:1", db)
	wantBlobs(t, image, app, b)
}

func TestSavedWrong(t *testing.T) {
	layers, config := application(t)
	manifest := func(items ...item) file { return file{name: "manifest.json", body: mustJSON(t, items)} }
	parts := []file{{name: "c", body: config}, {name: "0", body: layers[0]}, {name: "1", body: layers[1]}, {name: "2", body: layers[2]}}
	many := make([]string, 4000)
	for i := range many {
		many[i] = "2"
	}
	parts = append(parts, file{name: "many", body: configOf(t, slices.Repeat(layers[2:3], len(many)))}, file{name: "xz", body: []byte("\xfd7zXZ\x00 and so on")},
		file{name: "bad", body: []byte(`{"rootfs":{"diff_ids":["sha256:../../x"]}}`)})
	amplified := make([]item, 13)
	for i := range amplified {
		amplified[i] = item{"many", nil, many}
	}
	for _, c := range []struct {
		name  string
		list  file
		says  string
		extra file
	}{
		{"not a list", file{name: "manifest.json", body: []byte(`{}`)}, "manifest.json: json: ", file{}},
		{"huge", file{name: "manifest.json", body: make([]byte, 9<<20)}, "more than 8388608 are not read", file{}},
		{"no config", manifest(item{"gone", nil, nil}), "open gone: file does not exist", file{}},
		{"huge config", manifest(item{"big", nil, nil}), "more than 8388608 are not read", file{name: "big", body: make([]byte, 9<<20)}},
		{"bad diff_id", manifest(item{"bad", nil, []string{"0"}}), "is not sha256:", file{}},
		{"a layer too few", manifest(item{"c", nil, []string{"0", "1", "2"}}), "it has 3 layers, 4 in its config", file{}},
		{"a layer missing", manifest(item{"c", nil, []string{"0", "1", "2", "3"}}), "layer 3: open 3: file does not exist", file{}},
		{"two diff_ids for a layer", manifest(item{"c", nil, []string{"0", "0", "2", "2"}}), "one config says that it hashes to", file{}},
		{"compressed by xz", manifest(item{"c", nil, []string{"0", "1", "xz", "2"}}), "compressed by xz, which images do not have", file{}},
		{"a layer outside", manifest(item{"c", nil, []string{"0", "1", "../2", "2"}}), "../2 leads out of the archive", file{}},
		{"a folder as layer", manifest(item{"c", nil, []string{"0", "1", "d", "2"}}), "open d: file does not exist", file{name: "d/"}},
		{"links in a circle", manifest(item{"c", nil, []string{"0", "1", "x", "2"}}), "more than 8 links", file{name: "x", sym: "x"}},
		{"a link to nowhere", manifest(item{"c", nil, []string{"0", "1", "x", "2"}}), "file does not exist", file{name: "x", sym: "y"}},
		{"too much of little", manifest(amplified...), "more than 50000 layers in all", file{}},
		{"too many images", manifest(make([]item, 5001)...), "more than 5000 are not read", file{}},
	} {
		t.Run(c.name, func(t *testing.T) {
			files := append(append([]file{}, parts...), c.list)
			if c.extra.name != "" {
				files = append(files, c.extra)
			}
			_, err := open(t, inTar(t, files)).Tags(t.Context())
			wantError(t, "tags", err, c.says)
		})
	}
}
