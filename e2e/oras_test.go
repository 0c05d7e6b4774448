package e2e

import (
	"bytes"
	"context"
	"slices"
	"testing"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
	"oras.land/oras-go/v2"
	"oras.land/oras-go/v2/content"
	orasremote "oras.land/oras-go/v2/registry/remote"
)

// attach pushes an artifact with one file, on subject unless that is nil.
func attach(t *testing.T, repo *orasremote.Repository, artifactType string, subject *ocispec.Descriptor) ocispec.Descriptor {
	t.Helper()
	artifact, err := pushArtifact(t.Context(), repo, artifactType, subject)
	if err != nil {
		t.Fatalf("push an artifact: %v", err)
	}
	return artifact
}

// pushArtifact is attach for goroutines, which may not end the test.
func pushArtifact(ctx context.Context, repo *orasremote.Repository, artifactType string,
	subject *ocispec.Descriptor) (ocispec.Descriptor, error) {
	file := randomBytes(1 << 10)
	layer := ociDescriptor("application/octet-stream", file, digest.SHA256)
	if err := repo.Push(ctx, layer, bytes.NewReader(file)); err != nil {
		return ocispec.Descriptor{}, err
	}
	return oras.PackManifest(ctx, repo, oras.PackManifestVersion1_1, artifactType,
		oras.PackManifestOptions{Subject: subject, Layers: []ocispec.Descriptor{layer}})
}

// discover lists the referrers of a manifest, of one type or of all.
func discover(t *testing.T, repo *orasremote.Repository, subject ocispec.Descriptor, artifactType string) []digest.Digest {
	t.Helper()
	var found []digest.Digest
	err := repo.Referrers(t.Context(), subject, artifactType, func(page []ocispec.Descriptor) error {
		for _, d := range page {
			found = append(found, d.Digest)
		}
		return nil
	})
	if err != nil {
		t.Fatalf("discover: %v", err)
	}
	slices.Sort(found)
	return found
}

func digests(all ...ocispec.Descriptor) []digest.Digest {
	var list []digest.Digest
	for _, d := range all {
		list = append(list, d.Digest)
	}
	slices.Sort(list)
	return list
}

func TestOrasAttachesAndDiscovers(t *testing.T) {
	t.Parallel()
	repo := orasRepo(t, newRepo(t))
	app := attach(t, repo, "application/x.app", nil)
	if got := discover(t, repo, app, ""); len(got) != 0 {
		t.Errorf("before: got referrers %q, want none", got)
	}
	sbom := attach(t, repo, "application/x.sbom", &app)
	signature := attach(t, repo, "application/x.signature", &app)
	onSBOM := attach(t, repo, "application/x.signature", &sbom)

	if got, want := discover(t, repo, app, ""), digests(sbom, signature); !slices.Equal(got, want) {
		t.Errorf("all: got %q, want %q", got, want)
	}
	if got, want := discover(t, repo, app, "application/x.signature"), digests(signature); !slices.Equal(got, want) {
		t.Errorf("signatures: got %q, want %q", got, want)
	}
	if got, want := discover(t, repo, sbom, ""), digests(onSBOM); !slices.Equal(got, want) {
		t.Errorf("on a referrer: got %q, want %q", got, want)
	}
	if err := repo.Delete(t.Context(), signature); err != nil {
		t.Fatalf("delete: %v", err)
	}
	if got, want := discover(t, repo, app, ""), digests(sbom); !slices.Equal(got, want) {
		t.Errorf("after a delete: got %q, want %q", got, want)
	}
}

// A whole graph goes from a repository to a layout, to another repository and
// back to a layout, unchanged.
func TestOrasCopiesAGraphOfReferrers(t *testing.T) {
	t.Parallel()
	source, target := orasRepo(t, newRepo(t)), orasRepo(t, newRepo(t))
	app := attach(t, source, "application/x.app", nil)
	sbom := attach(t, source, "application/x.sbom", &app)
	attach(t, source, "application/x.signature", &sbom)
	if err := source.Tag(t.Context(), app, tag); err != nil {
		t.Fatalf("tag: %v", err)
	}
	first, second := t.TempDir(), t.TempDir()
	hops := []struct {
		from oras.ReadOnlyGraphTarget
		to   oras.Target
	}{
		{source, orasLayout(t, first)},
		{orasLayout(t, first), target},
		{target, orasLayout(t, second)},
	}
	for i, hop := range hops {
		// The layout of the hop before is opened anew: it reads its index then.
		if i == 1 {
			hop.from = orasLayout(t, first)
		}
		if _, err := oras.ExtendedCopy(t.Context(), hop.from, tag, hop.to, tag, oras.DefaultExtendedCopyOptions); err != nil {
			t.Fatalf("hop %d: %v", i, err)
		}
	}
	checkSame(t, first, second)
	if got := len(blobsOf(t, second)); got != 7 { // 3 manifests, 3 files, 1 config
		t.Errorf("got %d blobs, want 7", got)
	}
}

func TestOrasFetchesByDigestAndTag(t *testing.T) {
	t.Parallel()
	repo := orasRepo(t, newRepo(t))
	app := attach(t, repo, "application/x.app", nil)
	if err := repo.Tag(t.Context(), app, tag); err != nil {
		t.Fatalf("tag: %v", err)
	}
	byTag, err := repo.Resolve(t.Context(), tag)
	if err != nil || !content.Equal(byTag, app) {
		t.Fatalf("resolve: got %v, %v, want %v", byTag, err, app)
	}
	raw, err := content.FetchAll(t.Context(), repo, byTag)
	if err != nil {
		t.Fatalf("fetch: %v", err)
	}
	if got := digest.FromBytes(raw); got != app.Digest {
		t.Errorf("got %s, want %s", got, app.Digest)
	}
}
