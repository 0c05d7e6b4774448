package settings

import (
	"reflect"
	"strings"
	"testing"

	"github.com/berthregistry/berth/shared/pattern"
	"github.com/berthregistry/berth/shared/registry"
)

// The example is the one of the doc comment of Settings.
const example = `
repositories:
  - pattern: mirror/**
    indexes: none
  - pattern: team/*
    indexes:
      platforms: [linux/amd64, linux/arm64]
      unnamed: optional
    referrers-header: on-request
limits:
  manifest-size: 8MiB
  tags-per-push: 20
`

func TestParseExample(t *testing.T) {
	s, err := Parse("berth.yaml", []byte(example))
	if err != nil {
		t.Fatal(err)
	}
	for repo, want := range map[string]registry.Rules{
		"mirror/docker.io/library/alpine": {
			Indexes:         registry.IndexRule{AllowMissing: true, AllowUnnamed: true},
			ReferrersHeader: registry.HeaderAlways,
		},
		"team/app": {
			Indexes:         registry.IndexRule{AllowMissing: true, AllowUnnamed: true, Platforms: []string{"linux/amd64", "linux/arm64"}},
			ReferrersHeader: registry.HeaderOnRequest,
		},
		"team/app/cache": {ReferrersHeader: registry.HeaderAlways},
	} {
		if got := s.Rules(repo); !reflect.DeepEqual(got, want) {
			t.Errorf("rules of %s: got %+v, want %+v", repo, got, want)
		}
	}
	want := registry.Limits{ManifestSize: 8 << 20, TagsPerPush: 20}
	if got := s.Limits.ForRegistry(); got != want {
		t.Errorf("limits: got %+v, want %+v", got, want)
	}
}

func TestIndexesDecide(t *testing.T) {
	for _, c := range []struct {
		indexes            string
		listed, not, blank bool // is an entry required: of a listed platform, of another, without one
	}{
		{"all", true, true, true},
		{"none", false, false, false},
		{"{platforms: [linux/amd64]}", true, false, true},
		{"{platforms: [linux/amd64], unnamed: required}", true, false, true},
		{"{platforms: [linux/amd64], unnamed: optional}", true, false, false},
	} {
		s, err := Parse("f", []byte("repositories: [{pattern: a, indexes: "+c.indexes+"}]"))
		if err != nil {
			t.Fatalf("%s: %v", c.indexes, err)
		}
		rule := s.Rules("a").Indexes
		for platform, want := range map[string]bool{"linux/amd64": c.listed, "linux/amd64/v3": c.listed, "linux/arm64": c.not, "": c.blank} {
			if got := rule.Requires(platform); got != want {
				t.Errorf("%s requires %q: got %v, want %v", c.indexes, platform, got, want)
			}
		}
	}
}

func TestParseWithoutAnything(t *testing.T) {
	for _, text := range []string{"", "\n# only a remark\n", "repositories: []\n", "limits: {}\n"} {
		s, err := Parse("f", []byte(text))
		if err != nil {
			t.Errorf("Parse(%q): %v", text, err)
			continue
		}
		if got, want := s.Rules("a"), (registry.Rules{ReferrersHeader: registry.HeaderAlways}); !reflect.DeepEqual(got, want) {
			t.Errorf("%q: rules: got %+v, want %+v", text, got, want)
		}
		if got, want := s.Limits.ForRegistry(), registry.DefaultLimits; got != want {
			t.Errorf("%q: limits: got %+v, want %+v", text, got, want)
		}
	}
}

func TestFirstPatternWins(t *testing.T) {
	s, err := Parse("f", []byte(`repositories:
  - {pattern: a/b, referrers-header: off}
  - {pattern: a/*, indexes: none}`))
	if err != nil {
		t.Fatal(err)
	}
	if got, want := s.Rules("a/b"), (registry.Rules{ReferrersHeader: registry.HeaderOff}); !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, want %+v: nothing is taken over from later entries", got, want)
	}
}

