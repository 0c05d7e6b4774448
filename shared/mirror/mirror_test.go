package mirror_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	v1 "github.com/opencontainers/image-spec/specs-go/v1"
	"oras.land/oras-go/v2/registry/remote/errcode"

	"github.com/berthregistry/berth/shared/mirror"
	"github.com/berthregistry/berth/shared/oci"
	"github.com/berthregistry/berth/shared/transfer"
)

// missing is how a registry refuses what lists something that it lacks.
func missing(d oci.Digest) error {
	return &errcode.ErrorResponse{
		Method: http.MethodPut, URL: &url.URL{Host: "registry.test"}, StatusCode: http.StatusBadRequest,
		Errors: errcode.Errors{{Code: errcode.ErrorCodeManifestBlobUnknown, Message: string(d)}},
	}
}

func TestAnImageIsCopiedAndThenLeftAlone(t *testing.T) {
	from, to := newShelf(t), newDock(t)
	d := from.image("{}", []string{"a", "bb"}, "1")
	s := mustCopy(t, from, to, mirror.Options{Images: []mirror.Image{{Reference: "1", Tags: []string{"x", "y"}}}})
	if to.tags["x"].Digest != d.Digest || to.tags["y"].Digest != d.Digest || len(to.tags) != 2 {
		t.Errorf("tags: got %v", to.tags)
	}
	if s.Blobs[transfer.Plain] != 3 || s.Bytes != 5 || s.Manifests != 1 || s.Images[0].There {
		t.Errorf("summary: got %+v", s)
	}

	clear(from.reads)
	to.asked = 0
	s = mustCopy(t, from, to, mirror.Options{Images: []mirror.Image{{Reference: "1", Tags: []string{"x"}}}})
	if to.asked != 1 || len(from.reads) != 0 {
		t.Errorf("an image that is there: %d questions and %d manifests read, want 1 and 0", to.asked, len(from.reads))
	}
	if !s.Images[0].There || s.Manifests != 0 || len(s.Blobs) != 0 {
		t.Errorf("summary: got %+v", s)
	}
}

// A tag that points elsewhere is moved, and one that is not there is made.
func TestOnlyTheTagIsNew(t *testing.T) {
	from, to := newShelf(t), newDock(t)
	d := from.image("{}", []string{"a"}, "1", "2")
	mustCopy(t, from, to, mirror.Options{Images: one("1")})
	to.tags["2"] = oci.Descriptor{Digest: oci.SHA256.Sum(nil)}
	s := mustCopy(t, from, to, mirror.Options{})
	if to.tags["2"].Digest != d.Digest {
		t.Errorf("tag 2: got %s", to.tags["2"].Digest)
	}
	if s.Bytes != 0 || s.Blobs[transfer.There] != 2 {
		t.Errorf("summary: got %+v", s)
	}
	if want := []string{"1", "2"}; len(s.Images) != 1 || !slices.Equal(s.Images[0].Tags, want) {
		t.Errorf("images: got %+v, want one with %q", s.Images, want)
	}
}

// multi is an index of three platforms, an attestation of each, something
// without a platform, and a blob.
type multi struct {
	index, amd64, arm64, armv7, ofAMD64, ofARM64, plain, blob oci.Descriptor
}

func (s *shelf) multi(tags ...string) (m multi) {
	s.t.Helper()
	attest := func(of oci.Descriptor) oci.Descriptor {
		d := forPlatform(s.image("{}", []string{"attests " + string(of.Digest)}), "unknown", "unknown", "")
		d.Annotations = map[string]string{"vnd.docker.reference.digest": string(of.Digest), "vnd.docker.reference.type": "attestation-manifest"}
		return d
	}
	m.amd64 = forPlatform(s.image(`{"os":"linux","architecture":"amd64"}`, []string{"shared", "amd64"}), "linux", "amd64", "")
	m.arm64 = forPlatform(s.image(`{"os":"linux","architecture":"arm64"}`, []string{"shared", "arm64"}), "linux", "arm64", "v8")
	m.armv7 = forPlatform(s.image(`{"os":"linux","architecture":"arm"}`, []string{"armv7"}), "linux", "arm", "v7")
	m.ofAMD64, m.ofARM64 = attest(m.amd64), attest(m.arm64)
	m.plain = s.image("{}", []string{"no platform"})
	m.blob = s.blob("application/vnd.buildkit.cacheconfig.v0", "cache")
	m.index = s.index([]oci.Descriptor{m.amd64, m.arm64, m.armv7, m.ofAMD64, m.ofARM64, m.plain, m.blob}, tags...)
	return m
}

