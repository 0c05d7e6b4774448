package registry_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/berthregistry/berth/shared/oci"
	"github.com/berthregistry/berth/shared/registry"
	"github.com/berthregistry/berth/shared/table"
)

// An intrusion is a repository with something to hide, and somebody who may push
// and pull the tag dev of it, who knows digests, and who wants to read the secret
// layer of the image rel.
type intrusion struct {
	*stage
	tab    *memTable
	now    time.Time
	secret []byte // a layer
	image  []byte // the image of it, tagged rel
	own    []byte // a layer of the intruder's
	rights registry.Rights
}

func newIntrusion(t *testing.T) *intrusion {
	in := &intrusion{tab: newMemTable(), now: time.Now(), secret: filled("secret", 300), own: filled("own", 30)}
	sparse := registry.Rules{Indexes: registry.IndexRule{AllowMissing: true, AllowUnnamed: true}, SparseImages: true}
	reg := registry.New(in.tab, newMemBlobs(), registry.Options{
		Rules: func(string) registry.Rules { return sparse }, Now: func() time.Time { return in.now },
	})
	in.stage = &stage{newCast(), t, reg}
	in.image = image(describe(blobType, in.config), []oci.Descriptor{describe(blobType, in.secret)}, nil)
	in.do(putBlob(home, in.config), putBlob(home, in.secret), push(in.image, "rel"))
	in.do(push(index(nil, map[string]any{"manifests": []any{}}), "dev"))
	dev := only("dev")
	in.rights = registry.Rights{Pull: dev, Push: dev, Tag: dev, Attach: dev, Delete: dev, Who: "mallory"}
	in.rights.Elsewhere = func(repo string) registry.Rights {
		if repo == home {
			return in.rights
		}
		return registry.Rights{}
	}
	in.may(putBlob(home, in.own))
	return in
}

func (in *intrusion) mallory() *registry.Registry { return in.reg.For(in.rights) }

// tries lets mallory do something and returns what came of it.
func (in *intrusion) tries(o op) error {
	_, err := o.do(in.t.Context(), in.mallory())
	return err
}

// may lets mallory do what is allowed.
func (in *intrusion) may(ops ...op) {
	in.t.Helper()
	for _, o := range ops {
		if err := in.tries(o); err != nil {
			in.t.Fatalf("%s: %v", o.name, err)
		}
	}
}

// mayNot holds what mallory tries to an error.
func (in *intrusion) mayNot(want error, ops ...op) {
	in.t.Helper()
	for _, o := range ops {
		if err := in.tries(o); !errors.Is(err, want) {
			in.t.Errorf("%s: %v, want %v", o.name, err, want)
		}
	}
}

// keepsSecret says that mallory still reads neither the secret nor its image, and
// is told the same as about what does not exist.
func (in *intrusion) keepsSecret() {
	in.t.Helper()
	for _, hints := range [][]oci.Reference{nil, {byTag("rel"), byDigest(in.image)}, {byTag("dev"), byDigest(in.image)}} {
		in.rights.Hints = hints
		for _, kind := range []func([]byte) op{
			func(b []byte) op { return readBlob(home, b) },
			func(b []byte) op { return look(byDigest(b)) },
			func(b []byte) op { return referrersOf(b) },
		} {
			absent := bytes.ToUpper(in.secret)
			same(in, kind(in.secret), kind(absent), in.secret, absent)
			absent = bytes.ToUpper(in.image)
			same(in, kind(in.image), kind(absent), in.image, absent)
		}
	}
	in.rights.Hints = nil
}

// same holds the answers about two contents to each other, but for the digest.
func same(in *intrusion, hidden, absent op, hiddenBody, absentBody []byte) {
	in.t.Helper()
	tell := func(o op, body []byte) string {
		word, err := o.do(in.t.Context(), in.mallory())
		var known *oci.Error
		if errors.As(err, &known) {
			word += fmt.Sprint(known, known.Detail)
		}
		return strings.ReplaceAll(word, string(oci.SHA256.Sum(body)), "DIGEST")
	}
	if got, want := tell(hidden, hiddenBody), tell(absent, absentBody); got != want {
		in.t.Errorf("%s: got %q, about what is absent %q", hidden.name, got, want)
	}
}

