package distribution

import (
	"net/http"
	"strings"
	"testing"
)

// What strangers put into conditions has no effect but its own.
func FuzzConditions(f *testing.F) {
	tag := `"sha256:` + strings.Repeat("0", 64) + `"`
	for _, s := range []string{tag, "W/" + tag, "*", "", ",", tag + "," + tag, `"`, `"*"`} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		h := http.Header{"If-None-Match": {s}, "If-Match": {s}}
		if noneMatch(h, tag) && !strings.Contains(s, tag) && !strings.Contains(s, "*") {
			t.Errorf("%q matches %s", s, tag)
		}
		p, err := precondition(h)
		if err == nil && (!p.NoneMatch || !p.MatchAny) {
			t.Errorf("%q is taken for %+v", s, p)
		}
		delete(h, "If-None-Match")
		if p, err = precondition(h); err == nil && !p.MatchAny && len(p.Match) == 0 {
			t.Errorf("If-Match: %q demands nothing", s)
		}
	})
}
