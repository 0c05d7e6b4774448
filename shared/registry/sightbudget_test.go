package registry_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/berthregistry/berth/shared/oci"
	"github.com/berthregistry/berth/shared/registry"
	"github.com/berthregistry/berth/shared/table"
	"github.com/berthregistry/berth/shared/table/tabletest"
)

// TestBudgetOfHints: what it costs to serve who may pull some tags only, when the
// client says what it is about.
func TestBudgetOfHints(t *testing.T) {
	b := newBudget(t)
	var platforms []oci.Descriptor
	layer := b.blob(100)
	for range 4 {
		platforms = append(platforms, b.mustPut("", image(b.blob(100), []oci.Descriptor{layer}, nil)))
	}
	idx := b.mustPut("1", index(platforms, nil))
	single := b.mustPut("single", image(b.blob(100), []oci.Descriptor{b.blob(100), layer}, nil))
	platform := platforms[2]
	get := func(hints ...oci.Reference) func(do func(r *registry.Registry) error) func() error {
		rights := registry.Rights{Pull: only("1", "single"), Hints: hints, Who: "alice"}
		return func(do func(r *registry.Registry) error) func() error {
			return func() error { return do(b.reg.For(rights)) }
		}
	}
	blob := func(r *registry.Registry) error { _, err := r.Blob(t.Context(), b.repo, layer.Digest); return err }
	manifest := func(d oci.Descriptor) func(r *registry.Registry) error {
		return func(r *registry.Registry) error {
			_, err := r.Manifest(t.Context(), b.repo, oci.Reference{Digest: d.Digest})
			return err
		}
	}
	tag, onSingle, exact := byTag("1"), byTag("single"), oci.Reference{Digest: platform.Digest}
	reads := func(keys, calls int) tabletest.Counts { return tabletest.Counts{GetManys: calls, Keys: keys} }
	b.spends("GET index by tag", tabletest.Counts{Gets: 2}, nil, get(tag)(func(r *registry.Registry) error {
		_, err := r.Manifest(t.Context(), b.repo, tag)
		return err
	}))
	b.spends("GET index by digest", reads(2, 1), nil, get(tag)(manifest(idx)))
	b.spends("GET platform", reads(2, 1), nil, get(tag)(manifest(platform)))
	b.spends("GET layer, with tag and platform", reads(3, 1), nil, get(tag, exact)(blob))
	b.spends("GET layer, with tag, index and platform", reads(4, 1), nil, get(tag, oci.Reference{Digest: idx.Digest}, exact)(blob))
	// The edges to the index and its platforms, then whether those are here.
	b.spends("GET layer, with a tag", reads(2+5+4, 3), nil, get(tag)(blob))
	b.spends("GET layer of a single image, with a tag", reads(2+1, 2), nil, get(onSingle)(blob))
	b.spends("GET layer of a single image, with tag and digest", reads(3, 1), nil, get(onSingle, oci.Reference{Digest: single.Digest})(blob))
	b.spends("list referrers", tabletest.Counts{GetManys: 1, Keys: 1, Queries: 1}, nil, get(tag)(func(r *registry.Registry) error {
		_, err := r.Referrers(t.Context(), b.repo, platform.Digest, "", "")
		return err
	}))
	// A tag from before tags named what an index lists: the edge, and the index.
	old := table.Update(table.Key{Partition: "repo#" + b.repo, Sort: "tag#1"}).Unsetting("manifests")
	if err := b.table.Transact(t.Context(), table.Tx{Token: table.NewToken(), Actions: []table.Action{old}}); err != nil {
		t.Fatal(err)
	}
	b.spends("GET layer, with an old tag and platform", reads(3+2+1, 3), nil, get(tag, exact)(blob))
}

// TestBudgetWithoutHints: without hints the cost is bounded by the manifests
// above, here a thousand tagged images with one base layer. The reader of one tag
// among them, and of none, pays each of them once at most.
func TestBudgetWithoutHints(t *testing.T) {
	const images, together = 1000, 32
	counting := tabletest.NewCounting(newMemTable())
	tm := newTeamOn(t, counting, newMemBlobs(), registry.Options{})
	base, config := tm.blob(100), tm.blob(100)
	for n := range images {
		tm.mustPut(fmt.Sprintf("t%d", n), image(config, []oci.Descriptor{base}, map[string]any{"annotations": map[string]string{"n": fmt.Sprint(n)}}))
	}
	ask := func(match func(tag string) bool, hints ...oci.Reference) (tabletest.Counts, error) {
		counting.Reset()
		_, err := tm.reg.For(registry.Rights{Pull: registry.SomeTags(match), Hints: hints}).Blob(t.Context(), tm.repo, base.Digest)
		return counting.Reset(), err
	}
	none, err := ask(func(string) bool { return false })
	if err == nil {
		t.Error("a layer of other tags is served")
	}
	// One query for the parents, one for the tags, one for the edges of each parent;
	// their states together.
	most := tabletest.Counts{Gets: 1, GetManys: (images + together - 1) / together, Keys: images, Queries: images + 2}
	if none != most {
		t.Errorf("no tag: %+v, want %+v", none, most)
	}
	one, err := ask(func(tag string) bool { return tag == "t500" })
	if want := (tabletest.Counts{Gets: 1, GetManys: 1, Keys: 1, Queries: 2}); err != nil || one != want {
		t.Errorf("one tag: %+v, %v, want %+v", one, err, want)
	}
	tenth, err := ask(func(tag string) bool { return strings.HasSuffix(tag, "7") })
	if want := (tabletest.Counts{Gets: 1, GetManys: 1, Keys: together, Queries: 2}); err != nil || tenth != want {
		t.Errorf("a tenth of the tags: %+v, %v, want %+v", tenth, err, want)
	}
	hinted, err := ask(func(tag string) bool { return tag == "t500" }, byTag("t500"))
	if want := (tabletest.Counts{GetManys: 2, Keys: 3}); err != nil || hinted != want {
		t.Errorf("with a hint: %+v, %v, want %+v", hinted, err, want)
	}
	t.Logf("no tag %+v; one %+v; a tenth %+v; hinted %+v", none, one, tenth, hinted)
}

// TestBudgetOfLimitedPush: what it costs to know that one may refer to what one
// pushes.
func TestBudgetOfLimitedPush(t *testing.T) {
	b := newBudget(t)
	dev := only("dev")
	b.reg = b.reg.For(registry.Rights{Pull: dev, Push: dev, Tag: dev, Attach: dev, Who: "alice", Hints: []oci.Reference{byTag("dev")}})
	base := b.blob(100)
	first := image(b.blob(100), []oci.Descriptor{base}, nil)
	second := image(b.blob(100), []oci.Descriptor{base, b.blob(100)}, nil)
	put := func(body []byte) func() error { return func() error { _, err := b.put("dev", body); return err } }
	// What is there; what was hinted; what was sent.
	b.spends("PUT image", tabletest.Counts{GetManys: 3, Transacts: 1}, nil, put(first))
	b.spends("PUT the next image", tabletest.Counts{GetManys: 3, Transacts: 1}, nil, put(second))
	var platforms []oci.Descriptor
	for range 3 {
		platforms = append(platforms, b.mustPut("", image(b.blob(100), []oci.Descriptor{base}, nil)))
	}
	// Beside that, for each platform it and what was sent of it.
	b.spends("PUT index", tabletest.Counts{GetManys: 3 + 3, Gets: 3, Transacts: 1}, nil, put(index(platforms, nil)))
	b.spends("PUT index again", tabletest.Counts{GetManys: 2}, nil, put(index(platforms, nil)))
}
