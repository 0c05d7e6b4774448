package distribution_test

import (
	"bytes"
	"net/http"
	"net/http/httptest"
	"reflect"
	"strings"
	"testing"

	"github.com/berthregistry/berth/shared/distribution"
	"github.com/berthregistry/berth/shared/oci"
	"github.com/berthregistry/berth/shared/registry"
)

// What is told of a request behind a gate: who wanted to do what, and which rule
// says whether they may.
func TestObserveWho(t *testing.T) {
	o := &observed{all: map[string][]distribution.Exchange{}}
	s := guard(t, distribution.Options{Observe: o.observe})
	release := s.as("root").image("closed/app", "release-1", "layer")
	body := imageOf(describe("application/vnd.test.blob", []byte("{}")), describe("application/vnd.test.blob", []byte("layer")))
	byDigest := manifestURL("closed/app", string(release.Digest))
	const hint = "registry.test/closed/app:"
	for _, c := range []struct {
		who, method, target, hint string
		want                      distribution.Exchange
	}{
		{"", "GET", "/v2/", "", distribution.Exchange{Principal: "anonymous"}},
		{"root", "GET", "/v2/", "", distribution.Exchange{Principal: "user:root"}},
		{"wrong", "GET", "/v2/", "", distribution.Exchange{Denied: true}},
		{"blocked", "GET", "/v2/", "", distribution.Exchange{Denied: true}},
		{"", "GET", "/v2/nothing", "", distribution.Exchange{Principal: "anonymous", Denied: true}},
		{"root", "GET", "/v2/_catalog", "", distribution.Exchange{Principal: "user:root", Action: "catalog"}},
		{"", "GET", byDigest, "", distribution.Exchange{Principal: "anonymous", Action: "pull", Denied: true}},
		{"nobody", "GET", byDigest, hint + "release-1", distribution.Exchange{Principal: "user:nobody", Action: "pull", Denied: true, Hint: "release-1"}},
		{"production", "GET", manifestURL("closed/app", "release-1"), "", distribution.Exchange{Principal: "user:production", Action: "pull", Rule: "releases", Tag: "release-1", Pull: true}},
		{"production", "HEAD", manifestURL("closed/app", "release-1"), "", distribution.Exchange{Principal: "user:production", Action: "pull", Rule: "releases", Tag: "release-1"}},
		{"production", "GET", manifestURL("closed/app", "dev"), "", distribution.Exchange{Principal: "user:production", Action: "pull", Rule: "releases", Tag: "dev", Denied: true}},
		// A hint is told as it was said. For a tag that may not be pulled it
		// cannot be true.
		{"production", "GET", byDigest, hint + "release-1", distribution.Exchange{Principal: "user:production", Action: "pull", Rule: "releases", Tag: "release-1", Hint: "release-1"}},
		{"production", "GET", byDigest, hint + "dev", distribution.Exchange{Principal: "user:production", Action: "pull", Rule: "releases", Hint: "dev"}},
		{"production", "GET", byDigest, hint + "dev," + hint + "release-1", distribution.Exchange{Principal: "user:production", Action: "pull", Rule: "releases", Tag: "release-1", Hint: "dev release-1"}},
		{"production", "GET", byDigest, hint + "release-1@" + string(release.Digest), distribution.Exchange{Principal: "user:production", Action: "pull", Rule: "releases", Tag: "release-1", Hint: "release-1@" + string(release.Digest), Pull: true}},
		{"production", "GET", "/v2/closed/app/blobs/" + string(oci.SHA256.Sum([]byte("layer"))), hint + "release-1@" + string(release.Digest), distribution.Exchange{Principal: "user:production", Action: "pull", Rule: "releases", Tag: "release-1", Hint: "release-1@" + string(release.Digest)}},
		{"root", "PUT", byDigest + "?tag=a&tag=b", "", distribution.Exchange{Principal: "user:root", Action: "push", Rule: "all", Tags: []string{"a", "b"}}},
		{"manager", "PUT", byDigest + "?tag=dev", "", distribution.Exchange{Principal: "user:manager", Action: "push", Rule: "release management", Tags: []string{"dev"}, Denied: true}},
		{"manager", "PUT", manifestURL("closed/app", "release-2"), "", distribution.Exchange{Principal: "user:manager", Action: "push", Rule: "release management", Tag: "release-2"}},
		{"manager repository:closed/app:pull", "PUT", manifestURL("closed/app", "release-2"), "", distribution.Exchange{Principal: "user:manager", Action: "push", Tag: "release-2", Denied: true}},
		{"signer", "POST", "/v2/closed/app/blobs/uploads/", "", distribution.Exchange{Principal: "user:signer", Action: "attach", Rule: "signing"}},
		{"manager", "POST", "/v2/closed/app/blobs/uploads/", hint + "dev", distribution.Exchange{Principal: "user:manager", Action: "push", Rule: "release management", Hint: "dev", Denied: true}},
		{"manager", "POST", "/v2/closed/app/blobs/uploads/", hint + "release-9", distribution.Exchange{Principal: "user:manager", Action: "push", Rule: "release management", Tag: "release-9", Hint: "release-9"}},
		{"manager", "DELETE", manifestURL("closed/app", "dev"), "", distribution.Exchange{Principal: "user:manager", Action: "delete", Rule: "release management", Tag: "dev", Denied: true}},
		{"root", "DELETE", manifestURL("closed/kept", "dev"), "", distribution.Exchange{Principal: "user:root", Action: "delete", Rule: "no deleting", Tag: "dev", Denied: true}},
	} {
		header := []string{"Content-Type", oci.MediaTypeImage}
		if c.hint != "" {
			header = append(header, "OCI-Ref", c.hint)
		}
		a := s.as(c.who).do(c.method, c.target, bytes.NewReader(body), header...)
		x := o.one(t, a.get("X-Request-Id"))
		if refused := x.Status == 401 || x.Status == 403 || x.Status == 429; refused != (c.want.Denied || c.who == "" && c.target == "/v2/") {
			t.Errorf("%s: %s %s: got %d %s", c.who, c.method, c.target, x.Status, a.body)
		}
		got := distribution.Exchange{Principal: x.Principal, Action: x.Action, Rule: x.Rule, Tag: x.Tag, Tags: x.Tags, Hint: x.Hint, Pull: x.Pull, Denied: x.Denied}
		if !reflect.DeepEqual(got, c.want) {
			t.Errorf("%s: %s %s\n got %+v\nwant %+v", c.who, c.method, c.target, got, c.want)
		}
		if x.Address != "127.0.0.1" {
			t.Errorf("%s: %s %s: from %q", c.who, c.method, c.target, x.Address)
		}
	}
}

