package pattern

import (
	"regexp"
	"strings"
	"testing"
)

func TestTag(t *testing.T) {
	for _, c := range []struct{ pattern, fits, not string }{
		{"main", "main", "main2 Main mai"},
		{"*", "a A_1.2-3", ""},
		{"release-*", "release- release-1.0", "release xrelease-1"},
		{"*-rc", "1-rc -rc", "1-rc2"},
		{"v*.*-*", "v1.2-x v.-", "v1-2"},
		{"*a*a", "aa xaxa aaa", "a ab"},
	} {
		p, err := ParseTag(c.pattern)
		if err != nil {
			t.Fatal(err)
		}
		for tag := range strings.FieldsSeq(c.fits) {
			if !p.Match(tag) {
				t.Errorf("%q does not fit %q", c.pattern, tag)
			}
		}
		for tag := range strings.FieldsSeq(c.not) {
			if p.Match(tag) {
				t.Errorf("%q fits %q", c.pattern, tag)
			}
		}
	}
	if (&Tag{}).Match("") || (&Principal{}).Match("") || (&Repository{}).Match("") {
		t.Error("a pattern that is not there fits something")
	}
}

func TestParseTagRefuses(t *testing.T) {
	for _, text := range []string{"", "a b", "-a", ".a", "a/b", "a:b", "**", "a**", "ä", strings.Repeat("a", 129)} {
		if p, err := ParseTag(text); err == nil {
			t.Errorf("ParseTag(%q) = %q, want an error", text, p)
		}
	}
}

// A star does not leave its part of an ARN.
func TestPrincipal(t *testing.T) {
	for _, c := range []struct{ pattern, fits, not string }{
		{"ci-*", "ci-main ci-", "ci xci-"},
		{"arn:aws:iam::1:role/d-*", "arn:aws:iam::1:role/d-x arn:aws:iam::1:role/d-x/y", "arn:aws:iam::2:role/d-x arn:aws:iam::1:role/x/d-x"},
		{"arn:*:iam::1:*", "arn:aws:iam::1:root arn:aws-cn:iam::1:user/x", "arn:aws:iam::1:role:x arn:x:iam::2:iam::1:y"},
	} {
		p, err := ParsePrincipal(c.pattern)
		if err != nil {
			t.Fatal(err)
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
	for _, text := range []string{"", "a b", "a\n", "**", "\xff", strings.Repeat("a", MaxPrincipal+1)} {
		if p, err := ParsePrincipal(text); err == nil {
			t.Errorf("ParsePrincipal(%q) = %q, want an error", text, p)
		}
	}
}

func FuzzTagAndPrincipal(f *testing.F) {
	f.Add("release-*", "release-1")
	f.Add("arn:*:x*", "arn:aws:x/y")
	f.Add("*a*a*b", "aaxab")
	f.Fuzz(func(t *testing.T, text, name string) {
		if strings.Contains(name, "\n") || strings.ContainsRune(name, 0) || strings.ToValidUTF8(name, "") != name || len(name) > MaxPrincipal {
			return
		}
		quoted := regexp.QuoteMeta(text)
		if p, err := ParseTag(text); err == nil {
			want := regexp.MustCompile("^" + strings.ReplaceAll(quoted, `\*`, ".*") + "$").MatchString(name)
			if got := p.Match(name); got != want {
				t.Errorf("tag %q fits %q: got %v, want %v", text, name, got, want)
			}
		}
		if p, err := ParsePrincipal(text); err == nil {
			want := regexp.MustCompile("^" + strings.ReplaceAll(quoted, `\*`, "[^:]*") + "$").MatchString(name)
			if got := p.Match(name); got != want {
				t.Errorf("principal %q fits %q: got %v, want %v", text, name, got, want)
			}
			if p.Plain() != !strings.Contains(text, "*") || p.String() != text {
				t.Errorf("%q: plain %v, written %q", text, p.Plain(), p)
			}
		}
	})
}
