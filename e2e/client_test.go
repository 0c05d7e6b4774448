package e2e

import (
	"testing"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/regclient/regclient"
	"github.com/regclient/regclient/types/ref"
	"oras.land/oras-go/v2/content/oci"
	orasremote "oras.land/oras-go/v2/registry/remote"
)

// A client takes the content tagged v1 from a layout to a repository, and back
// into an empty layout.
type client struct {
	name  string
	push  func(t *testing.T, dir, repo string)
	pull  func(t *testing.T, repo, dir string)
	needs string // the program it needs; empty for a library
	oci   bool   // its layouts cannot hold Docker's media types
}

var clients = []client{
	{name: "crane", push: cranePush, pull: cranePull},
	{name: "regclient", push: regclientPush, pull: regclientPull},
	{name: "oras", push: orasPush, pull: orasPull},
	{name: "skopeo", push: skopeoPush, pull: skopeoPull, needs: "skopeo", oci: true},
	{name: "berth", push: berthPush, pull: berthPull},
}

// parse returns the tag v1 of a repository in the form that crane's library
// wants. It speaks plain HTTP to a loopback address.
func parse(t *testing.T, repo string) name.Tag {
	t.Helper()
	parsed, err := name.NewTag(host + "/" + repo + ":" + tag)
	if err != nil {
		t.Fatalf("parse a reference: %v", err)
	}
	return parsed
}

func cranePush(t *testing.T, dir, repo string) {
	t.Helper()
	must(t, "crane push", account{host: host}.cranePush(t.Context(), dir, repo+":"+tag))
}

// rootOf returns the one thing that a layout holds.
func rootOf(t *testing.T, path layout.Path) remote.Taggable {
	t.Helper()
	root, err := loadRoot(path)
	if err != nil {
		t.Fatalf("read the layout: %v", err)
	}
	return root
}

func cranePull(t *testing.T, repo, dir string) {
	t.Helper()
	must(t, "crane pull", account{host: host}.cranePull(t.Context(), repo+":"+tag, dir))
}

// newRegclient returns the regclient of nobody at the registry that tests share.
func newRegclient(opts ...regclient.Opt) *regclient.RegClient {
	return account{host: host}.regclient(opts...)
}

// regRef is a repository in the form that regclient wants.
func regRef(t *testing.T, s string) ref.Ref {
	t.Helper()
	parsed, err := ref.New(s)
	if err != nil {
		t.Fatalf("parse a reference: %v", err)
	}
	return parsed
}

func regclientPush(t *testing.T, dir, repo string) {
	t.Helper()
	must(t, "regclient push", account{host: host}.regclientPush(t.Context(), dir, repo+":"+tag))
}

func regclientPull(t *testing.T, repo, dir string) {
	t.Helper()
	must(t, "regclient pull", account{host: host}.regclientPull(t.Context(), repo+":"+tag, dir))
}

func regclientCopy(t *testing.T, from, to string, opts ...regclient.ImageOpts) {
	t.Helper()
	must(t, "regclient copy", account{host: host}.regclientCopy(t.Context(), from, to, opts...))
}

// orasRepo returns a repository that oras reads and writes over plain HTTP.
func orasRepo(t *testing.T, repo string) *orasremote.Repository {
	t.Helper()
	r, err := orasremote.NewRepository(host + "/" + repo)
	if err != nil {
		t.Fatalf("open a repository: %v", err)
	}
	r.PlainHTTP = true
	return r
}

// orasLayout returns a layout that oras reads and writes.
func orasLayout(t *testing.T, dir string) *oci.Store {
	t.Helper()
	store, err := oci.New(dir)
	if err != nil {
		t.Fatalf("open a layout: %v", err)
	}
	return store
}

func orasPush(t *testing.T, dir, repo string) {
	t.Helper()
	must(t, "oras push", account{host: host}.orasPush(t.Context(), dir, repo+":"+tag))
}

func orasPull(t *testing.T, repo, dir string) {
	t.Helper()
	must(t, "oras pull", account{host: host}.orasPull(t.Context(), repo+":"+tag, dir))
}

// skopeo would change manifests to what the other side takes, if asked to or
// not: --preserve-digests makes that an error.
var skopeoCopy = []string{"copy", "--quiet", "--all", "--preserve-digests", "--insecure-policy"}

func skopeoPush(t *testing.T, dir, repo string) {
	t.Helper()
	must(t, "skopeo push", account{host: host}.skopeoPush(t.Context(), dir, repo+":"+tag))
}

func skopeoPull(t *testing.T, repo, dir string) {
	t.Helper()
	must(t, "skopeo pull", account{host: host}.skopeoPull(t.Context(), repo+":"+tag, dir))
}

func berthPush(t *testing.T, dir, repo string) {
	t.Helper()
	must(t, "berth push", account{host: host}.berthPush(t.Context(), dir, repo+":"+tag))
}

func berthPull(t *testing.T, repo, dir string) {
	t.Helper()
	must(t, "berth pull", account{host: host}.berthPull(t.Context(), repo+":"+tag, dir))
}