func TestAPlatformKeepsTheIndex(t *testing.T) {
	from, to := newShelf(t), newDock(t)
	to.sparse = true
	m := from.multi("1")
	signature := from.artifact("signature", m.index)
	other := from.artifact("signature of another", m.amd64)
	s := mustCopy(t, from, to, mirror.Options{Images: one("1"), Platforms: []string{"linux/arm64"}, Referrers: true})
	to.wants(t, []oci.Descriptor{m.index, m.arm64, m.ofARM64, m.plain, m.blob, signature}, []oci.Descriptor{m.amd64, m.armv7, m.ofAMD64, other})
	if to.tags["1"].Digest != m.index.Digest {
		t.Errorf("tag 1: got %s, want the index", to.tags["1"].Digest)
	}
	if s.Images[0].Left != 3 {
		t.Errorf("left out: got %d, want 3", s.Images[0].Left)
	}

	// The same tag is there, but not all that is wanted now.
	to.asked = 0
	mustCopy(t, from, to, mirror.Options{Images: one("1")})
	to.wants(t, []oci.Descriptor{m.amd64, m.armv7, m.ofAMD64}, nil)
	if to.asked != 3 { // the tag, the entries, the blobs
		t.Errorf("%d questions, want 3", to.asked)
	}
	to.asked = 0
	mustCopy(t, from, to, mirror.Options{Images: one("1")})
	if to.asked != 3 { // as above: the index lists a blob
		t.Errorf("%d questions about an index that is there, want 3", to.asked)
	}
}

func TestPlatforms(t *testing.T) {
	for _, c := range []struct {
		platforms []string
		want      func(m multi) []oci.Descriptor
		says      string
	}{
		{platforms: []string{"linux/arm"}, want: func(m multi) []oci.Descriptor { return []oci.Descriptor{m.armv7} }},
		{platforms: []string{"linux/arm/v7"}, want: func(m multi) []oci.Descriptor { return []oci.Descriptor{m.armv7} }},
		{platforms: []string{"linux/amd64", "linux/arm64/v8"}, want: func(m multi) []oci.Descriptor {
			return []oci.Descriptor{m.amd64, m.arm64, m.ofAMD64, m.ofARM64}
		}},
		{platforms: []string{"linux/arm64/v9"}, says: "there is nothing for linux/arm64/v9, but for linux/amd64, linux/arm/v7, linux/arm64/v8"},
		{platforms: []string{"linux/ar"}, says: "nothing for linux/ar"},
	} {
		from, to := newShelf(t), newDock(t)
		to.sparse = true
		m := from.multi("1")
		_, err := mirror.Copy(t.Context(), from, to, options(mirror.Options{Images: one("1"), Platforms: c.platforms}))
		if c.says != "" {
			if err == nil || !strings.Contains(err.Error(), c.says) {
				t.Errorf("%q: got %v, want %q in it", c.platforms, err, c.says)
			}
			continue
		}
		if err != nil {
			t.Errorf("%q: %v", c.platforms, err)
		}
		for _, d := range []oci.Descriptor{m.amd64, m.arm64, m.armv7, m.ofAMD64, m.ofARM64} {
			want := slices.ContainsFunc(c.want(m), func(o oci.Descriptor) bool { return o.Digest == d.Digest })
			if got := to.bytes[d.Digest] != nil; got != want {
				t.Errorf("%q: entry for %s was copied: %v, want %v", c.platforms, oci.PlatformString(d.Platform), got, want)
			}
		}
	}
}

