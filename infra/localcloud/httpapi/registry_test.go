package httpapi_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"
	"oras.land/oras-go/v2"
	"oras.land/oras-go/v2/content"
	"oras.land/oras-go/v2/content/memory"
	"oras.land/oras-go/v2/registry/remote"

	"github.com/berthregistry/berth/infra/localcloud/httpapi"
	blobs "github.com/berthregistry/berth/shared/blobs/local"
	"github.com/berthregistry/berth/shared/distribution"
	"github.com/berthregistry/berth/shared/gateway"
	"github.com/berthregistry/berth/shared/registry"
	table "github.com/berthregistry/berth/shared/table/local"
)

// The door with a registry behind it: the handler of the functions, with stores
// on disk in the place of S3 and DynamoDB.
func openRegistry(t *testing.T) *door {
	t.Helper()
	dir := t.TempDir()
	items, err := table.Open(filepath.Join(dir, "table"), slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = items.Close() })
	objects, err := blobs.Open(filepath.Join(dir, "blobs"))
	if err != nil {
		t.Fatal(err)
	}
	handle := gateway.New(distribution.New(registry.New(items, objects, registry.Options{}), distribution.Options{
		Door: distribution.Door{Inline: 4 << 20, Headless: true, Request: 4_500_000},
	}))
	return open(t, httpapi.Config{Routes: []httpapi.Route{{
		Path: "$default",
		Invoke: func(ctx context.Context, raw []byte) ([]byte, error) {
			var e event
			if err := json.Unmarshal(raw, &e); err != nil {
				return nil, err
			}
			r, err := handle(ctx, e)
			if err != nil {
				return nil, err
			}
			return json.Marshal(r)
		},
	}}})
}

// An image with a referrer goes through the door and comes back, by a client
// that is not ours.
func TestRegistryBehindTheDoor(t *testing.T) {
	d := openRegistry(t)
	repo, err := remote.NewRepository(strings.TrimPrefix(d.url, "http://") + "/team/app")
	if err != nil {
		t.Fatal(err)
	}
	repo.PlainHTTP = true
	from := memory.New()
	root := pack(t, from, nil, "layer of an image", random(t, 3<<20))
	signature := pack(t, from, &root, "signature")
	if err := from.Tag(t.Context(), root, "v1"); err != nil {
		t.Fatal(err)
	}
	if _, err := oras.ExtendedCopy(t.Context(), from, "v1", repo, "v1", oras.DefaultExtendedCopyOptions); err != nil {
		t.Fatalf("push: %v", err)
	}
	back := memory.New()
	got, err := oras.ExtendedCopy(t.Context(), repo, "v1", back, "v1", oras.DefaultExtendedCopyOptions)
	if err != nil {
		t.Fatalf("pull: %v", err)
	}
	if !content.Equal(got, root) {
		t.Errorf("got %v, want %v", got, root)
	}
	for _, want := range []v1.Descriptor{root, signature} {
		if ok, err := back.Exists(t.Context(), want); err != nil || !ok {
			t.Errorf("%s did not come back: %v", want.Digest, err)
		}
	}
	checkHeads(t, d, from, root)
}

// checkHeads wants a HEAD to tell the size that a GET sends: clients write into
// manifests what it says.
func checkHeads(t *testing.T, d *door, from content.Fetcher, root v1.Descriptor) {
	t.Helper()
	raw, err := content.FetchAll(t.Context(), from, root)
	if err != nil {
		t.Fatal(err)
	}
	var image v1.Manifest
	if err := json.Unmarshal(raw, &image); err != nil {
		t.Fatal(err)
	}
	sizes := map[string]int64{"/v2/team/app/manifests/v1": root.Size}
	for _, blob := range append(image.Layers, image.Config) {
		sizes["/v2/team/app/blobs/"+string(blob.Digest)] = blob.Size
	}
	for target, size := range sizes {
		for _, method := range []string{http.MethodHead, http.MethodGet} {
			if got := d.do(method, target, ""); got.status != 200 || got.length != size || got.header.Get("Docker-Content-Digest") == "" {
				t.Errorf("%s %s: %d, length %d, want %d; %v", method, target, got.status, got.length, size, got.header)
			}
		}
	}
}

// pack puts an image of layers into a store.
func pack(t *testing.T, to content.Pusher, subject *v1.Descriptor, layers ...string) v1.Descriptor {
	t.Helper()
	o := oras.PackManifestOptions{Subject: subject}
	for _, layer := range layers {
		desc := content.NewDescriptorFromBytes("application/vnd.test.layer", []byte(layer))
		if err := to.Push(t.Context(), desc, strings.NewReader(layer)); err != nil {
			t.Fatal(err)
		}
		o.Layers = append(o.Layers, desc)
	}
	desc, err := oras.PackManifest(t.Context(), to, oras.PackManifestVersion1_1, "application/vnd.test", o)
	if err != nil {
		t.Fatal(err)
	}
	return desc
}

// A layer larger than a request gets through in chunks, and as one body does
// not: that refusal is not the registry's.
func TestChunksBehindTheDoor(t *testing.T) {
	d := openRegistry(t)
	layer := random(t, 9_000_000)
	at := d.do("POST", "/v2/team/app/blobs/uploads/", "").header.Get("Location")
	wantRefusal(t, d.do("PUT", at+"?digest="+string(digest.FromString(layer)), layer), 413, "Request Too Long")
	for chunk := range slices.Chunk([]byte(layer), 4_500_000) {
		got := d.do("PATCH", at, string(chunk), "Content-Type", "application/octet-stream")
		if got.status != 202 {
			t.Fatalf("PATCH: %d %s", got.status, got.body)
		}
		at = got.header.Get("Location")
	}
	sum := digest.FromString(layer)
	if got := d.do("PUT", at+"?digest="+string(sum), ""); got.status != 201 {
		t.Fatalf("PUT: %d %s", got.status, got.body)
	}
	if got := d.do("GET", "/v2/team/app/blobs/"+string(sum), "", "Range", "bytes=0-99"); got.status != 206 || got.body != layer[:100] {
		t.Errorf("GET of the first bytes: %d, %d bytes", got.status, len(got.body))
	}
}

func random(t *testing.T, n int) string {
	t.Helper()
	var b bytes.Buffer
	if _, err := io.CopyN(&b, rand.Reader, int64(n)); err != nil {
		t.Fatal(err)
	}
	return b.String()
}
