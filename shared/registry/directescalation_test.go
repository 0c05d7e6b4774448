package registry_test

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"github.com/berthregistry/berth/shared/direct"
	"github.com/berthregistry/berth/shared/oci"
	"github.com/berthregistry/berth/shared/registry"
)

// newDirectIntrusion is an intrusion in a place where a few bytes go by direct transfer.
func newDirectIntrusion(t *testing.T) *intrusion {
	in := newIntrusion(t)
	in.reg = in.reg.Tiny()
	return in
}

// TestDirectGuess: who knows a digest is told the same about what is hidden and
// about what does not exist, also as to manifests.
func TestDirectGuess(t *testing.T) {
	in := newDirectIntrusion(t)
	tell := func(body, manifest []byte) string {
		begun, err := in.mallory().BeginDirect(t.Context(), home, direct.Begin{
			Blobs: []direct.Wanted{wanted(body)}, Manifests: []oci.Digest{oci.SHA256.Sum(manifest)},
		})
		if err != nil {
			t.Fatal(err)
		}
		answer := string(marshal(begun))
		answer = strings.ReplaceAll(answer, begun.Blobs[0].Upload.ID, "ID")
		answer = strings.ReplaceAll(answer, string(oci.SHA256.Sum(manifest)), "MANIFEST")
		return strings.ReplaceAll(answer, string(oci.SHA256.Sum(body)), "DIGEST")
	}
	for _, hints := range [][]oci.Reference{nil, {byTag("dev"), byDigest(in.image)}} {
		in.rights.Hints = hints
		if got, want := tell(in.secret, in.image), tell(bytes.ToUpper(in.secret), bytes.ToUpper(in.image)); got != want {
			t.Errorf("hidden: got %s, absent %s", got, want)
		}
	}
	in.keepsSecret()
}

// TestDirectWithoutBytes: an upload of a digest that is known, but not its bytes,
// comes to nothing.
func TestDirectWithoutBytes(t *testing.T) {
	in := newDirectIntrusion(t)
	begin := func() direct.Status {
		begun, err := in.mallory().BeginDirect(t.Context(), home, direct.Begin{Blobs: []direct.Wanted{wanted(in.secret)}})
		if err != nil {
			t.Fatal(err)
		}
		return *begun.Blobs[0].Upload
	}
	in.mayNot(oci.ErrUploadInvalid, completeAs(begin().ID, in.secret))
	forged := bytes.ToUpper(in.secret)
	if err := sendAll(t.Context(), in.mallory(), home, begin(), forged); err != nil {
		t.Fatal(err)
	}
	in.mayNot(oci.ErrDigestInvalid, completeAs(begin().ID, in.secret))
	in.mayNot(oci.ErrManifestBlobUnknown, push(in.listing(describe(blobType, in.secret)), "dev"))
	in.keepsSecret()

	small := filled("secret too", 15) // one PUT
	in.do(putBlob(home, small))
	begun, err := in.mallory().BeginDirect(t.Context(), home, direct.Begin{Blobs: []direct.Wanted{wanted(small)}})
	if err != nil {
		t.Fatal(err)
	}
	if err := sendAll(t.Context(), in.mallory(), home, *begun.Blobs[0].Upload, bytes.ToUpper(small)); err == nil {
		t.Error("the URL takes other bytes")
	}
	in.mayNot(oci.ErrUploadInvalid, completeAs(begun.Blobs[0].Upload.ID, small))
	in.mayNot(oci.ErrBlobUnknown, readBlob(home, small))
}

// TestDirectByLimited is what works: who has sent the bytes reads them and may
// refer to them, though they were here, hidden.
func TestDirectByLimited(t *testing.T) {
	in := newDirectIntrusion(t)
	in.do(putBlob(home, crate))
	in.mayNot(oci.ErrBlobUnknown, readBlob(home, crate))
	in.may(deliver(home, crate), readBlob(home, crate), deliver(home, crate))
	in.may(deliver(home, chest), readBlob(home, chest), push(in.listing(describe(blobType, chest), describe(blobType, crate)), "dev"))
	in.keepsSecret()
}

