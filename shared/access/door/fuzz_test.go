package door_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/berthregistry/berth/shared/access"
	"github.com/berthregistry/berth/shared/access/token"
	"github.com/berthregistry/berth/shared/oci"
)

// Nobody gets in by what they make up. Whatever they present is admitted as what
// it is, or 401, and what they are told has nothing of it.
func FuzzAuthorization(f *testing.F) {
	e := build(f)
	id, secret := e.robot(f, "ci")
	good := e.token(f, token.Token{Principal: access.Principal{Kind: access.User, Name: "alice"}})
	for _, seed := range []string{
		"", " ", "Bearer", "Bearer " + good, "bearer  " + good + " ", "Bearer " + good + "," + good, "Bearer a.b.c",
		"Basic", basic(id, secret), basic(id, "wrong"), basic("", ""), basic(":", ":"), "Basic !", "Digest a=\"b\"", "Bearer \"", "\x00", "é é",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, authorization string) {
		r := request(t, authorization)
		r.RemoteAddr = fmt.Sprintf("[2001:db8:%x:%x::1]:443", rand.N(1<<16), rand.N(1<<16)) // who failed may try again
		s, err := e.Admit(r)
		challenge := e.Challenge(r, "repository:a:pull", err)
		if n := strings.Count(challenge, `"`); n%2 != 0 || n > 8 || strings.ContainsAny(challenge, "\r\n") {
			t.Errorf("challenge %q", challenge)
		}
		if err == nil {
			known := s.Name == "ci" && authorization == basic(id, secret) || s.Name == "alice" && strings.Contains(authorization, good)
			if !known {
				t.Errorf("%q came in as %v", authorization, s.Principal)
			}
			return
		}
		if !errors.Is(err, oci.ErrUnauthorized) && !errors.Is(err, oci.ErrTooManyRequests) {
			t.Errorf("%q: %v", authorization, err)
		}
		if len(authorization) > 40 && strings.Contains(err.Error(), authorization[20:]) {
			t.Errorf("the error repeats what was presented: %v", err)
		}
	})
}

func BenchmarkAdmit(b *testing.B) {
	e := build(b)
	r := request(b, "Bearer "+e.token(b, token.Token{
		Principal: access.Principal{Kind: access.User, Name: "alice"},
		Scopes:    []access.Scope{{Type: "repository", Name: "team/app", Actions: []string{"pull"}}},
	}))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := e.Admit(r); err != nil {
			b.Fatal(err)
		}
	}
}
