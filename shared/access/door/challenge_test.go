package door_test

import (
	"errors"
	"net/http"
	"testing"

	"github.com/berthregistry/berth/shared/access"
	"github.com/berthregistry/berth/shared/access/door"
	"github.com/berthregistry/berth/shared/access/token"
	"github.com/berthregistry/berth/shared/oci"
)

func TestChallenge(t *testing.T) {
	e := build(t)
	good := "Bearer " + e.token(t, token.Token{Principal: access.Principal{Kind: access.User, Name: "alice"}})
	narrow := errors.New("the token is not for this")
	const begin = `Bearer realm="https://registry.example.com/token",service="berth"`
	for _, c := range []struct {
		name          string
		authorization []string
		scope         string
		cause         error
		want          string
	}{
		{"a ping", nil, "", nil, begin},
		{"nothing presented", nil, "repository:a:pull", nil, begin + `,scope="repository:a:pull"`},
		{"several scopes", nil, "repository:a:pull,push repository:b:pull", nil, begin + `,scope="repository:a:pull,push repository:b:pull"`},
		{"a narrow token", []string{good}, "repository:a:pull", narrow, begin + `,scope="repository:a:pull",error="insufficient_scope"`},
		{"nothing presented for administration", nil, "registry:admin:*", oci.ErrUnauthorized, begin + `,scope="registry:admin:*"`},
	} {
		if got := e.Challenge(request(t, c.authorization...), c.scope, c.cause); got != c.want {
			t.Errorf("%s:\n got %s\nwant %s", c.name, got, c.want)
		}
	}
}

// The realm may come from the Host header, which is anybody's.
func TestChallengeIsQuoted(t *testing.T) {
	e := build(t, func(o *door.Options) {
		o.Realm = func(r *http.Request) string { return "https://" + r.Host + "/token" }
	})
	r := request(t)
	r.Host = "a\",error=\"x\\\r\nSet-Cookie: b\x7fé"
	want := `Bearer realm="https://a\",error=\"x\\Set-Cookie: b/token",service="berth"`
	if got := e.Challenge(r, "", nil); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}
