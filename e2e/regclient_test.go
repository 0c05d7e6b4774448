package e2e

import (
	"bytes"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/opencontainers/go-digest"
	"github.com/opencontainers/image-spec/specs-go"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
	"github.com/regclient/regclient"
	"github.com/regclient/regclient/scheme"
	"github.com/regclient/regclient/scheme/reg"
	"github.com/regclient/regclient/types/descriptor"
	"github.com/regclient/regclient/types/manifest"
	"github.com/regclient/regclient/types/ref"
)

// traffic notes the method and status of each request that a client sends.
type traffic struct {
	mu   sync.Mutex
	seen []string
}

func (r *traffic) RoundTrip(req *http.Request) (*http.Response, error) {
	resp, err := http.DefaultTransport.RoundTrip(req)
	if err == nil {
		r.mu.Lock()
		defer r.mu.Unlock()
		r.seen = append(r.seen, req.Method+" "+resp.Status)
	}
	return resp, err
}

// count returns how many requests had this method and status.
func (r *traffic) count(methodAndStatus string) int {
	r.mu.Lock()
	defer r.mu.Unlock()
	n := 0
	for _, s := range r.seen {
		if strings.HasPrefix(s, methodAndStatus) {
			n++
		}
	}
	return n
}

// client returns a regclient whose requests are noted.
func (r *traffic) client(opts ...reg.Opts) *regclient.RegClient {
	noted := reg.WithHTTPClient(&http.Client{Transport: r})
	return newRegclient(regclient.WithRegOpts(append(opts, noted)...))
}

// describe returns the descriptor of a blob by the given algorithm.
func describe(blob []byte, algorithm digest.Algorithm) descriptor.Descriptor {
	return descriptor.Descriptor{
		MediaType: ocispec.MediaTypeImageLayer,
		Digest:    algorithm.FromBytes(blob),
		Size:      int64(len(blob)),
	}
}

