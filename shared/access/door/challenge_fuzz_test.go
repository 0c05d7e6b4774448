package door_test

import (
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"

	"github.com/berthregistry/berth/shared/access/door"
)

// form is a challenge: a scheme and parameters with quoted values (RFC 9110,
// section 11.6.1).
var (
	form      = regexp.MustCompile(`^Bearer realm="(?:[^"\\]|\\.)*"(?:,[a-z]+="(?:[^"\\]|\\.)*")*$`)
	parameter = regexp.MustCompile(`([a-z]+)="((?:[^"\\]|\\.)*)"`)
)

// Whatever host is asked for, and whatever scope, the challenge is one header
// with the parameters that are meant, and none that the asker has written.
func FuzzChallenge(f *testing.F) {
	e := build(f, func(o *door.Options) {
		o.Realm = func(r *http.Request) string { return "https://" + r.Host + "/token" }
	})
	for _, seed := range [][2]string{
		{"registry.test", "repository:a:pull"}, {`a",error="x`, `b",scope="c`}, {"a\r\nSet-Cookie: x", "\\"}, {"", ""}, {"é", "\x00"},
	} {
		f.Add(seed[0], seed[1])
	}
	f.Fuzz(func(t *testing.T, host, scope string) {
		r := httptest.NewRequestWithContext(t.Context(), "GET", "/v2/", nil)
		r.Host = host
		challenge := e.Challenge(r, scope, nil)
		if !form.MatchString(challenge) || strings.ContainsFunc(challenge, func(c rune) bool { return c < ' ' || c > '~' }) {
			t.Fatalf("%q is no challenge", challenge)
		}
		seen := map[string]bool{}
		for _, p := range parameter.FindAllStringSubmatch(challenge, -1) {
			if seen[p[1]] || p[1] != "realm" && p[1] != "service" && p[1] != "scope" {
				t.Errorf("parameter %s in %q", p[1], challenge)
			}
			seen[p[1]] = true
		}
	})
}