// TestDirectOfAnother: who knows the id of somebody's upload is told nothing of it,
// adds nothing to it and does not finish it; nor do they go on with it by beginning
// the same blob.
func TestDirectOfAnother(t *testing.T) {
	for name, who := range map[string]string{"known": "mallory", "unknown": ""} {
		t.Run(name, func(t *testing.T) {
			in := newDirectIntrusion(t)
			in.rights.Who = who
			alice := in.rights
			alice.Who = "alice"
			as := &stage{in.cast, t, in.reg.For(alice)}
			for _, w := range []direct.Wanted{wanted(crate), stream} {
				id := as.sail(w, crate)
				in.mayNot(oci.ErrUploadUnknown, statusOf(id), resend(id, 1, chest[:20]), completeAs(id, crate), abort(id))
				begun, err := in.mallory().BeginDirect(t.Context(), home, direct.Begin{Blobs: []direct.Wanted{w}})
				if err != nil {
					t.Fatal(err)
				}
				if up := begun.Blobs[0].Upload; up.ID == id || up.Received != nil {
					t.Errorf("got %+v, which is hers", up)
				}
				in.mayNot(oci.ErrUploadInvalid, completeAs(begun.Blobs[0].Upload.ID, crate))
				as.do(completeAs(id, crate), readBlob(home, crate))
				in.mayNot(oci.ErrUploadUnknown, statusOf(id), completeAs(id, crate), abort(id))
				if err := in.tries(readBlob(home, crate)); err == nil {
					t.Error("what she has sent is read by others")
				}
				in.do(deleteBlob(home, crate))
			}
		})
	}
}

// TestDirectVerifiedForAnother: who verifies is nobody; it is who completed that is
// remembered.
func TestDirectVerifiedForAnother(t *testing.T) {
	q, _ := elsewhere(t, newClock())
	all := q.reg
	q.reg = all.For(limited("alice"))
	s := q.upload(wanted(crate))
	if err := q.sendParts(s, crate, 20); err != nil {
		t.Fatal(err)
	}
	if _, err := q.complete(s.ID, s.Digest, len(crate)); err != nil {
		t.Fatal(err)
	}
	if err := all.VerifyDirect(t.Context(), home, s.ID); err != nil {
		t.Fatal(err)
	}
	q.serves(s.Digest, crate)
	q.reg = all.For(limited("bob"))
	if _, err := q.reg.Blob(t.Context(), home, s.Digest); !errors.Is(err, oci.ErrBlobUnknown) {
		t.Errorf("bob: %v, want BLOB_UNKNOWN", err)
	}
	if err := q.reg.VerifyDirect(t.Context(), home, s.ID); err != nil {
		t.Error(err)
	}
	if _, err := q.reg.Blob(t.Context(), home, s.Digest); !errors.Is(err, oci.ErrBlobUnknown) {
		t.Errorf("bob, who had it verified: %v, want BLOB_UNKNOWN", err)
	}
}

// TestDirectMountOfHidden: from where, whether it is said or not, is read with the
// rights there.
func TestDirectMountOfHidden(t *testing.T) {
	in := newDirectIntrusion(t)
	in.do(putBlob(other, in.layer))
	begin := func(from string) direct.State {
		w := wanted(in.layer)
		w.From = from
		begun, err := in.mallory().BeginDirect(t.Context(), home, direct.Begin{Blobs: []direct.Wanted{w}})
		if err != nil {
			t.Fatal(err)
		}
		return begun.Blobs[0].State
	}
	for _, from := range []string{"", other, home, "nowhere"} {
		if got := begin(from); got != direct.Upload {
			t.Errorf("from %q: got state %q, want an upload", from, got)
		}
	}
	in.mayNot(oci.ErrBlobUnknown, readBlob(home, in.layer))
	in.rights.Elsewhere = func(string) registry.Rights { return registry.Rights{Pull: registry.AllTags()} }
	if got := begin(other); got != direct.Mounted {
		t.Errorf("got state %q, want it mounted", got)
	}
	in.may(readBlob(home, in.layer))
	in.keepsSecret()
}

// TestDirectManifestAsBlob: see TestManifestAsBlob.
func TestDirectManifestAsBlob(t *testing.T) {
	in := newDirectIntrusion(t)
	in.may(deliver(home, in.image), push(in.listing(describe(blobType, in.image)), "dev"))
	in.mayNot(oci.ErrBlobUnknown, readBlob(home, in.secret))
	in.mayNot(oci.ErrManifestBlobUnknown, push(index([]oci.Descriptor{describe(oci.MediaTypeImage, in.image)}, nil), "dev"))
}

