package main

import (
	"context"
	"fmt"

	"github.com/berthregistry/berth/bench/client"
	"github.com/berthregistry/berth/bench/target"
)

// The image is that of the proposal (distribution-spec, issue 454 and pull
// request 463), by which a client that copies all of it asks in vain for
// at least half of the lists of referrers: for every platform an SBOM, a
// signature, and attestations that are signed themselves.
const (
	sbomType        = "application/spdx+json"
	attestationType = "application/vnd.in-toto+json"
	bundleType      = "application/vnd.dev.sigstore.bundle.v0.3+json"
)

var (
	attestedPlatforms = []string{
		"linux/amd64", "linux/arm/v6", "linux/arm/v7", "linux/arm64/v8", "linux/386", "linux/ppc64le", "linux/s390x",
	}
	attestations = []string{"provenance", "vulnerabilities", "exploitability", "test results"}
)

// unreferred is how many of its manifests nothing refers to: 42 artifacts, which
// are SBOMs, signatures of images and of attestations, and the index.
const unreferred = 43

// An attested image is a multi-platform one with all that refers to it.
type attested struct {
	index     client.Manifest
	manifests []client.Manifest // all but the index, in an order in which they can be pushed
	blobs     []client.Blob
	maker     *client.Maker
}

func newAttested(maker *client.Maker) *attested {
	a := &attested{maker: maker, blobs: []client.Blob{client.Empty()}}
	var images []client.Manifest
	for _, platform := range attestedPlatforms {
		im := newImageOf(maker, 3, 64<<10)
		a.blobs = append(append(a.blobs, im.config), im.layers...)
		image := client.Image(im.config, im.layers...)
		image.Platform = platform
		images = append(images, image)
		a.manifests = append(a.manifests, image)
		a.attach(image, sbomType, "SBOM", 20<<10)
		a.attach(image, bundleType, "signature", 4<<10)
		for _, what := range attestations {
			attestation := a.attach(image, attestationType, what, 8<<10)
			a.attach(attestation, bundleType, "signature", 4<<10)
		}
	}
	a.index = client.Index(images...)
	return a
}

func (a *attested) attach(to client.Manifest, artifactType, what string, size int64) client.Manifest {
	content := a.maker.Blob(size)
	m := client.Artifact(to, artifactType, what, content)
	a.blobs, a.manifests = append(a.blobs, content), append(a.manifests, m)
	return m
}

// push pushes all of it.
func (a *attested) push(ctx context.Context, t *target.Target, repo string) error {
	for _, b := range a.blobs {
		if err := t.PushBlob(ctx, repo, b); err != nil {
			return err
		}
	}
	for _, m := range a.manifests {
		if err := t.PushManifest(ctx, repo, m.Digest, m); err != nil {
			return err
		}
	}
	return t.PushManifest(ctx, repo, imageManifest, a.index)
}

// arrived says whether a copy is whole: each manifest is there, and so what they
// need is.
func (a *attested) arrived(ctx context.Context, t *target.Target, repo string) error {
	if _, err := t.Get(ctx, "/v2/"+repo+"/manifests/"+imageManifest); err != nil {
		return fmt.Errorf("the copy is not whole: %w", err)
	}
	for _, m := range a.manifests {
		if _, err := t.Get(ctx, "/v2/"+repo+"/manifests/"+m.Digest); err != nil {
			return fmt.Errorf("the copy is not whole: %w", err)
		}
	}
	return nil
}