// Whoever asks for a platform does not want an image of another.
func TestAPlatformOfAnImage(t *testing.T) {
	from, to := newShelf(t), newDock(t)
	from.image(`{"os":"linux","architecture":"amd64"}`, nil, "amd64")
	from.image(`{"os":"linux","architecture":"arm","variant":"v7"}`, nil, "arm")
	from.image(`{}`, []string{"chart"}, "artifact")
	arm := []string{"linux/arm"}
	_, err := mirror.Copy(t.Context(), from, to, options(mirror.Options{Images: one("amd64"), Platforms: arm}))
	if err == nil || !strings.Contains(err.Error(), "but for linux/amd64") {
		t.Errorf("got %v", err)
	}
	mustCopy(t, from, to, mirror.Options{Images: one("arm"), Platforms: arm})
	mustCopy(t, from, newDock(t), mirror.Options{Images: one("amd64"), Platforms: []string{"linux/amd64/v3"}}) // it may be
	mustCopy(t, from, to, mirror.Options{Images: one("artifact"), Platforms: arm})

	to = newDock(t)
	s := mustCopy(t, from, to, mirror.Options{Platforms: arm}) // of all tags, those that fit
	if len(s.Images) != 2 || len(to.tags) != 2 {
		t.Errorf("got %d images and the tags %v", len(s.Images), to.tags)
	}
}

func TestARegistryThatWantsWholeIndexes(t *testing.T) {
	from, to := newShelf(t), newDock(t)
	m := from.multi("1")
	_, err := mirror.Copy(t.Context(), from, to, options(mirror.Options{Images: one("1"), Platforms: []string{"linux/amd64"}}))
	sparse, ok := errors.AsType[*mirror.SparseError](err)
	if !ok || sparse.Index != m.index.Digest || sparse.Left != 3 {
		t.Errorf("got %v", err)
	}
	if _, tagged := to.tags["1"]; tagged {
		t.Error("the tag is there")
	}
	to.fail = missing(m.blob.Digest) // nothing was left out: another trouble
	_, err = mirror.Copy(t.Context(), from, to, options(mirror.Options{Images: one("1")}))
	if _, ok := errors.AsType[*mirror.SparseError](err); ok || err == nil {
		t.Errorf("got %v", err)
	}
}

func TestAnOriginThatLacksAPlatform(t *testing.T) {
	from, to := newShelf(t), newDock(t)
	m := from.multi("1")
	delete(from.bytes, m.armv7.Digest)
	_, err := mirror.Copy(t.Context(), from, to, options(mirror.Options{Images: one("1")}))
	if err == nil || !strings.Contains(err.Error(), "lists for linux/arm/v7, is not there") {
		t.Errorf("got %v", err)
	}
}

func TestASingleImage(t *testing.T) {
	for _, platforms := range [][]string{{"linux/arm/v7"}, {"linux/arm"}} {
		from, to := newShelf(t), newDock(t)
		m := from.multi("1")
		s := mustCopy(t, from, to, mirror.Options{Images: one("1"), Platforms: platforms, Single: true})
		if to.tags["1"].Digest != m.armv7.Digest || s.Images[0].Digest != m.armv7.Digest {
			t.Errorf("%q: got %s, want the image for linux/arm/v7", platforms, to.tags["1"].Digest)
		}
		to.wants(t, nil, []oci.Descriptor{m.index, m.amd64, m.plain})
	}
	from := newShelf(t)
	from.multi("1")
	from.index([]oci.Descriptor{
		forPlatform(from.image(`{"os":"linux","architecture":"amd64"}`, []string{"nonsense"}), "linux", "arm64", ""),
	}, "other config")
	mustCopy(t, from, newDock(t), mirror.Options{Images: one("other config"), Platforms: []string{"linux/arm64"}, Single: true})
	_, err := mirror.Copy(t.Context(), from, newDock(t), options(mirror.Options{Images: one("1"), Platforms: []string{"linux/arm", "linux/amd64"}, Single: true}))
	if err == nil || !strings.Contains(err.Error(), "has 2 images") {
		t.Errorf("got %v", err)
	}
	from.index([]oci.Descriptor{from.index([]oci.Descriptor{forPlatform(from.image("{}", nil), "plan9", "mips", "")})}, "nested")
	mustCopy(t, from, newDock(t), mirror.Options{Images: one("nested"), Single: true})
}

