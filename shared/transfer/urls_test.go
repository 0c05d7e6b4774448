package transfer

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"oras.land/oras-go/v2/registry/remote"
	"oras.land/oras-go/v2/registry/remote/auth"
	"oras.land/oras-go/v2/registry/remote/retry"

	"github.com/berthregistry/berth/shared/direct"
)

func mustURL(t testing.TB, s string) *url.URL {
	t.Helper()
	u, err := url.Parse(s)
	if err != nil {
		t.Fatal(err)
	}
	return u
}

func TestSameOrigin(t *testing.T) {
	for pair, want := range map[[2]string]bool{
		{"https://a.test/x", "https://a.test:443/y"}: true,
		{"http://a.test", "HTTP://A.test:80"}:        true,
		{"https://a.test", "http://a.test"}:          false,
		{"https://a.test", "https://a.test:444"}:     false,
		{"https://a.test", "https://b.a.test"}:       false,
		{"http://127.0.0.1:1", "http://localhost:1"}: false,
	} {
		if got := sameOrigin(mustURL(t, pair[0]), mustURL(t, pair[1])); got != want {
			t.Errorf("%v: %v, want %v", pair, got, want)
		}
	}
}

// Whoever tries again by itself beneath us would multiply tries, and a client
// that gives up after a time would end large bodies.
func TestClientsAreTakenAsTheyAre(t *testing.T) {
	base := mustURL(t, "https://registry.test/v2/a/")
	inner := &http.Transport{}
	given := &http.Client{Transport: retry.NewTransport(inner), Timeout: 1}
	login := &auth.Client{Client: given, Cache: auth.NewCache()}
	got, ok := stay(login, base).(*auth.Client)
	if !ok || got.Client.Transport != http.RoundTripper(inner) || got.Client.Timeout != 0 || got.Cache != login.Cache {
		t.Errorf("got %+v", got)
	}
	if given.Timeout != 1 || given.CheckRedirect != nil {
		t.Error("the client that was given has been changed")
	}
	if _, ok := stay(nil, base).(*auth.Client); !ok {
		t.Error("without a client there is none that logs in")
	}
	var own remote.Client = doing(nil)
	if got := stay(own, base); got == nil {
		t.Error("a client of one's own is not taken")
	}
}

type doing func(*http.Request) (*http.Response, error)

func (d doing) Do(r *http.Request) (*http.Response, error) { return d(r) }

func TestRedirects(t *testing.T) {
	base := mustURL(t, "https://registry.test/v2/team/app/")
	c := homebound(nil, base)
	for _, test := range []struct {
		first, next string
		want        error
	}{
		{"https://registry.test/v2/team/app/blobs/x", "https://store.test/x", http.ErrUseLastResponse},
		{"https://registry.test/v2/team/app/blobs/x", "https://registry.test:444/x", http.ErrUseLastResponse},
		{"https://registry.test/v2/team/app/blobs/x", "https://registry.test/v2/other/blobs/x", nil},
		{"https://registry.test/token", "https://login.test/token", nil},
		{"https://login.test/v2/team/app/token", "https://registry.test/token", nil},
	} {
		via := []*http.Request{{URL: mustURL(t, test.first)}}
		if got := c.CheckRedirect(&http.Request{URL: mustURL(t, test.next)}, via); got != test.want {
			t.Errorf("%s to %s: %v, want %v", test.first, test.next, got, test.want)
		}
	}
}

func TestPutCall(t *testing.T) {
	r := &Repository{base: mustURL(t, "https://registry.test/v2/a/")}
	for url, ok := range map[string]bool{
		"https://store.test/a?x=y": true, "http://store.test/a": false, "file:///a": false, "": false, "/a": false, "https://user@store.test/": false,
	} {
		if _, err := r.putCall(direct.Target{URL: url}, payload{}); (err == nil) != ok {
			t.Errorf("%q: %v, want it taken: %v", url, err, ok)
		}
	}
	c, err := r.putCall(direct.Target{URL: "https://store.test/a", Header: map[string]string{
		"x-amz-checksum-sha256": "sum", "Content-length": "1000", "HOST": "elsewhere", "authorization": "Bearer x", "Cookie": "a",
	}}, payload{})
	if err != nil || len(c.header) != 1 || c.header["x-amz-checksum-sha256"] != "sum" {
		t.Errorf("got %v, %v", c.header, err)
	}
	many := map[string]string{}
	for i := range maxHeaders + 1 {
		many["X-"+strings.Repeat("a", i)] = ""
	}
	if _, err := r.putCall(direct.Target{URL: "https://store.test/a", Header: many}, payload{}); err == nil {
		t.Error("any number of headers is taken")
	}
}
