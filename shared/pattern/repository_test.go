package pattern

import (
	"regexp"
	"strings"
	"testing"
)

func TestRepositoryMatch(t *testing.T) {
	for _, c := range []struct {
		pattern, fits, not string
	}{
		{"team/app", "team/app", "team team/apps team/app/x steam/app"},
		{"team/*", "team/app team/b", "team teams/app team/app/x"},
		{"team/**", "team/app team/app/x/y", "team team2/app"},
		{"**", "a a/b a/b/c", ""},
		{"*", "a app-1", "a/b"},
		{"**/cache", "a/cache a/b/cache", "cache a/cache/b a/caches"},
		{"team/app-*", "team/app- team/app-web", "team/app team/app-web/x"},
		{"*/*", "a/b", "a a/b/c"},
		{"a/**/z", "a/b/z a/b/c/z", "a/z a/b/c"},
		{"a/*/z/**/b*c", "a/x/z/y/bc a/x/z/y/b/bxc", "a/x/z/bc a/x/y/z/y/bc a/x/z/y/b/x"},
		{"*a*a*b", "aab xaxaxb aaab", "ab aa/b"},
		{"**a*/b", "a/b x/ya/b a/a/b a/ba/b", "a/x/b a/c"},
	} {
		p, err := ParseRepository(c.pattern)
		if err != nil {
			t.Errorf("ParseRepository(%q): %v", c.pattern, err)
			continue
		}
		for name := range strings.FieldsSeq(c.fits) {
			if !p.Match(name) {
				t.Errorf("%q does not fit %q", c.pattern, name)
			}
		}
		for name := range strings.FieldsSeq(c.not) {
			if p.Match(name) {
				t.Errorf("%q fits %q", c.pattern, name)
			}
		}
	}
}

func TestParseRepositoryRefuses(t *testing.T) {
	for _, text := range []string{"", "Team/*", "a b", "/a", "a/", "a//b", "a/***", "a?", "ä", strings.Repeat("a", 256)} {
		if p, err := ParseRepository(text); err == nil {
			t.Errorf("ParseRepository(%q) = %q, want an error", text, p)
		}
	}
}

// The matcher backtracks by hand; a regular expression says whether it does so
// rightly.
func FuzzRepositoryMatch(f *testing.F) {
	f.Add("team/*", "team/app")
	f.Add("**/a*b/**", "x/ab/y")
	f.Add("*a*a*b", "aaxab")
	f.Add("**a*/b**c", "a/a/bbc/c")
	f.Fuzz(func(t *testing.T, text, name string) {
		p, err := ParseRepository(text)
		if err != nil || strings.Contains(name, "\n") || len(name) > 255 {
			return
		}
		quoted := regexp.QuoteMeta(text)
		quoted = strings.ReplaceAll(quoted, `\*\*`, `.*`)
		quoted = strings.ReplaceAll(quoted, `\*`, `[^/]*`)
		want, err := regexp.MatchString("^(?:"+quoted+")$", name)
		if err != nil {
			t.Fatal(err)
		}
		if strings.ToValidUTF8(name, "") != name {
			return // regexp sees runes, names have none beyond ASCII
		}
		if got := p.Match(name); got != want {
			t.Errorf("%q fits %q: got %v, want %v", text, name, got, want)
		}
		if again, err := ParseRepository(p.String()); err != nil || again != p {
			t.Errorf("ParseRepository(%q) = %v, %v, want the same again", p, again, err)
		}
	})
}
