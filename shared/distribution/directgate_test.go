package distribution_test

import (
	"testing"

	"github.com/berthregistry/berth/shared/direct"
	"github.com/berthregistry/berth/shared/distribution"
	"github.com/berthregistry/berth/shared/oci"
	"github.com/berthregistry/berth/shared/registry"
)

// An upload is its beginner's.
func TestDirectUploadsAreApart(t *testing.T) {
	h := newHarbour(t, registry.Options{}, distribution.Options{Gate: newGate(t)})
	begin := direct.Begin{Blobs: []direct.Wanted{{Digest: oci.SHA256.Sum([]byte("x")), Size: 20 << 20}}}
	const path = "/v2/closed/app/_berth/v1/uploads"
	first := take[direct.Begun](h.server, h.as("root").send("POST", path, begin), 200).Blobs[0].Upload.ID
	again := take[direct.Begun](h.server, h.as("root").send("POST", path, begin), 200).Blobs[0].Upload.ID
	other := take[direct.Begun](h.server, h.as("courier").send("POST", path, begin), 200).Blobs[0].Upload.ID
	if first != again || first == other {
		t.Errorf("got %s, again %s, and %s for somebody else", first, again, other)
	}
	for _, method := range []string{"GET", "DELETE"} {
		h.want(h.as("courier").do(method, path+"/"+first, nil), 404, "BLOB_UPLOAD_UNKNOWN")
		h.want(h.as("production").do(method, path+"/"+first, nil), 403, "DENIED")
	}
	h.want(h.as("signer").do("GET", path+"/"+first, nil), 404, "BLOB_UPLOAD_UNKNOWN")
	h.want(h.as("root").do("DELETE", path+"/"+first, nil), 204, "")
}

// To mount from a repository takes the right to pull there. Where only the token
// lacks it, the challenge names all repositories of the body, once it was read.
func TestDirectMountNeedsToPull(t *testing.T) {
	h := newHarbour(t, registry.Options{}, distribution.Options{Gate: newGate(t)})
	public, closed := h.as("root").blob("public/app", []byte("public")), h.as("root").blob("closed/base", []byte("closed"))
	begin := direct.Begin{Blobs: []direct.Wanted{
		{Digest: public.Digest, Size: public.Size, From: "public/app"},
		{Digest: closed.Digest, Size: closed.Size, From: "closed/base"},
		{Digest: oci.SHA256.Sum([]byte("x")), Size: 1, From: "closed/app"}, // itself: its scope is there already
	}}
	for _, c := range []struct {
		who    string
		status int
		states [2]direct.State
		scope  string
	}{
		{"root repository:closed/app:pull,push", 401, [2]direct.State{}, "repository:closed/app:pull,push repository:public/app:pull repository:closed/base:pull"},
		{"root repository:closed/app:pull,push repository:public/app:pull", 401, [2]direct.State{},
			"repository:closed/app:pull,push repository:public/app:pull repository:closed/base:pull"},
		// Who has no right to pull there is not asked for a token that they will not get.
		{"courier repository:closed/app:push repository:public/app:pull", 200, [2]direct.State{direct.Mounted, direct.Small}, ""},
		{"courier", 200, [2]direct.State{direct.Mounted, direct.Small}, ""},
		{"root repository:closed/app:pull,push repository:public/app:pull repository:closed/base:pull", 200, [2]direct.State{direct.Mounted, direct.Mounted}, ""},
	} {
		a := h.as(c.who).send("POST", "/v2/closed/app/_berth/v1/uploads", begin)
		if c.status == 401 {
			h.want(a, 401, "UNAUTHORIZED")
			if got, want := a.get("Www-Authenticate"), challenge(c.scope, tooNarrow); got != want {
				t.Errorf("%s: got %s, want %s", c.who, got, want)
			}
			continue
		}
		begun := take[direct.Begun](h.server, a, 200)
		if got := [2]direct.State{begun.Blobs[0].State, begun.Blobs[1].State}; got != c.states {
			t.Errorf("%s: got %v, want %v", c.who, got, c.states)
		}
		for _, b := range begin.Blobs { // for the next one
			h.as("root").delete("/v2/closed/app/blobs/" + string(b.Digest))
		}
	}
}

// What there is can be seen by those who may pull it, and is to be sent by others.
func TestDirectPresence(t *testing.T) {
	h := newHarbour(t, registry.Options{}, distribution.Options{Gate: newGate(t)})
	image := h.as("root").image("closed/app", "dev", "secret layer")
	begin := direct.Begin{
		Blobs:     []direct.Wanted{{Digest: oci.SHA256.Sum([]byte("secret layer")), Size: int64(len("secret layer"))}},
		Manifests: []oci.Digest{image.Digest},
	}
	for who, want := range map[string]bool{"root": true, "courier": false, "manager": false, "signer": true} {
		begun := take[direct.Begun](h.server, h.as(who).send("POST", "/v2/closed/app/_berth/v1/uploads", begin), 200)
		if got := begun.Blobs[0].State == direct.Present; got != want || begun.Manifests[0].Present != want {
			t.Errorf("%s: got %+v, want present: %t", who, begun, want)
		}
	}
}