// Without a gate a hint is told as well.
func TestObserveHintsWithoutGate(t *testing.T) {
	o := &observed{all: map[string][]distribution.Exchange{}}
	s := serveObserved(t, registry.Options{}, distribution.Options{Observe: o.observe})
	image := s.image("app", "1", "layer")
	a := s.get(manifestURL("app", string(image.Digest)), "OCI-Ref", "registry.test/app:1@"+string(image.Digest))
	if x := o.one(t, a.get("X-Request-Id")); x.Tag != "1" || !x.Pull || x.Address != "" || x.Action != "" {
		t.Errorf("got %+v", x)
	}
}

// Many tags are not many bytes in the log: more than are taken are not told.
func TestObserveTagsAreFew(t *testing.T) {
	o := &observed{all: map[string][]distribution.Exchange{}}
	s := serveObserved(t, registry.Options{}, distribution.Options{Observe: o.observe})
	a := s.tryPut("app", digest256+"?tag=x"+strings.Repeat("&tag=x", 5000), oci.MediaTypeImage, []byte("{}"))
	s.want(a, http.StatusRequestURITooLong, "UNSUPPORTED")
	if x := o.one(t, a.get("X-Request-Id")); len(x.Tags) != registry.DefaultLimits.TagsPerPush {
		t.Errorf("%d tags are told", len(x.Tags))
	}
}

// What is fetched elsewhere is told by its size, once.
func TestObserveRedirects(t *testing.T) {
	o := &observed{all: map[string][]distribution.Exchange{}}
	items, objects := newStores(t)
	h := distribution.New(registry.New(items, located{Store: objects}, registry.Options{}), distribution.Options{
		Observe: o.observe, Door: distribution.Door{Inline: inDoor, Headless: true},
	})
	web := httptest.NewServer(h)
	t.Cleanup(web.Close)
	d := doorway{&server{TB: t, url: web.URL, client: web.Client()}, h}
	large := d.blob("a", noise(inStore)).Digest
	for _, c := range []struct {
		method, have string
		want         int64
	}{{"GET", "", inStore}, {"HEAD", "", 0}, {"GET", `"` + string(large) + `"`, 0}} {
		a := d.ask(c.method, "/v2/a/blobs/"+string(large), "If-None-Match", c.have)
		if x := o.one(t, a.get("X-Request-Id")); x.Redirected != c.want || x.Bytes != 0 {
			t.Errorf("%s with %q: got %d elsewhere and %d here, want %d and 0", c.method, c.have, x.Redirected, x.Bytes, c.want)
		}
	}
}