// TestDirectNeedsRights: rights that are taken away end what was begun with them,
// and a hint of a tag that cannot be pushed ends it before it begins.
func TestDirectNeedsRights(t *testing.T) {
	in := newDirectIntrusion(t)
	mallory := &stage{in.cast, t, in.mallory()}
	id := mallory.sail(wanted(crate), crate)
	in.rights.Hints = []oci.Reference{byTag("rel")}
	in.rights.Attach = registry.Tags{}
	in.mayNot(oci.ErrDenied, beginAll(wanted(chest)))
	in.may(statusOf(id))
	in.rights.Push = registry.Tags{}
	in.mayNot(oci.ErrDenied, beginAll(wanted(chest)), statusOf(id), resend(id, 1, crate[:20]), completeAs(id, crate), abort(id))
	in.mayNot(oci.ErrDenied, beginAll())
}

// TestDirectIDs: only what BeginDirect says is an upload, and of no other
// repository.
func TestDirectIDs(t *testing.T) {
	q := newTinyQuay(t, registry.Options{})
	id := q.upload(wanted(crate)).ID
	plain, err := q.reg.StartUpload(t.Context(), home, oci.SHA256)
	if err != nil {
		t.Fatal(err)
	}
	for _, other := range []string{"", "x", id[1:], id + "0", strings.ToUpper(id), id + "#", strings.Repeat("z", 32), plain.ID, oci.SHA256.Sum(nil).Encoded()[:32]} {
		if _, err := q.status(other, 0); !errors.Is(err, oci.ErrUploadUnknown) {
			t.Errorf("upload %q: %v, want BLOB_UPLOAD_UNKNOWN", other, err)
		}
	}
	if _, err := q.reg.UploadStatus(t.Context(), home, id); !errors.Is(err, oci.ErrUploadUnknown) {
		t.Errorf("as a plain upload: %v, want BLOB_UPLOAD_UNKNOWN", err)
	}
	if _, err := q.reg.DirectStatus(t.Context(), other, id, 0); !errors.Is(err, oci.ErrUploadUnknown) {
		t.Errorf("of another repository: %v, want BLOB_UPLOAD_UNKNOWN", err)
	}
}

// TestBeginTellsNoMoreThanHead asks in random worlds, with random rights and hints,
// what is here: it is what a HEAD of each says.
func TestBeginTellsNoMoreThanHead(t *testing.T) {
	present := map[bool]int{}
	for seed := range uint64(30) {
		w := newWorld(t, newMemTable(), newMemBlobs(), seed, 60)
		for range 6 {
			rights := w.rights()
			rights.Push = registry.AllTags() // so that they may begin, whatever they hint at
			for range 3 {
				for kind, n := range headsAndBegins(t, w, w.reg.For(rights)) {
					present[kind] += n
				}
				rights.Hints = w.hints()
			}
		}
	}
	if present[true] < 1000 || present[false] < 1000 {
		t.Errorf("%v are here: the worlds have become dull", present)
	}
}

// headsAndBegins holds the answer to one Begin of everything to that to a HEAD of
// each.
func headsAndBegins(t *testing.T, w *world, r *registry.Registry) map[bool]int {
	t.Helper()
	var b direct.Begin
	for _, body := range append(w.bytes(), w.nowhere()) {
		b.Blobs = append(b.Blobs, direct.Wanted{Digest: oci.SHA256.Sum(body)}) // said to be small, so that none is begun
		b.Manifests = append(b.Manifests, oci.SHA256.Sum(body))
	}
	begun, err := r.BeginDirect(t.Context(), home, b)
	if err != nil {
		t.Fatal(err)
	}
	count := map[bool]int{}
	for i := range b.Blobs {
		_, err := r.StatBlob(t.Context(), home, b.Blobs[i].Digest)
		if here := begun.Blobs[i].State == direct.Present; here != (err == nil) {
			t.Fatalf("blob: begin says %q, HEAD %v", begun.Blobs[i].State, err)
		}
		count[err == nil]++
		_, err = r.StatManifest(t.Context(), home, oci.Reference{Digest: b.Manifests[i]})
		if begun.Manifests[i].Present != (err == nil) {
			t.Fatalf("manifest: begin says %v, HEAD %v", begun.Manifests[i].Present, err)
		}
		count[err == nil]++
	}
	return count
}