func referrersOf(body []byte) op {
	return op{name: "list referrers", do: func(ctx context.Context, r *registry.Registry) (string, error) {
		page, err := r.Referrers(ctx, home, oci.SHA256.Sum(body), "", "")
		return string(bytes.Join(page.Descriptors, []byte(" "))), err
	}}
}

// listing is an image of some layers, with the intruder's blob as its config.
func (in *intrusion) listing(layers ...oci.Descriptor) []byte {
	return image(describe(blobType, in.own), layers, nil)
}

func TestGuessInManifest(t *testing.T) {
	in := newIntrusion(t)
	in.mayNot(oci.ErrManifestBlobUnknown, push(in.listing(describe(blobType, in.secret)), "dev"))
	in.keepsSecret()
}

// TestGuessOfSize: a wrong size would be answered with the right one.
func TestGuessOfSize(t *testing.T) {
	in := newIntrusion(t)
	guess := describe(blobType, in.secret)
	guess.Size++
	in.mayNot(oci.ErrManifestBlobUnknown, push(in.listing(guess), "dev"))
	if err := in.tries(push(in.listing(guess), "dev")); strings.Contains(err.Error(), fmt.Sprint(len(in.secret))) {
		t.Errorf("%v tells the size", err)
	}
}

// TestGuessInSparseIndex: where an index may be sparse it must not list what is
// hidden, nor what is not here yet.
func TestGuessInSparseIndex(t *testing.T) {
	in := newIntrusion(t)
	later := image(describe(blobType, in.secret), nil, nil)
	in.mayNot(oci.ErrManifestBlobUnknown,
		push(index([]oci.Descriptor{describe(oci.MediaTypeImage, in.image)}, nil), "dev"),
		push(index([]oci.Descriptor{describe(oci.MediaTypeImage, later)}, nil), "dev"))
	in.do(push(later))
	in.keepsSecret()
}

// TestForeignLayer: a layer that nobody needs to push could be one that is here.
func TestForeignLayer(t *testing.T) {
	in := newIntrusion(t)
	foreign := describe("application/vnd.docker.image.rootfs.foreign.diff.tar.gzip", in.secret)
	in.mayNot(oci.ErrManifestBlobUnknown, push(in.listing(foreign), "dev"))
	in.keepsSecret()
}

// TestMountOfHidden: from where, whether it is said or not, is read with the
// rights there.
func TestMountOfHidden(t *testing.T) {
	in := newIntrusion(t)
	in.do(putBlob(other, in.layer))
	in.mayNot(oci.ErrBlobUnknown, mount(home, home, in.secret), mount(home, other, in.layer), mount(home, "", in.layer), mount(home, "", in.secret))
	in.rights.Elsewhere = func(repo string) registry.Rights {
		return registry.Rights{Pull: only("dev"), Push: only("dev"), Who: "mallory"}
	}
	in.mayNot(oci.ErrBlobUnknown, mount(other, home, in.secret), mount(home, other, in.layer), mount(home, "", in.layer))
	in.mayNot(oci.ErrManifestBlobUnknown, push(in.listing(describe(blobType, in.layer)), "dev"))
	in.keepsSecret()
}

// TestMountOfVisible: what is mounted from where it is visible may be read and
// referred to, even if it was here before, hidden.
func TestMountOfVisible(t *testing.T) {
	in := newIntrusion(t)
	in.do(putBlob(other, in.layer), putBlob(home, in.layer))
	in.mayNot(oci.ErrBlobUnknown, readBlob(home, in.layer))
	in.rights.Elsewhere = func(string) registry.Rights { return registry.Rights{Pull: registry.AllTags()} }
	in.may(mount(home, "", in.layer), readBlob(home, in.layer), push(in.listing(describe(blobType, in.layer)), "dev"))
	in.keepsSecret()
}

// TestMountPastHidden: repositories that may not be pulled from are not among the
// few that are tried.
func TestMountPastHidden(t *testing.T) {
	in := newIntrusion(t)
	for n := range 30 {
		in.do(putBlob(fmt.Sprint("hidden/", n), in.layer))
	}
	in.do(putBlob("visible", in.layer))
	in.rights.Elsewhere = func(repo string) registry.Rights {
		if repo == "visible" {
			return registry.Rights{Pull: registry.AllTags()}
		}
		return registry.Rights{}
	}
	in.may(mount(home, "", in.layer))
}

