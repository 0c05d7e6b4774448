package e2e

import (
	"fmt"
	"slices"
	"sync"
	"testing"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/random"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/types"
	"github.com/google/go-containerregistry/pkg/v1/validate"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

// inParallel runs f n times at once.
func inParallel(n int, f func(i int)) {
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() { f(i) })
	}
	wg.Wait()
}

// withOwnLayer adds a small layer that no other image has.
func withOwnLayer(t *testing.T, base v1.Image) v1.Image {
	t.Helper()
	layer, err := random.Layer(4<<10, types.OCILayer)
	if err != nil {
		t.Fatalf("make a layer: %v", err)
	}
	img, err := mutate.AppendLayers(base, layer)
	if err != nil {
		t.Fatalf("add a layer: %v", err)
	}
	return img
}

func digestOf(t *testing.T, img v1.Image) v1.Hash {
	t.Helper()
	d, err := img.Digest()
	if err != nil {
		t.Fatalf("digest: %v", err)
	}
	return d
}

// checkPullable fails unless the reference can be pulled whole.
func checkPullable(t *testing.T, ref name.Reference, want v1.Hash) {
	t.Helper()
	img, err := remote.Image(ref)
	if err != nil {
		t.Errorf("pull %s: %v", ref, err)
		return
	}
	if got := digestOf(t, img); got != want {
		t.Errorf("pull %s: got %s, want %s", ref, got, want)
	}
	if err := validate.Image(img); err != nil {
		t.Errorf("pull %s: %v", ref, err)
	}
}

// Sixteen images with the same base, each under its own tag, at once.
func TestConcurrentPushesShareTheirBase(t *testing.T) {
	t.Parallel()
	const n = 16
	repo, base := newRepo(t), newImage(t, 2<<20, 1<<20)
	images := make([]v1.Image, n)
	for i := range images {
		images[i] = withOwnLayer(t, base)
	}
	inParallel(n, func(i int) {
		if err := remote.Write(parse(t, repo).Tag(fmt.Sprintf("t%d", i)), images[i]); err != nil {
			t.Errorf("push %d: %v", i, err)
		}
	})
	for i, img := range images {
		checkPullable(t, parse(t, repo).Tag(fmt.Sprintf("t%d", i)), digestOf(t, img))
	}
	if tags, err := remote.List(parse(t, repo).Repository); err != nil || len(tags) != n {
		t.Errorf("got %d tags, %v, want %d", len(tags), err, n)
	}
}

// Many push to one tag: one of them has it in the end, and none is lost.
func TestConcurrentPushesToOneTag(t *testing.T) {
	t.Parallel()
	const n = 16
	repo, base := newRepo(t), newImage(t, 256<<10)
	images, pushed := make([]v1.Image, n), map[v1.Hash]bool{}
	for i := range images {
		images[i] = withOwnLayer(t, base)
		pushed[digestOf(t, images[i])] = true
	}
	inParallel(n, func(i int) {
		if err := remote.Write(parse(t, repo), images[i]); err != nil {
			t.Errorf("push %d: %v", i, err)
		}
	})
	head, err := remote.Head(parse(t, repo))
	if err != nil || !pushed[head.Digest] {
		t.Fatalf("the tag is at %v, %v, and nobody pushed that", head, err)
	}
	checkPullable(t, parse(t, repo), head.Digest)
	for _, img := range images {
		checkPullable(t, parse(t, repo).Digest(digestOf(t, img).String()), digestOf(t, img))
	}
}

// The same image by sixteen clients at once is stored once and refused never.
func TestConcurrentPushesOfOneImage(t *testing.T) {
	t.Parallel()
	repo, img := newRepo(t), newImage(t, 1<<20, 1<<20)
	inParallel(16, func(i int) {
		if err := remote.Write(parse(t, repo), img); err != nil {
			t.Errorf("push %d: %v", i, err)
		}
	})
	checkPullable(t, parse(t, repo), digestOf(t, img))
}

func TestConcurrentAttaches(t *testing.T) {
	t.Parallel()
	const n = 32
	repo := orasRepo(t, newRepo(t))
	app := attach(t, repo, "application/x.app", nil)
	attached := make([]ocispec.Descriptor, n)
	inParallel(n, func(i int) {
		var err error
		if attached[i], err = pushArtifact(t.Context(), repo, "application/x.sbom", &app); err != nil {
			t.Errorf("attach %d: %v", i, err)
		}
	})
	if got, want := discover(t, repo, app, ""), digests(attached...); !slices.Equal(got, want) {
		t.Errorf("got %d referrers, want %d", len(got), len(want))
	}
}