func TestReferrers(t *testing.T) {
	from, to := newShelf(t), newDock(t)
	m := from.multi("1", "latest")
	sbom := from.artifact("sbom", m.amd64)
	signed := from.artifact("signature of the sbom", sbom)
	stamped := from.artifact("time of the signature", signed)

	tag := func(d oci.Descriptor, suffix string) string {
		return strings.Replace(string(d.Digest), ":", "-", 1) + suffix
	}
	sig := from.image("{}", []string{"cosign"}, tag(m.index, ".sig"))
	att := from.image("{}", []string{"attested"}, tag(m.arm64, ".att"))
	sigOfSig := from.image("{}", []string{"signed twice"}, tag(sig, ".sig"))
	old := from.imageOf("{}", "listed by a tag only")
	old.Subject = &m.index
	oldD := from.manifest(v1.MediaTypeImageManifest, old)
	list := from.index([]oci.Descriptor{oldD}, tag(m.index, ""))

	mustCopy(t, from, to, mirror.Options{Images: one("1")})
	to.wants(t, []oci.Descriptor{m.index}, []oci.Descriptor{sbom, sig, oldD})

	for _, hide := range []bool{false, true} {
		from.hideTags, to = hide, newDock(t)
		s := mustCopy(t, from, to, mirror.Options{Images: one("1"), Referrers: true})
		to.wants(t, []oci.Descriptor{m.index, sbom, signed, stamped, sig, att, sigOfSig, oldD}, []oci.Descriptor{list})
		for name, d := range map[string]oci.Descriptor{tag(m.index, ".sig"): sig, tag(m.arm64, ".att"): att, tag(sig, ".sig"): sigOfSig, "1": m.index} {
			if to.tags[name].Digest != d.Digest {
				t.Errorf("tag %s: got %s, want %s", name, to.tags[name].Digest, d.Digest)
			}
		}
		if last := to.order[len(to.order)-1]; last != "1" {
			t.Errorf("the last that was put is %s, want the tag of the image", last)
		}
		if len(s.Images) != 1 {
			t.Errorf("images: got %+v", s.Images)
		}
	}

	// Something new refers to an image that is there.
	late := from.artifact("scanned later", m.amd64)
	s := mustCopy(t, from, to, mirror.Options{Images: one("1"), Referrers: true})
	to.wants(t, []oci.Descriptor{late}, nil)
	if s.Manifests != 1 || !s.Images[0].There {
		t.Errorf("summary: got %+v", s)
	}

	// All tags are those of people, and cosign's.
	to = newDock(t)
	from.hideTags = false
	mustCopy(t, from, to, mirror.Options{})
	if _, there := to.tags[tag(m.index, "")]; there || len(to.tags) != 5 {
		t.Errorf("all tags: got %v", to.tags)
	}
	for _, want := range []int{5, 0} { // what only refers to them, and then nothing
		if s := mustCopy(t, from, to, mirror.Options{Referrers: true}); s.Manifests != want {
			t.Errorf("all tags with referrers: %d manifests were put, want %d", s.Manifests, want)
		}
	}
}

// An origin that lies: each artifact is said to be about the next, the last
// about the first.
func TestReferrersInARing(t *testing.T) {
	from, to := newShelf(t), newDock(t)
	first := from.image("{}", []string{"first"}, "1")
	second := from.artifact("second", first)
	third := from.image("{}", []string{"third"})
	from.refer[second.Digest] = []oci.Descriptor{third}
	from.refer[third.Digest] = []oci.Descriptor{first, second}
	s := mustCopy(t, from, to, mirror.Options{Images: one("1"), Referrers: true})
	to.wants(t, []oci.Descriptor{first, second}, []oci.Descriptor{third})
	if s.Manifests != 2 {
		t.Errorf("%d manifests were put, want 2", s.Manifests)
	}
	// The target has some of them, which are not read then.
	to.bytes[third.Digest] = from.bytes[third.Digest]
	delete(to.tags, "1")
	mustCopy(t, from, to, mirror.Options{Images: one("1"), Referrers: true})
}

// The same of what is there, and so not read, until a tag is found for it.
func TestARingOfWhatIsThere(t *testing.T) {
	from, to := newShelf(t), newDock(t)
	signature := from.image("{}", []string{"signature"})
	inner := from.index([]oci.Descriptor{signature})
	root := from.index([]oci.Descriptor{inner}, "1")
	from.refer[root.Digest] = []oci.Descriptor{signature}
	tag := "sha256-" + inner.Digest.Encoded() + ".sig"
	from.tags[tag] = signature
	mustCopy(t, from, to, mirror.Options{Images: []mirror.Image{{Reference: string(signature.Digest)}}})
	mustCopy(t, from, to, mirror.Options{Images: one("1"), Referrers: true})
	to.wants(t, []oci.Descriptor{root, inner}, nil)
	if to.tags["1"].Digest != root.Digest || to.tags[tag].Digest != signature.Digest {
		t.Errorf("tags: got %v", to.tags)
	}
}