func TestParseErrorsSayWhere(t *testing.T) {
	for _, c := range []struct{ text, want string }{
		{"repositries: []", `f:1:1: unknown field "repositries"`},
		{"repositories:\n  - patern: a", `f:2:5: unknown field "patern"`},
		{"repositories:\n  - indexes: all", `f:2:12: this entry has no pattern`},
		{"repositories:\n  - pattern: Team/*", `f:2:14: pattern "Team/*" fits no repository: 'T' cannot be in a name`},
		{"repositories:\n  - pattern:", `f:2:12: this entry has no pattern`},
		{"repositories:\n  - pattern: a\n  - pattern: b\n  - pattern: a", `f:4:14: pattern "a" is there already, and the first holds`},
		{"repositories:\n  - pattern: a\n    indexes: some", `f:3:14: indexes is all, none or a list of platforms, not "some"`},
		{"repositories:\n  - pattern: a\n    images: some", `f:3:13: images is all or none, not "some"`},
		{"repositories:\n  - pattern: a\n    indexes: [linux/amd64]", `f:3:14: a word is expected here`},
		{"repositories:\n  - pattern: a\n    indexes:\n      platforms: []", `f:4:16: no platforms are listed`},
		{"repositories:\n  - pattern: a\n    indexes:\n      platforms: [linux]", `f:4:19: "linux" is no platform`},
		{"repositories:\n  - pattern: a\n    indexes:\n      platforms: [linux/amd64]\n      unnamed: never", `f:5:16: unnamed is required or optional, not "never"`},
		{"repositories:\n  - pattern: a\n    indexes:\n      platforms: [linux/amd64]\n      variants: x", `f:5:7: unknown field "variants"`},
		{"repositories:\n  - pattern: a\n    referrers-header: yes", `f:3:23: referrers-header is always, absent-only, on-request or off, not "yes"`},
		{"repositories:\n  - pattern: a\n    pattern: b", `f:3:5: mapping key "pattern" already defined`},
		{"repositories:\n  - null", `f:2:5: this entry has no pattern`},
		{"repositories: all", `f:1:15: string was used where sequence is expected`},
		{"limits: 3", `f:1:9: int was used where mapping is expected`},
		{"limits:\n  manifest-size: 1MiB", `f:2:18: manifest-size is 4MiB to 64MiB, not 1MiB`},
		{"limits:\n  manifest-size: 4MB", `f:2:18: "4MB" is no size`},
		{"limits:\n  manifest-size: 99999999999999999999MiB", `f:2:18: "99999999999999999999MiB" is no size`},
		{"limits:\n  tags-per-push: 9", `f:2:18: tags-per-push is 10 to 30, not 9`},
		{"limits:\n  tags-per-push: many", `f:2:18: tags-per-push is 10 to 30, not many`},
		{"a: [", `f:1:4: `},
		{"repositories:\n  !00\nlimits: {}", `f: this is not YAML`},
		{"limits: {}\n---\nlimits: {}", `f: there is more than one YAML document`},
	} {
		_, err := Parse("f", []byte(c.text))
		switch {
		case err == nil:
			t.Errorf("Parse(%q): no error, want %q", c.text, c.want)
		case !strings.HasPrefix(err.Error(), c.want):
			t.Errorf("Parse(%q):\n got %s\nwant %s", c.text, err, c.want)
		case strings.Contains(err.Error(), "\n"):
			t.Errorf("Parse(%q): error has several lines: %s", c.text, err)
		}
	}
}

func TestParseSize(t *testing.T) {
	for text, want := range map[string]int64{"4194304": 4 << 20, "4MiB": 4 << 20, "4 MiB": 4 << 20, "8192KiB": 8 << 20} {
		if got, ok := parseSize(text); !ok || got != want {
			t.Errorf("parseSize(%q) = %d, %v, want %d", text, got, ok, want)
		}
	}
	for _, text := range []string{"", "MiB", "4M", "4mib", "4.5MiB", "0x10", "9223372036854775807MiB"} {
		if got, ok := parseSize(text); ok {
			t.Errorf("parseSize(%q) = %d, want no size", text, got)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add(example)
	f.Add("repositories: [{pattern: a, indexes: {platforms: [linux/arm/v7]}}]")
	f.Add("limits: {manifest-size: 4194304, tags-per-push: 10}")
	f.Add("repositories:\n  !00\nlimits: {}") // the YAML package panics
	f.Fuzz(func(t *testing.T, text string) {
		s, err := Parse("f", []byte(text))
		if err != nil {
			if !strings.HasPrefix(err.Error(), "f:") {
				t.Errorf("error does not begin with the file's name: %v", err)
			}
			return
		}
		if l := s.Limits.ForRegistry(); l.ManifestSize < 4<<20 || l.TagsPerPush < 10 {
			t.Errorf("limits %+v were taken", l)
		}
		s.Rules("a/b")
	})
}

func TestImages(t *testing.T) {
	s, err := Parse("f", []byte("repositories: [{pattern: a, images: none}, {pattern: b, images: all}]"))
	if err != nil {
		t.Fatal(err)
	}
	for repo, want := range map[string]bool{"a": true, "b": false, "c": false} {
		if got := s.Rules(repo).SparseImages; got != want {
			t.Errorf("SparseImages of %s = %v, want %v", repo, got, want)
		}
	}
}

func BenchmarkRulesOf100Patterns(b *testing.B) {
	var s Settings
	for i := range 100 {
		p, err := pattern.ParseRepository("team-" + string(rune('a'+i%26)) + "/app-*")
		if err != nil {
			b.Fatal(err)
		}
		s.Repositories = append(s.Repositories, Repository{Pattern: Pattern{p}})
	}
	b.ReportAllocs()
	for b.Loop() {
		s.Rules("other/repository")
	}
}
