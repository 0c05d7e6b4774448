package main

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"

	"github.com/opencontainers/image-spec/specs-go"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/berthregistry/berth/shared/oci"
)

// counts are the bills of one of each.
type counts struct {
	byTag, byDigest       bill // manifest GETs
	smallBlob, blob, head bill // a config, a layer by redirect, HEAD of a layer
	push, attach          bill
	login                 bill // what comes before the first request that is let in
	direct                bill // a layer of directSize
	event                 bill // of a referrer, told alone
}

// What is pushed and pulled: an image of three layers of 10 MB, a config of 3
// KB, and a manifest as builders make them.
const (
	layers     = 3
	layerSize  = 10 << 20
	configSize = 3 << 10
	repo       = "team/app"
)

// image is a manifest with what it needs.
type image struct {
	config, manifest []byte
	layers           [][]byte
}

func randomBytes(n int) []byte {
	p := make([]byte, n)
	random := rand.NewChaCha8([32]byte{byte(n), byte(n >> 8)})
	random.Read(p) // never fails
	return p
}

func descriptor(mediaType string, content []byte) v1.Descriptor {
	return v1.Descriptor{MediaType: mediaType, Digest: oci.SHA256.Sum(content), Size: int64(len(content))}
}

// newImage makes an image, attached to subject unless that is nil.
func newImage(config []byte, sizes []int, subject *v1.Descriptor) (image, error) {
	img := image{config: config}
	m := v1.Manifest{Versioned: specs.Versioned{SchemaVersion: 2}, MediaType: v1.MediaTypeImageManifest,
		Config: descriptor(v1.MediaTypeImageConfig, img.config), Subject: subject}
	for i, size := range sizes {
		layer := randomBytes(size + i)
		img.layers = append(img.layers, layer)
		m.Layers = append(m.Layers, descriptor(v1.MediaTypeImageLayerGzip, layer))
	}
	var err error
	img.manifest, err = json.Marshal(m)
	return img, err
}

// push is what a client does with an image that the registry does not have.
func (c client) push(ctx context.Context, img image, ref string) error {
	for _, blob := range append(img.layers, img.config) {
		if err := c.pushBlob(ctx, repo, blob); err != nil {
			return err
		}
	}
	_, err := c.send(ctx, "PUT", "/v2/"+repo+"/manifests/"+ref, img.manifest, http.StatusCreated,
		"Content-Type", v1.MediaTypeImageManifest)
	return err
}

func (c client) count(ctx context.Context) (counts, error) {
	var n counts
	sizes := make([]int, layers)
	for i := range sizes {
		sizes[i] = layerSize
	}
	img, err := newImage(randomBytes(configSize), sizes, nil)
	if err != nil {
		return n, err
	}
	// Uploads elsewhere have filled nothing yet: the first push of a registry
	// and the thousandth cost the same.
	c.meter.take()
	if err := c.push(ctx, img, "1"); err != nil {
		return n, fmt.Errorf("push: %w", err)
	}
	n.push = c.meter.take()

	subject := descriptor(v1.MediaTypeImageManifest, img.manifest)
	signature, err := newImage(v1.DescriptorEmptyJSON.Data, []int{2 << 10}, &subject)
	if err != nil {
		return n, err
	}
	if err := c.push(ctx, signature, string(oci.SHA256.Sum(signature.manifest))); err != nil {
		return n, fmt.Errorf("attach: %w", err)
	}
	n.attach = c.meter.take()
	return n, c.countPulls(ctx, img, &n)
}

func (c client) countPulls(ctx context.Context, img image, n *counts) error {
	manifests, blobs := "/v2/"+repo+"/manifests/", "/v2/"+repo+"/blobs/"
	layer := blobs + string(oci.SHA256.Sum(img.layers[0]))
	for _, one := range []struct {
		bill           *bill
		method, target string
		status         int
	}{
		{&n.byTag, "GET", manifests + "1", http.StatusOK},
		{&n.byDigest, "GET", manifests + string(oci.SHA256.Sum(img.manifest)), http.StatusOK},
		{&n.smallBlob, "GET", blobs + string(oci.SHA256.Sum(img.config)), http.StatusOK},
		{&n.blob, "GET", layer, http.StatusTemporaryRedirect},
		{&n.head, "HEAD", layer, http.StatusTemporaryRedirect},
	} {
		if _, err := c.send(ctx, one.method, one.target, nil, one.status); err != nil {
			return err
		}
		*one.bill = c.meter.take()
	}
	return nil
}