// An origin that lies about what an index needs does not keep it from coming.
func TestAnEntryThatIsCalledAReferrer(t *testing.T) {
	for depth := range 4 {
		from := newShelf(t)
		inner := from.image("{}", []string{"inner"})
		index := inner
		for range depth {
			index = from.index([]oci.Descriptor{index})
		}
		beside := from.image("{}", []string{"beside"})
		root := from.index([]oci.Descriptor{beside, index}, "1")
		for _, subject := range []oci.Descriptor{root, beside} {
			from.refer[subject.Digest] = []oci.Descriptor{inner}
			to := newDock(t)
			mustCopy(t, from, to, mirror.Options{Images: one("1"), Referrers: true})
			to.wants(t, []oci.Descriptor{root, inner, beside}, nil)
		}
	}
}

func TestDepthIsBounded(t *testing.T) {
	from := newShelf(t)
	d := from.image("{}", nil)
	for range 17 {
		d = from.index([]oci.Descriptor{d})
	}
	from.tags["1"] = d
	_, err := mirror.Copy(t.Context(), from, newDock(t), options(mirror.Options{Images: one("1")}))
	if err == nil || !strings.Contains(err.Error(), "deep") {
		t.Errorf("got %v", err)
	}
}

// endless is a registry that claims a new referrer for each it is asked about.
type endless struct{ *shelf }

func (e endless) Referrers(_ context.Context, subject oci.Descriptor) ([]oci.Descriptor, error) {
	var many []oci.Descriptor
	for i := range 51_000 {
		d := subject
		d.Digest = oci.SHA256.Sum(fmt.Append(nil, subject.Digest, i))
		many = append(many, d)
	}
	return many, nil
}

func TestCountIsBounded(t *testing.T) {
	from := newShelf(t)
	from.image("{}", nil, "1")
	_, err := mirror.Copy(t.Context(), endless{from}, newDock(t), options(mirror.Options{Images: one("1"), Referrers: true}))
	if err == nil || !strings.Contains(err.Error(), "manifests") {
		t.Errorf("got %v", err)
	}
}

func TestADryRunChangesNothing(t *testing.T) {
	from, to := newShelf(t), newDock(t)
	m := from.multi("1")
	w := &witness{}
	_, err := mirror.Copy(t.Context(), from, to, mirror.Options{Images: one("1"), DryRun: true, Watcher: w, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	if len(to.bytes)+len(to.tags)+len(w.settled)+len(w.placed) != 0 {
		t.Errorf("something was done: %v %v", to.order, w)
	}
	if len(w.plan.Place) != 7 || w.plan.Place[6].Digest != m.index.Digest || len(w.plan.Move) == 0 || w.plan.Bytes() == 0 {
		t.Errorf("plan: got %+v", w.plan)
	}
}

// Layers that must not be pushed are left where they are.
func TestForeignLayers(t *testing.T) {
	from, to := newShelf(t), newDock(t)
	i := from.imageOf("{}", "a")
	foreign := oci.Descriptor{MediaType: "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip", Digest: oci.SHA256.Sum([]byte("elsewhere")), Size: 9}
	i.Layers = append(i.Layers, foreign)
	from.manifest(v1.MediaTypeImageManifest, i, "1")
	mustCopy(t, from, to, mirror.Options{Images: one("1")})
	to.wants(t, nil, []oci.Descriptor{foreign})
}

// What was brought before a copy was cut is not brought again.
func TestACopyGoesOn(t *testing.T) {
	from, to := newShelf(t), newDock(t)
	m := from.multi("1")
	to.fail = errors.New("cut")
	if _, err := mirror.Copy(t.Context(), from, to, options(mirror.Options{Images: one("1")})); err == nil {
		t.Fatal("no error")
	}
	to.fail = nil
	s := mustCopy(t, from, to, mirror.Options{Images: one("1")})
	if s.Bytes != 0 || to.tags["1"].Digest != m.index.Digest {
		t.Errorf("summary: got %+v", s)
	}

	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := mirror.Copy(ctx, from, newDock(t), options(mirror.Options{Images: one("1")})); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want that it was cancelled", err)
	}
}