func checkBlob(t *testing.T, rc *regclient.RegClient, repo ref.Ref, d descriptor.Descriptor, want []byte) {
	t.Helper()
	r, err := rc.BlobGet(t.Context(), repo, d)
	if err != nil {
		t.Fatalf("get %s: %v", d.Digest, err)
	}
	defer r.Close()
	got, err := io.ReadAll(r)
	if err != nil {
		t.Fatalf("read %s: %v", d.Digest, err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("%s came back with other bytes: %d, want %d", d.Digest, len(got), len(want))
	}
}

func TestRegclientPushesChunks(t *testing.T) {
	t.Parallel()
	const chunk, chunks = 1 << 20, 21
	for _, algorithm := range []digest.Algorithm{digest.SHA256, digest.SHA512} {
		blob := randomBytes(chunks*chunk - 17)
		d := describe(blob, algorithm)
		var seen traffic
		rc := seen.client(reg.WithBlobSize(chunk, chunk))
		repo := regRef(t, host+"/"+newRepo(t))
		if _, err := rc.BlobPut(t.Context(), repo, d, bytes.NewReader(blob)); err != nil {
			t.Fatalf("push %s: %v", d.Digest, err)
		}
		if got := seen.count("PATCH 202"); got != chunks {
			t.Errorf("%s went up in %d chunks, want %d", algorithm, got, chunks)
		}
		checkBlob(t, rc, repo, d, blob)
	}
}

// A blob that the registry has anywhere need not be sent again, and the client
// need not say where it is.
func TestRegclientMountsWithoutNamingTheSource(t *testing.T) {
	t.Parallel()
	blob := randomBytes(2 << 20)
	d := describe(blob, digest.SHA256)
	source, target := regRef(t, host+"/"+newRepo(t)), regRef(t, host+"/"+newRepo(t))
	if _, err := newRegclient().BlobPut(t.Context(), source, d, bytes.NewReader(blob)); err != nil {
		t.Fatalf("push: %v", err)
	}
	var seen traffic
	rc := seen.client()
	if _, err := rc.BlobPut(t.Context(), target, d, bytes.NewReader(blob)); err != nil {
		t.Fatalf("push again: %v", err)
	}
	if mounts, puts := seen.count("POST 201"), seen.count("PUT"); mounts != 1 || puts != 0 {
		t.Errorf("got %d mounts and %d uploads, want 1 and 0", mounts, puts)
	}
	checkBlob(t, rc, target, d, blob)
}

func TestRegclientMountsFromAnotherRepository(t *testing.T) {
	t.Parallel()
	blob := randomBytes(64 << 10)
	d := describe(blob, digest.SHA256)
	source, target := regRef(t, host+"/"+newRepo(t)), regRef(t, host+"/"+newRepo(t))
	rc := newRegclient()
	if _, err := rc.BlobPut(t.Context(), source, d, bytes.NewReader(blob)); err != nil {
		t.Fatalf("push: %v", err)
	}
	if err := rc.BlobMount(t.Context(), source, target, d); err != nil {
		t.Fatalf("mount: %v", err)
	}
	checkBlob(t, rc, target, d, blob)
}

// putArtifact pushes an artifact of one blob, attached to subject unless that
// is nil, under the digest of the given algorithm, and returns its descriptor.
func putArtifact(t *testing.T, rc *regclient.RegClient, repo ref.Ref, artifactType string,
	subject *ocispec.Descriptor, algorithm digest.Algorithm) (descriptor.Descriptor, []byte) {
	t.Helper()
	layer := randomBytes(100)
	for _, blob := range [][]byte{layer, ocispec.DescriptorEmptyJSON.Data} {
		if _, err := rc.BlobPut(t.Context(), repo, describe(blob, algorithm), bytes.NewReader(blob)); err != nil {
			t.Fatalf("push a blob: %v", err)
		}
	}
	raw := marshal(t, ocispec.Manifest{
		Versioned:    specs.Versioned{SchemaVersion: 2},
		MediaType:    ocispec.MediaTypeImageManifest,
		ArtifactType: artifactType,
		Config:       ociDescriptor(ocispec.MediaTypeEmptyJSON, ocispec.DescriptorEmptyJSON.Data, algorithm),
		Layers:       []ocispec.Descriptor{ociDescriptor("text/plain", layer, algorithm)},
		Subject:      subject,
	})
	d := descriptor.Descriptor{
		MediaType: ocispec.MediaTypeImageManifest,
		Digest:    algorithm.FromBytes(raw),
		Size:      int64(len(raw)),
	}
	m, err := manifest.New(manifest.WithRaw(raw), manifest.WithDesc(d))
	if err != nil {
		t.Fatalf("make an artifact: %v", err)
	}
	if err := rc.ManifestPut(t.Context(), repo.SetDigest(d.Digest.String()), m); err != nil {
		t.Fatalf("push an artifact: %v", err)
	}
	return d, raw
}

func TestRegclientPutsAndListsReferrers(t *testing.T) {
	t.Parallel()
	name := newRepo(t)
	cranePush(t, newLayout(t, newImage(t, 1<<10)), name)
	var seen traffic
	rc, image := seen.client(), regRef(t, host+"/"+name+":"+tag)
	head, err := rc.ManifestHead(t.Context(), image, regclient.WithManifestRequireDigest())
	if err != nil {
		t.Fatalf("head: %v", err)
	}
	on := head.GetDescriptor()
	subject := &ocispec.Descriptor{MediaType: on.MediaType, Digest: on.Digest, Size: on.Size}
	var want []digest.Digest
	for range 3 {
		d, _ := putArtifact(t, rc, image, "application/x.sbom", subject, digest.SHA256)
		want = append(want, d.Digest)
	}
	other, _ := putArtifact(t, rc, image, "application/x.signature", subject, digest.SHA256)

	checkReferrers(t, rc, image, "application/x.sbom", want)
	checkReferrers(t, rc, image, "", append(want, other.Digest))
	if err := rc.ManifestDelete(t.Context(), image.SetDigest(other.Digest.String())); err != nil {
		t.Fatalf("delete: %v", err)
	}
	checkReferrers(t, rc, image, "", want)

	// A registry without referrers would have been given a tag in their place.
	if tags := listTags(t, rc, image); !slices.Equal(tags, []string{tag}) {
		t.Errorf("got tags %q, want only %q", tags, tag)
	}
}

func checkReferrers(t *testing.T, rc *regclient.RegClient, image ref.Ref, artifactType string, want []digest.Digest) {
	t.Helper()
	match := descriptor.MatchOpt{ArtifactType: artifactType}
	list, err := rc.ReferrerList(t.Context(), image, scheme.WithReferrerMatchOpt(match))
	if err != nil {
		t.Fatalf("list referrers: %v", err)
	}
	var got []digest.Digest
	for _, d := range list.Descriptors {
		got = append(got, d.Digest)
	}
	want = slices.Clone(want)
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got, want) {
		t.Errorf("referrers of type %q: got %q, want %q", artifactType, got, want)
	}
}

