package access

import (
	"reflect"
	"strings"
	"testing"

	"github.com/berthregistry/berth/shared/oci"
)

func TestParseScopes(t *testing.T) {
	for text, want := range map[string]string{
		"repository:a:pull":                                     "repository:a:pull",
		"repository:a/b:push,pull":                              "repository:a/b:push,pull",
		" repository:a:pull\trepository:b:push  ":               "repository:a:pull repository:b:push",
		"repository:a:pull repository:a:pull,push":              "repository:a:pull,push",
		"repository(plugin):a:pull":                             "repository:a:pull",
		"repository():a:pull":                                   "repository:a:pull",
		"repository:a:*":                                        "repository:a:*",
		"registry:catalog:* registry:admin:*":                   "registry:catalog:* registry:admin:*",
		"repository:a:pull,fly":                                 "repository:a:pull",
		"repository:a:fly":                                      "",
		"repository:a:":                                         "",
		"repository:a":                                          "",
		"repository::pull":                                      "",
		"repository:A:pull":                                     "",
		"repository:*:pull":                                     "",
		"repository:host:5000/a:pull":                           "",
		"registry:catalog:pull registry:other:*":                "",
		"image:a:pull":                                          "",
		"(plugin):a:pull repository(:a:pull repository):a:pull": "",
		"":                  "",
		"openid profile a:": "",
	} {
		got, err := ParseScopes(text)
		if err != nil || written(got) != want {
			t.Errorf("ParseScopes(%q) = %q, %v, want %q", text, written(got), err, want)
		}
	}
}

func TestParseScopesIsBounded(t *testing.T) {
	many := func(n int) string {
		var b strings.Builder
		for i := range n {
			b.WriteString(" repository:a" + strings.Repeat("b", i) + ":pull")
		}
		return b.String()
	}
	for text, fine := range map[string]bool{
		strings.Repeat(" ", MaxScopeText):                        true,
		strings.Repeat(" ", MaxScopeText+1):                      false,
		many(MaxScopes):                                          true,
		many(MaxScopes + 1):                                      false,
		strings.Repeat("repository:a:pull ", 2*MaxScopes):        true, // one resource
		strings.Repeat("x ", MaxScopeText/2):                     true, // nothing of it is a scope
		"repository:" + strings.Repeat("a", oci.MaxName) + ":*":  true,
		"repository:" + strings.Repeat("a,", MaxScopeText) + ":": false,
	} {
		if _, err := ParseScopes(text); (err == nil) != fine {
			t.Errorf("%d bytes, %.30q: got %v, want taken %v", len(text), text, err, fine)
		}
	}
}

// What is read is read the same again, is within the bounds, and names only
// what there is.
func FuzzParseScopes(f *testing.F) {
	f.Add("repository:a/b:pull,push registry:catalog:*")
	f.Add("repository(plugin):a:pull repository:a:*")
	f.Add("a:b:c:d,, ::: ()::")
	f.Fuzz(func(t *testing.T, text string) {
		got, err := ParseScopes(text)
		if err != nil {
			return
		}
		if len(got) > MaxScopes {
			t.Errorf("got %d scopes", len(got))
		}
		for _, s := range got {
			if s.Type == scopeRepository && !oci.ValidName(s.Name) || s.Type != scopeRepository && s.Type != scopeRegistry || len(s.Actions) == 0 {
				t.Errorf("%q: got %+v", text, s)
			}
		}
		if again, err := ParseScopes(written(got)); err != nil || !reflect.DeepEqual(again, got) {
			t.Errorf("%q: read again: got %q, %v, want %q", text, written(again), err, written(got))
		}
	})
}
