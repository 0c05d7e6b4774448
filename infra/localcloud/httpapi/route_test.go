package httpapi_test

import (
	"maps"
	"testing"

	"github.com/berthregistry/berth/infra/localcloud/httpapi"
)

// A full match goes before a greedy one, that before $default; text before a
// variable, a method before ANY.
func TestRouting(t *testing.T) {
	d := open(t, httpapi.Config{Routes: []httpapi.Route{
		{Path: "$default"},
		{Method: "ANY", Path: "/{all+}"},
		{Method: "POST", Path: "/{path+}"},
		{Method: "GET", Path: "/pets/{rest+}"},
		{Method: "GET", Path: "/pets/dog/{id}"},
		{Method: "get", Path: "/pets/dog/1"},
		{Path: "/pets/dog/1"},
		{Method: "GET", Path: "/{kind}/cat/9"},
		{Method: "GET", Path: "/pets/{kind}/9"},
		{Method: "GET", Path: "/slash/"},
	}})
	for _, c := range []struct {
		method, path, key string
		variables         map[string]string
	}{
		{"GET", "/pets/dog/1", "GET /pets/dog/1", nil},
		{"PUT", "/pets/dog/1", "ANY /pets/dog/1", nil},
		{"GET", "/pets/dog/2", "GET /pets/dog/{id}", map[string]string{"id": "2"}},
		{"GET", "/pets/dog/2/3", "GET /pets/{rest+}", map[string]string{"rest": "dog/2/3"}},
		{"GET", "/pets/dog/", "GET /pets/{rest+}", map[string]string{"rest": "dog/"}},
		{"GET", "/pets/cat/9", "GET /pets/{kind}/9", map[string]string{"kind": "cat"}},
		{"GET", "/a/cat/9", "GET /{kind}/cat/9", map[string]string{"kind": "a"}},
		{"GET", "/pets", "ANY /{all+}", map[string]string{"all": "pets"}},
		{"POST", "/pets/cat/9", "POST /{path+}", map[string]string{"path": "pets/cat/9"}},
		{"PATCH", "/v2/a%2Fb/x+y%20z", "ANY /{all+}", map[string]string{"all": "v2/a/b/x+y z"}},
		{"GET", "/pets/dog/a%2Fb", "GET /pets/dog/{id}", map[string]string{"id": "a/b"}},
		{"GET", "//v2//x", "ANY /{all+}", map[string]string{"all": "/v2//x"}},
		{"GET", "/slash/", "GET /slash/", nil},
		{"GET", "/slash", "ANY /{all+}", map[string]string{"all": "slash"}},
		{"GET", "/", "$default", nil},
		{"POST", "/", "$default", nil},
	} {
		d.do(c.method, c.path, "")
		e := d.event()
		if e.RouteKey != c.key || e.RequestContext.RouteKey != c.key || !maps.Equal(e.PathParameters, c.variables) {
			t.Errorf("%s %s: got %q %v, want %q %v", c.method, c.path, e.RouteKey, e.PathParameters, c.key, c.variables)
		}
	}
}

func TestNoRoute(t *testing.T) {
	d := open(t, httpapi.Config{Routes: []httpapi.Route{{Method: "GET", Path: "/v2/{name}"}, {Method: "PUT", Path: "/v2/a"}}})
	for _, c := range [][2]string{
		{"GET", "/"}, {"GET", "/v2"}, {"GET", "/v2/"}, {"GET", "/v2/a/b"}, {"GET", "/v2/a/"}, {"HEAD", "/v2/a"}, {"PUT", "/v2/b"},
	} {
		got := d.do(c[0], c[1], "")
		if c[0] == "HEAD" {
			got.body = `{"message":"Not Found"}` // which is counted and not sent
			if got.length != int64(len(got.body)) {
				t.Errorf("HEAD: length %d", got.length)
			}
		}
		wantRefusal(t, got, 404, "Not Found")
	}
	if d.calls.Load() != 0 {
		t.Error("the function was called")
	}
}

// The registry's own routes: whatever is read goes to one function.
func TestRegistryRoutes(t *testing.T) {
	d := open(t, httpapi.Config{Routes: []httpapi.Route{
		{Path: "$default"},
		{Method: "POST", Path: "/{proxy+}"}, {Method: "PUT", Path: "/{proxy+}"}, {Method: "PATCH", Path: "/{proxy+}"},
		{Method: "DELETE", Path: "/{proxy+}"},
	}})
	for _, c := range [][3]string{
		{"GET", "/v2/", "$default"}, {"GET", "/v2", "$default"}, {"HEAD", "/v2/a/b/manifests/x", "$default"},
		{"OPTIONS", "/v2/", "$default"}, {"POST", "/v2/a/blobs/uploads/", "POST /{proxy+}"},
		{"PUT", "/v2/a/manifests/x", "PUT /{proxy+}"}, {"DELETE", "/v2/a/manifests/x", "DELETE /{proxy+}"},
	} {
		if d.do(c[0], c[1], ""); d.event().RouteKey != c[2] {
			t.Errorf("%s %s went to %s, want %s", c[0], c[1], d.event().RouteKey, c[2])
		}
	}
}
