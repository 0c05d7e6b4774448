package httpapi

import (
	"net/http"
	"net/url"
	"strings"
)

// A target is where a request goes, as functions are told.
type target struct {
	path    string // as sent, unless a deviation changes it; starts with a slash
	decoded bool   // path has no percent escapes any more
	query   string // as sent
}

// target reads the request line itself: a *url.URL has lost what the client
// wrote where a path can be written in more than one way.
func (g *gateway) target(r *http.Request) (target, error) {
	uri := r.RequestURI
	if !strings.HasPrefix(uri, "/") { // sent to what the client believes to be a proxy
		_, rest, ok := strings.Cut(uri, "://")
		if !ok { // OPTIONS * and CONNECT host
			return target{}, errBadRequest
		}
		uri = "/"
		if i := strings.IndexAny(rest, "/?"); i >= 0 && rest[i] == '/' {
			uri = rest[i:]
		} else if i >= 0 {
			uri += rest[i:]
		}
	}
	var t target
	t.path, t.query, _ = strings.Cut(uri, "?")
	return g.deviate(t), nil
}

func (g *gateway) deviate(t target) target {
	if g.dev.PlusIsSpace {
		t.path = strings.ReplaceAll(t.path, "+", "%20")
		t.query = strings.ReplaceAll(t.query, "+", "%20")
	}
	if g.dev.DecodePath {
		if plain, err := url.PathUnescape(t.path); err == nil {
			t.path, _, _ = strings.Cut(plain, "?")
		}
		t.decoded = true
	}
	return t
}
