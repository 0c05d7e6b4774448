package registry_test

import (
	"strings"
	"testing"

	"github.com/berthregistry/berth/shared/oci"
	"github.com/berthregistry/berth/shared/registry"
	"github.com/berthregistry/berth/shared/table"
)

// as is the team with the rights to everything, under a name.
func (tm team) as(name string) team {
	all := registry.AllTags()
	tm.reg = tm.reg.For(registry.Rights{
		Pull: all, Push: all, Tag: all, Attach: all, Delete: all, By: name,
		Elsewhere: func(string) registry.Rights { return registry.Rights{Pull: all} },
	})
	return tm
}

func (tm team) by(pk, sk string) string {
	tm.Helper()
	item, err := tm.table.Get(tm.Context(), table.Key{Partition: pk, Sort: sk})
	if err != nil {
		tm.Fatalf("%s %s: %v", pk, sk, err)
	}
	return item.Str("by")
}

func TestItemsSayWhoMadeThem(t *testing.T) {
	tm := newTeam(t, registry.Options{})
	alice, ci := tm.as("user:alice"), tm.as("robot:ci")
	config := alice.blob(10)
	img := alice.mustPut("v1", image(config, nil, nil))
	sig := referrer(config, img, "application/x", 1)
	ci.mustPut("", sig)
	sigKey := "referrer#" + string(img.Digest) + "#application/x#" + string(oci.SHA256.Sum(sig))
	check := func(sk, want string) {
		t.Helper()
		if got := tm.by("repo#"+home, sk); got != want {
			t.Errorf("%s: by %q, want %q", sk, got, want)
		}
	}
	if got := tm.by("repos", "repo#"+home); got != "user:alice" {
		t.Errorf("the repository is by %q", got)
	}
	check("manifest#"+string(img.Digest), "user:alice")
	check("tag#v1", "user:alice")
	check(sigKey, "robot:ci")

	// Who tags what another has pushed has made the tag only.
	ci.mustPut("v2", image(config, nil, nil))
	check("manifest#"+string(img.Digest), "user:alice")
	check("tag#v2", "robot:ci")

	// A stub was made by nobody, nor was what nobody in particular makes of it.
	if err := alice.reg.DeleteManifest(t.Context(), home, img.Digest, registry.Precondition{}); err != nil {
		t.Fatal(err)
	}
	check("manifest#"+string(img.Digest), "")
	tm.as("").mustPut("v1", image(config, nil, nil))
	check("manifest#"+string(img.Digest), "")

	if err := ci.reg.Mount(t.Context(), "team/mounted", home, config.Digest); err != nil {
		t.Fatal(err)
	}
	if got := tm.by("repos", "repo#team/mounted"); got != "robot:ci" {
		t.Errorf("the repository of a mount is by %q", got)
	}
}

func TestLongNamesAreCut(t *testing.T) {
	tm := newTeam(t, registry.Options{}).as("issuer:x/" + strings.Repeat("ü", 500))
	tm.image("v1")
	got := tm.by("repo#"+home, "tag#v1")
	want := "issuer:x/" + strings.Repeat("ü", 122) + "…"
	if got != want {
		t.Errorf("got %d bytes, %q, want %d", len(got), got, len(want))
	}
}

// What is verified elsewhere is still of who began it, also if it is the first
// thing in its repository.
func TestDirectUploadsSayWhoBeganThem(t *testing.T) {
	for name, end := range map[string]func(q quay, id string) error{
		"here":      func(quay, string) error { return nil },
		"elsewhere": func(q quay, id string) error { return q.reg.VerifyDirect(q.Context(), home, id) },
	} {
		t.Run(name, func(t *testing.T) {
			q, _ := elsewhere(t, newClock())
			if name == "here" {
				q = newTinyQuay(t, registry.Options{})
			}
			alice := q
			alice.team = q.as("user:alice")
			s := alice.upload(wanted(crate))
			if err := alice.sendParts(s, crate, s.PartSize); err != nil {
				t.Fatal(err)
			}
			if _, err := alice.complete(s.ID, oci.SHA256.Sum(crate), len(crate)); err != nil {
				t.Fatal(err)
			}
			if err := end(q, s.ID); err != nil {
				t.Fatal(err)
			}
			if got := q.by("repos", "repo#"+home); got != "user:alice" {
				t.Errorf("the repository is by %q", got)
			}
		})
	}
}