func listTags(t *testing.T, rc *regclient.RegClient, repo ref.Ref) []string {
	t.Helper()
	list, err := rc.TagList(t.Context(), repo)
	if err != nil {
		t.Fatalf("list tags: %v", err)
	}
	tags, err := list.GetTags()
	if err != nil {
		t.Fatalf("list tags: %v", err)
	}
	return tags
}

func TestRegclientDeletesATag(t *testing.T) {
	t.Parallel()
	name := newRepo(t)
	cranePush(t, newLayout(t, newImage(t, 1<<10)), name)
	rc, kept := newRegclient(), regRef(t, host+"/"+name+":"+tag)
	gone := kept.SetTag("gone")
	if err := rc.ImageCopy(t.Context(), kept, gone); err != nil {
		t.Fatalf("tag: %v", err)
	}
	if got, want := listTags(t, rc, kept), []string{"gone", tag}; !slices.Equal(got, want) {
		t.Fatalf("got tags %q, want %q", got, want)
	}
	if err := rc.TagDelete(t.Context(), gone); err != nil {
		t.Fatalf("delete a tag: %v", err)
	}
	if got, want := listTags(t, rc, kept), []string{tag}; !slices.Equal(got, want) {
		t.Errorf("got tags %q, want %q", got, want)
	}
	if _, err := rc.ManifestGet(t.Context(), kept); err != nil {
		t.Errorf("the tag beside it: %v", err)
	}
}

func TestRegclientCopiesWithReferrers(t *testing.T) {
	t.Parallel()
	source, target := newRepo(t), newRepo(t)
	cranePush(t, newLayout(t, newImage(t, 1<<10)), source)
	rc, image := newRegclient(), regRef(t, host+"/"+source+":"+tag)
	head, err := rc.ManifestHead(t.Context(), image, regclient.WithManifestRequireDigest())
	if err != nil {
		t.Fatalf("head: %v", err)
	}
	on := head.GetDescriptor()
	subject := &ocispec.Descriptor{MediaType: on.MediaType, Digest: on.Digest, Size: on.Size}
	d, _ := putArtifact(t, rc, image, "application/x.sbom", subject, digest.SHA256)

	regclientCopy(t, host+"/"+source+":"+tag, host+"/"+target+":"+tag, regclient.ImageWithReferrers())
	checkReferrers(t, rc, regRef(t, host+"/"+target+":"+tag), "", []digest.Digest{d.Digest})
}

// Every digest of this artifact is a sha512, its own too.
func TestRegclientPushesSHA512(t *testing.T) {
	t.Parallel()
	rc, repo := newRegclient(), regRef(t, host+"/"+newRepo(t))
	d, want := putArtifact(t, rc, repo, "application/x.thing", nil, digest.SHA512)
	m, err := rc.ManifestGet(t.Context(), repo.SetDigest(d.Digest.String()))
	if err != nil {
		t.Fatalf("get: %v", err)
	}
	got, err := m.RawBody()
	if err != nil || !bytes.Equal(got, want) {
		t.Errorf("the manifest came back as %q, %v, want %q", got, err, want)
	}
	if got := m.GetDescriptor().Digest; got != d.Digest {
		t.Errorf("got digest %s, want %s", got, d.Digest)
	}
}