// TestInUseByHidden: who may delete what is hidden is not told what needs it.
func TestInUseByHidden(t *testing.T) {
	in := newIntrusion(t)
	in.rights.Delete = registry.AllTags()
	err := in.tries(deleteBlob(home, in.secret))
	var known *oci.Error
	if !errors.As(err, &known) || !errors.Is(err, oci.ErrInUse) || strings.Contains(fmt.Sprint(known, known.Detail), string(oci.SHA256.Sum(in.image))) {
		t.Errorf("got %v", err)
	}
}

// TestTagOfHidden: who has the bytes of a hidden manifest, but not its layers,
// cannot tag it, nor list it in an index.
func TestTagOfHidden(t *testing.T) {
	in := newIntrusion(t)
	in.mayNot(oci.ErrManifestBlobUnknown, push(in.image, "dev"), push(in.image))
	in.rights.Push = registry.Tags{}
	in.mayNot(oci.ErrDenied, push(in.image, "dev"))
	in.keepsSecret()
}

// TestManifestAsBlob: the bytes of a hidden manifest can be sent as a blob. That
// makes neither an image with that layer, nor an index with that entry, lead to
// what the manifest lists.
func TestManifestAsBlob(t *testing.T) {
	in := newIntrusion(t)
	in.may(putBlob(home, in.image))
	layer, entry := describe(blobType, in.image), describe(oci.MediaTypeImage, in.image)
	in.may(push(in.listing(layer), "dev"))
	in.mayNot(oci.ErrBlobUnknown, readBlob(home, in.secret))
	in.may(push(index([]oci.Descriptor{layer}, nil), "dev"))
	in.mayNot(oci.ErrBlobUnknown, readBlob(home, in.secret))
	in.mayNot(oci.ErrManifestBlobUnknown, push(index([]oci.Descriptor{entry}, nil), "dev"))
	for _, hints := range [][]oci.Reference{{byTag("dev")}, {byTag("dev"), byDigest(in.image)}} {
		in.rights.Hints = hints
		in.mayNot(oci.ErrBlobUnknown, readBlob(home, in.secret))
	}
}

// TestManifestSentAsBlob: who has the bytes of a manifest and all that it lists,
// and sends them as a blob, does not learn whether it is here.
func TestManifestSentAsBlob(t *testing.T) {
	in := newIntrusion(t)
	hidden := in.listing()
	absent := image(describe(blobType, in.own), nil, map[string]any{"annotations": map[string]string{"note": "absent"}})
	in.do(push(hidden))
	in.may(putBlob(home, hidden), putBlob(home, absent))
	for _, manifest := range [][]byte{hidden, absent} {
		in.mayNot(oci.ErrManifestUnknown, look(byDigest(manifest)))
		in.mayNot(oci.ErrManifestBlobUnknown, push(index([]oci.Descriptor{describe(oci.MediaTypeImage, manifest)}, nil), "dev"))
		in.may(pushIf(registry.Precondition{NoneMatch: true}, manifest), look(byDigest(manifest)))
	}
}

// TestAttachToHidden: a referrer of what is hidden is refused, as is one of what
// does not exist, and what was only sent is no tag's.
func TestAttachToHidden(t *testing.T) {
	in := newIntrusion(t)
	own := in.listing()
	in.may(push(own))
	for _, subject := range [][]byte{in.image, bytes.ToUpper(in.image), own} {
		note := referrer(describe(blobType, in.own), describe(oci.MediaTypeImage, subject), "note", 1)
		in.mayNot(oci.ErrDenied, push(note), push(note, "dev"))
	}
	in.may(push(own, "dev"), push(referrer(describe(blobType, in.own), describe(oci.MediaTypeImage, own), "note", 1)))
	in.keepsSecret()
}

// TestReferrerIsNoWayDown: a subject is not reached from what refers to it.
func TestReferrerIsNoWayDown(t *testing.T) {
	in := newIntrusion(t)
	in.do(push(referrer(describe(blobType, in.config), describe(oci.MediaTypeImage, in.image), "note", 1), "dev"))
	in.keepsSecret()
}

