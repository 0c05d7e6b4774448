package oci_test

import (
	"regexp"
	"strings"
	"testing"

	"github.com/berthregistry/berth/shared/oci"
)

// The expressions of the spec, "Pulling manifests".
var (
	nameSpec = regexp.MustCompile(`^[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*(\/[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*)*$`)
	tagSpec  = regexp.MustCompile(`^[a-zA-Z0-9_][a-zA-Z0-9._-]{0,127}$`)
)

func TestValidName(t *testing.T) {
	for name, want := range map[string]bool{
		"a":                            true,
		"team/app":                     true,
		"a.b_c__d---e/f0":              true,
		strings.Repeat("a", 255):       true,
		strings.Repeat("a", 256):       false,
		"":                             false,
		"/":                            false,
		"a/":                           false,
		"/a":                           false,
		"a//b":                         false,
		"A":                            false,
		"a___b":                        false,
		"a..b":                         false,
		"a._b":                         false,
		"-a":                           false,
		"a-":                           false,
		"a b":                          false,
		"a/../b":                       false,
		"a\x00b":                       false,
		"ä":                            false,
		"blobs/uploads":                true,
		"manifests/manifests":          true,
		strings.Repeat("a/", 100) + "": false,
	} {
		if got := oci.ValidName(name); got != want {
			t.Errorf("ValidName(%q) = %v, want %v", name, got, want)
		}
	}
}

func FuzzValidName(f *testing.F) {
	for _, s := range []string{"a", "a/b", "a__b", "a--b", "a-/b", "_", "a/b.c"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		want := nameSpec.MatchString(s) && len(s) <= oci.MaxName && !strings.HasSuffix(s, "\n")
		if got := oci.ValidName(s); got != want {
			t.Errorf("ValidName(%q) = %v, the spec's expression says %v", s, got, want)
		}
	})
}

func FuzzValidTag(f *testing.F) {
	for _, s := range []string{"latest", "1.0", "_x", "-x", ".x", "a:b", ""} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		want := tagSpec.MatchString(s) && !strings.HasSuffix(s, "\n")
		if got := oci.ValidTag(s); got != want {
			t.Errorf("ValidTag(%q) = %v, the spec's expression says %v", s, got, want)
		}
	})
}
