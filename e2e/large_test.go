package e2e

import (
	"archive/tar"
	"crypto/sha256"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/opencontainers/go-digest"
	"github.com/opencontainers/image-spec/specs-go"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

// largeLayer is how large a layer is that all clients push through the proxy, in
// bytes. BERTH_E2E_LAYER says it in MiB.
func largeLayer(t *testing.T) int64 {
	t.Helper()
	text := os.Getenv("BERTH_E2E_LAYER")
	if text == "" {
		return 48 << 20
	}
	mib, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		t.Fatalf("BERTH_E2E_LAYER: %v", err)
	}
	return mib << 20
}

// Every client pushes one large layer through the proxy, as it does by itself:
// as it is, packed anew, in one PATCH or in one PUT. What arrived is what its
// manifest says, to the last byte.
func TestProxyTakesALargeLayerFromEveryClient(t *testing.T) {
	dir := largeLayout(t, largeLayer(t))
	for _, c := range []struct {
		name string
		push func(t *testing.T, dir, image string)
	}{
		{"crane", func(t *testing.T, dir, image string) {
			through := proxy(t)
			must(t, "crane push", through.cranePush(t.Context(), dir, strings.TrimPrefix(image, through.host+"/")))
		}},
		{"skopeo", func(t *testing.T, dir, image string) {
			run(t, "skopeo", append(skopeoCopy, "--dest-tls-verify=false", "oci:"+dir+":"+tag, "docker://"+image)...)
		}},
		{"podman", func(t *testing.T, dir, image string) {
			podman := storage(t)
			run(t, "podman", append(podman, "pull", "--quiet", "oci:"+dir+":"+tag)...)
			id := run(t, "podman", append(podman, "images", "--quiet", "--no-trunc")...)
			run(t, "podman", append(podman, "push", "--quiet", "--tls-verify=false", firstLine(id), "docker://"+image)...)
		}},
		{"buildah", func(t *testing.T, dir, image string) {
			buildah := storage(t)
			id := run(t, "buildah", append(buildah, "pull", "--quiet", "oci:"+dir+":"+tag)...)
			run(t, "buildah", append(buildah, "push", "--quiet", "--disable-compression", "--tls-verify=false", firstLine(id), "docker://"+image)...)
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			if c.name != "crane" {
				command(t, c.name)
			}
			repo := newRepo(t)
			c.push(t, dir, proxy(t).host+"/"+repo+":"+tag)
			checkLayers(t, pulled(t, repo))
		})
	}
}

// docker push packs the layer while it streams it.
func TestDaemonPushesALargeLayer(t *testing.T) {
	docker, repo := dockerd(t), newRepo(t)
	path, err := layout.FromPath(largeLayout(t, largeLayer(t)))
	must(t, "open the layout", err)
	root, err := loadRoot(path)
	must(t, "read the layout", err)
	image := proxy(t).host + "/" + repo + ":" + tag
	loadDocker(t, docker, image, root.(v1.Image))
	run(t, "docker", append(docker, "push", "--quiet", image)...)
	run(t, "docker", append(docker, "rmi", "--force", image)...)
	checkLayers(t, pulled(t, repo))
}

// shortDir is t.TempDir for podman, which takes paths of up to 50 characters, and
// no capitals.
func shortDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "e2e-")
	must(t, "make a folder", err)
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	return dir
}

func firstLine(s string) string {
	line, _, _ := strings.Cut(s, "\n")
	return line
}

// checkLayers reads all layers of an image, whose bytes are verified as they come.
func checkLayers(t *testing.T, img v1.Image) {
	t.Helper()
	layers, err := img.Layers()
	must(t, "read the manifest", err)
	if len(layers) == 0 {
		t.Fatal("there are no layers")
	}
	for _, l := range layers {
		body, err := l.Compressed()
		must(t, "get a layer", err)
		_, err = io.Copy(io.Discard, body)
		must(t, "read a layer", err)
		must(t, "close a layer", body.Close())
	}
}

// largeLayout writes an image with one layer, a tar that holds one file of noise.
// It keeps nothing of that in memory.
func largeLayout(t *testing.T, size int64) (dir string) {
	t.Helper()
	dir = shortDir(t)
	blobs := filepath.Join(dir, "blobs", "sha256")
	must(t, "make a folder", os.MkdirAll(blobs, 0o700))
	layer := writeLayer(t, blobs, size)
	config := marshal(t, ocispec.Image{
		Platform: ocispec.Platform{OS: "linux", Architecture: "amd64"},
		RootFS:   ocispec.RootFS{Type: "layers", DiffIDs: []digest.Digest{layer.Digest}},
	})
	manifest := marshal(t, ocispec.Manifest{
		Versioned: specs.Versioned{SchemaVersion: 2}, MediaType: ocispec.MediaTypeImageManifest,
		Config: ociDescriptor(ocispec.MediaTypeImageConfig, config, digest.SHA256), Layers: []ocispec.Descriptor{layer},
	})
	root := ociDescriptor(ocispec.MediaTypeImageManifest, manifest, digest.SHA256)
	root.Annotations = map[string]string{ocispec.AnnotationRefName: tag}
	index := marshal(t, ocispec.Index{Versioned: specs.Versioned{SchemaVersion: 2}, Manifests: []ocispec.Descriptor{root}})
	for file, content := range map[string][]byte{
		filepath.Join(blobs, digest.FromBytes(config).Encoded()): config,
		filepath.Join(blobs, root.Digest.Encoded()):              manifest,
		filepath.Join(dir, "index.json"):                         index,
		filepath.Join(dir, "oci-layout"):                         []byte(`{"imageLayoutVersion":"1.0.0"}`),
	} {
		must(t, "write the layout", os.WriteFile(file, content, 0o600))
	}
	return dir
}

func writeLayer(t *testing.T, blobs string, size int64) ocispec.Descriptor {
	t.Helper()
	f, err := os.Create(filepath.Join(blobs, "layer"))
	must(t, "make a layer", err)
	defer f.Close()
	sum := sha256.New()
	w := tar.NewWriter(io.MultiWriter(f, sum))
	must(t, "begin a layer", w.WriteHeader(&tar.Header{Name: "noise", Mode: 0o644, Size: size}))
	noise := rand.NewChaCha8(sha256.Sum256([]byte(t.Name())))
	_, err = io.Copy(w, io.LimitReader(noise, size))
	must(t, "write a layer", err)
	must(t, "end a layer", w.Close())
	info, err := f.Stat()
	must(t, "look at a layer", err)
	d := digest.NewDigestFromBytes(digest.SHA256, sum.Sum(nil))
	must(t, "name a layer", os.Rename(f.Name(), filepath.Join(blobs, d.Encoded())))
	return ocispec.Descriptor{MediaType: ocispec.MediaTypeImageLayer, Digest: d, Size: info.Size()}
}