// TestEdgesOfFailedPush: a push that never ended leaves edges up to a manifest
// that is not here. If its name is tagged by somebody else's index, they lead
// nowhere all the same.
func TestEdgesOfFailedPush(t *testing.T) {
	in := newIntrusion(t)
	ghost := in.listing(describe(blobType, in.secret))
	d := oci.SHA256.Sum(ghost)
	key := table.Key{Partition: "repo#" + home, Sort: "parent#" + string(oci.SHA256.Sum(in.secret)) + "#" + string(d)}
	if err := in.tab.Transact(t.Context(), table.Tx{Token: table.NewToken(), Actions: []table.Action{table.Put(key)}}); err != nil {
		t.Fatal(err)
	}
	in.do(push(index([]oci.Descriptor{describe(oci.MediaTypeImage, ghost)}, nil), "dev"))
	in.keepsSecret()
	in.rights.Hints = []oci.Reference{byTag("dev"), {Digest: d}}
	in.mayNot(oci.ErrBlobUnknown, readBlob(home, in.secret))
}

// TestIfMatchTellsNothing: neither by an answer, nor by its text, is the digest of
// a tag told that may be pushed but not pulled.
func TestIfMatchTellsNothing(t *testing.T) {
	in := newIntrusion(t)
	in.rights.Tag, in.rights.Delete = only("dev", "rel"), only("dev", "rel")
	d := oci.SHA256.Sum(in.image)
	right, wrong := registry.Precondition{Match: []oci.Digest{d}}, registry.Precondition{Match: []oci.Digest{oci.SHA256.Sum(nil)}}
	own := in.listing()
	for _, pre := range []registry.Precondition{right, wrong} {
		in.mayNot(oci.ErrDenied, pushIf(pre, own, "rel"))
		if err := in.mallory().DeleteTag(t.Context(), home, "rel", pre); !errors.Is(err, oci.ErrDenied) {
			t.Errorf("delete: %v", err)
		}
	}
	none := registry.Precondition{NoneMatch: true}
	for _, err := range []error{in.tries(pushIf(none, own, "rel")), in.mallory().DeleteTag(t.Context(), home, "rel", none)} {
		var known *oci.Error
		if !errors.As(err, &known) || !errors.Is(err, oci.ErrPrecondition) || strings.Contains(fmt.Sprint(known, known.Detail), "sha256") {
			t.Errorf("got %v", err)
		}
	}
	// Whether a manifest is here is told to who has sent it, nobody else.
	hidden := image(describe(blobType, in.own), nil, map[string]any{"annotations": map[string]string{"note": "hidden"}})
	in.do(push(hidden))
	in.may(pushIf(none, hidden))
	in.mayNot(oci.ErrPrecondition, pushIf(none, hidden))
}

// TestUploadOfAnother: who knows the id of somebody's upload neither adds to it
// nor finishes it: they would have sent what they have not.
func TestUploadOfAnother(t *testing.T) {
	in := newIntrusion(t)
	alice := in.rights
	alice.Who = "alice"
	u, err := in.reg.For(alice).StartUpload(t.Context(), home, "")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := appendTo(u.ID, 0, in.layer).do(t.Context(), in.reg.For(alice)); err != nil {
		t.Fatal(err)
	}
	d := oci.SHA256.Sum(in.layer)
	in.mayNot(oci.ErrUploadUnknown, finish(u.ID, len(in.layer), nil, d), appendTo(u.ID, len(in.layer), in.own), cancel(u.ID))
	if _, err := finish(u.ID, len(in.layer), nil, d).do(t.Context(), in.reg.For(alice)); err != nil {
		t.Error(err)
	}
	in.mayNot(oci.ErrUploadUnknown, finish(u.ID, len(in.layer), nil, d))
	in.mayNot(oci.ErrBlobUnknown, readBlob(home, in.layer))
}

// TestPolicyChanges: what was sent while more was in sight does not bring that
// back when the rights have shrunk, nor does what was sent long ago count.
func TestPolicyChanges(t *testing.T) {
	in := newIntrusion(t)
	in.rights.Pull = only("dev", "rel")
	all := index([]oci.Descriptor{describe(oci.MediaTypeImage, in.image)}, nil)
	in.may(push(all), readBlob(home, in.secret))
	in.rights.Pull = only("dev")
	in.mayNot(oci.ErrManifestBlobUnknown, push(all, "dev"), push(index([]oci.Descriptor{describe(oci.MediaTypeIndex, all)}, nil), "dev"))
	in.keepsSecret()

	in.may(readBlob(home, in.own))
	in.now = in.now.Add(25 * time.Hour)
	in.mayNot(oci.ErrBlobUnknown, readBlob(home, in.own))
	in.mayNot(oci.ErrManifestBlobUnknown, push(in.listing(), "dev"))
}

