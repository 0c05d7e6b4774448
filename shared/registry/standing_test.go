package registry_test

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/berthregistry/berth/shared/oci"
	"github.com/berthregistry/berth/shared/registry"
	"github.com/berthregistry/berth/shared/table"
	"github.com/berthregistry/berth/shared/table/tabletest"
)

func TestStanding(t *testing.T) {
	tm := newTeam(t, registry.Options{})
	config := tm.blob(10)
	subject := describe(oci.MediaTypeImage, image(config, nil, nil))
	for n, artifactType := range []string{"application/a", "application/b", "application/a"} {
		tm.mustPut("", referrer(config, subject, artifactType, n))
	}
	tm.mustPut("", index(nil, map[string]any{"subject": subject})) // of no type
	check := func(tags ...string) {
		t.Helper()
		got, err := tm.reg.Standing(t.Context(), home, subject.Digest)
		want := map[string]int64{"application/a": 2, "application/b": 1}
		if err != nil || !slices.Equal(got.Tags, tags) || got.Truncated || got.Referrers != 4 || !maps.Equal(got.ByType, want) {
			t.Errorf("got %+v, %v, want the tags %q", got, err, tags)
		}
	}
	check() // of a subject that is not here yet
	tm.mustPut("v1", image(config, nil, nil), "latest", "sha256", "zz")
	tm.mustPut("", index([]oci.Descriptor{subject}, nil))
	check("latest", "sha256", "v1", "zz")
}

func TestStandingOfNothing(t *testing.T) {
	tm := newTeam(t, registry.Options{})
	got, err := tm.reg.Standing(t.Context(), home, digestA)
	if err != nil || len(got.Tags) != 0 || got.Referrers != 0 || len(got.ByType) != 0 {
		t.Errorf("got %+v, %v", got, err)
	}
}

// However many tags there are, some are told; however many indexes list the
// manifest, they are not read through.
func TestStandingIsBounded(t *testing.T) {
	b := newBudget(t)
	child := b.image("")
	partition := "repo#" + home
	write := func(parents []string) {
		t.Helper()
		for some := range slices.Chunk(parents, table.MaxActions) {
			var actions []table.Action
			for _, parent := range some {
				actions = append(actions, table.Put(table.Key{Partition: partition, Sort: "parent#" + string(child.Digest) + "#" + parent}))
			}
			if err := b.table.Transact(t.Context(), table.Tx{Token: table.NewToken(), Actions: actions}); err != nil {
				t.Fatal(err)
			}
		}
	}
	standing := func(want int, truncated bool, queries int) {
		t.Helper()
		b.spends(fmt.Sprintf("standing with %d tags", want), tabletest.Counts{Gets: 1, Queries: queries}, nil, func() error {
			s, err := b.reg.Standing(t.Context(), home, child.Digest)
			if len(s.Tags) != want || s.Truncated != truncated || !slices.IsSorted(s.Tags) {
				t.Errorf("got %d tags, truncated %v, want %d, %v", len(s.Tags), s.Truncated, want, truncated)
			}
			if i := slices.IndexFunc(s.Tags, func(tag string) bool { return strings.Contains(tag, ":") }); i >= 0 {
				t.Errorf("%q is no tag", s.Tags[i])
			}
			return err
		})
	}
	var indexes []string
	for n := range 3000 {
		indexes = append(indexes, string(oci.SHA256.Sum(fmt.Appendf(nil, "index %d", n))))
	}
	write(indexes)
	write([]string{"a", "sha256", "sha256-x", "sha256_x", "z"})
	standing(5, false, 2)
	var tags []string
	for n := range 1000 {
		tags = append(tags, fmt.Sprintf("t%04d", n))
	}
	write(tags[:995])
	standing(1000, false, 2)
	write(tags[995:])
	standing(1000, true, 2)
}

func TestMayWatch(t *testing.T) {
	tm := newTeam(t, registry.Options{})
	d := tm.image("v1").Digest
	for name, c := range map[string]struct {
		rights registry.Rights
		may    bool
	}{
		"who may pull all":         {registry.Rights{Pull: registry.AllTags()}, true},
		"who may pull some tags":   {registry.Rights{Pull: only("v1"), Push: registry.AllTags()}, false},
		"who may do all else":      {registry.Rights{Push: registry.AllTags(), Delete: registry.AllTags()}, false},
		"who may do nothing":       {registry.Rights{}, false},
		"who may pull only no tag": {registry.Rights{Pull: only()}, false},
	} {
		reg := tm.reg.For(c.rights)
		if err := reg.MayWatch(home); (err == nil) != c.may || err != nil && !errors.Is(err, oci.ErrDenied) {
			t.Errorf("%s: %v", name, err)
		}
		if _, err := reg.Standing(t.Context(), home, d); (err == nil) != c.may {
			t.Errorf("%s, standing: %v", name, err)
		}
	}
	if err := tm.reg.MayWatch(home); err != nil {
		t.Errorf("the registry itself: %v", err)
	}
}