// TestMissingTellsOfNoHidden: of the indexes that list what is not here, hidden
// ones are neither named nor, by there being many, noticed.
func TestMissingTellsOfNoHidden(t *testing.T) {
	in := newIntrusion(t)
	absent := []oci.Descriptor{describe(oci.MediaTypeImage, in.listing())}
	in.do(push(index(absent, map[string]any{"annotations": map[string]string{"note": "seen"}}), "dev"))
	ask := func() string {
		_, err := in.mallory().Manifest(t.Context(), home, oci.Reference{Digest: absent[0].Digest})
		var known *oci.Error
		if !errors.As(err, &known) || !errors.Is(err, oci.ErrManifestUnknown) {
			t.Fatal(err)
		}
		return fmt.Sprint(known, known.Detail)
	}
	before := ask()
	for n := range 100 {
		in.do(push(index(absent, map[string]any{"annotations": map[string]string{"n": fmt.Sprint(n)}})))
	}
	if after := ask(); after != before || !strings.Contains(after, "index:") {
		t.Errorf("got %s, before there were others %s", after, before)
	}
}

// TestSentAndDeleted: what was sent while more was in sight, and has been deleted
// since, cannot be listed now for the day on which somebody else brings it back.
func TestSentAndDeleted(t *testing.T) {
	in := newIntrusion(t)
	in.rights.Pull = only("dev", "rel")
	of := func(body []byte, mediaType string) []byte {
		return index([]oci.Descriptor{describe(mediaType, body)}, nil)
	}
	inner := in.listing(describe(blobType, in.secret))
	middle := of(inner, oci.MediaTypeImage)
	in.may(push(inner), push(middle))
	in.do(deleteManifest(inner))
	in.rights.Pull = only("dev")
	in.mayNot(oci.ErrManifestBlobUnknown, push(of(middle, oci.MediaTypeIndex), "dev"))
	in.do(push(inner, "rel"))
	in.keepsSecret()
}

// TestManyManifestsSent: a push looks into so many manifests and no more.
func TestManyManifestsSent(t *testing.T) {
	in := newIntrusion(t)
	var images []oci.Descriptor
	for n := range 301 {
		img := image(describe(blobType, in.own), nil, map[string]any{"annotations": map[string]string{"n": fmt.Sprint(n)}})
		in.may(push(img))
		images = append(images, describe(oci.MediaTypeImage, img))
	}
	in.mayNot(oci.ErrManifestBlobUnknown, push(index(images, nil), "dev"))
	in.may(push(index(images[1:], nil), "dev"))
}

// TestPushByLimited is what works: an image for two platforms, as docker and
// containerd push it, with layers of last time, and a note attached to it.
func TestPushByLimited(t *testing.T) {
	in := newIntrusion(t)
	layer := describe(blobType, in.own)
	var platforms []oci.Descriptor
	for n := range 2 {
		config := fmt.Appendf(nil, "config %d", n)
		in.mayNot(oci.ErrBlobUnknown, readBlob(home, config))
		in.may(putBlob(home, config), readBlob(home, config))
		img := image(describe(blobType, config), []oci.Descriptor{layer}, nil)
		in.mayNot(oci.ErrManifestUnknown, look(byDigest(img)))
		in.may(push(img), look(byDigest(img)))
		platforms = append(platforms, describe(oci.MediaTypeImage, img))
	}
	idx := index(platforms, nil)
	in.may(push(idx, "dev"), look(byTag("dev")), look(byDigest(idx)))

	in.now = in.now.Add(25 * time.Hour) // what was sent is forgotten, but now it is in sight
	in.may(readBlob(home, in.own), look(oci.Reference{Digest: platforms[1].Digest}))
	in.may(push(index(slices.Concat(platforms[:1], nil), nil), "dev"))
	in.mayNot(oci.ErrManifestUnknown, look(oci.Reference{Digest: platforms[1].Digest}))
	note := referrer(layer, platforms[0], "note", 1)
	in.may(push(note), look(byDigest(note)))
	in.keepsSecret()
}

// TestReadersOfOthersPush: what is in sight is what it is now, whoever moved it.
func TestReadersOfOthersPush(t *testing.T) {
	in := newIntrusion(t)
	in.do(push(in.image, "dev"))
	in.may(readBlob(home, in.secret), look(byDigest(in.image)))
	in.do(push(in.ofNothing(), "dev"))
	in.keepsSecret()
}
