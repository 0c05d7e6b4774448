package checkup_test

import (
	"bytes"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/berthregistry/berth/cmd/berth/checkup"
	"github.com/berthregistry/berth/shared/registry"
)

// What doctor says to set does put it right.
func TestAdviceThatIsFollowed(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*setup)
		want   map[string]line
	}{
		"HeadLength=kept": {
			func(s *setup) { s.front.KeepContentLength, s.door.Headless = true, false },
			map[string]line{"head-length": {checkup.OK, "HeadLength is kept", ""}},
		},
		"HeadLength=kept, not needed": {
			func(s *setup) { s.door.Headless = false },
			map[string]line{
				"manifest-head": {checkup.Broken, "0 of ", "HeadLength=counted"},
				"blob-head":     {checkup.Broken, "0 of ", "HeadLength=counted"},
				"head-length":   {checkup.Broken, "it is counted, and HeadLength is kept", "HeadLength=counted"},
			},
		},
		"RequestLimit=2490368": {
			func(s *setup) { s.front.MaxRequest, s.door.Request = 2_500_000, 2_490_368 },
			map[string]line{"request-size": {checkup.OK, "2490368 bytes pass", ""}},
		},
		"RequestLimit not said": {
			func(s *setup) { s.door.Request = 0 },
			map[string]line{"request-size": {checkup.Differs, "nothing is announced", "RequestLimit=4500000"}},
		},
		"InlineLimit=2228224": {
			func(s *setup) { s.front.MaxResponse, s.door.Inline = 3_000_000, 2_228_224 },
			map[string]line{"blob-inline": {checkup.OK, "InlineLimit is smaller", ""}},
		},
		"InlineLimit=16384": {
			func(s *setup) { s.front.RawResponses, s.door.Inline = true, 16_384 },
			map[string]line{
				"blob-small": {checkup.Broken, "base64", "nothing can be set for them"},
				"blob-range": {checkup.Broken, "base64", "nothing can be set for them"},
				"blob-head":  {checkup.Broken, "base64", "nothing can be set for them"},
			},
		},
		"ReferrersHeader=absent-only": {
			func(s *setup) { s.bare, s.rules.ReferrersHeader = true, registry.HeaderAbsentOnly },
			map[string]line{"referrers": {checkup.OK, "absent, then no header", ""}},
		},
		"ReferrersHeader=on-request": {
			func(s *setup) { s.bare, s.rules.ReferrersHeader = true, registry.HeaderOnRequest },
			map[string]line{"referrers": {checkup.OK, "absent, then present", ""}},
		},
		"ReferrersHeader=off": {
			func(s *setup) { s.bare, s.rules.ReferrersHeader = true, registry.HeaderOff },
			map[string]line{"referrers": {checkup.Skipped, "ReferrersHeader is off", ""}},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := asDeployed()
			c.change(&s)
			d := deploy(t, s)
			holds(t, examine(t, d.url), c.want)
			d.isEmpty(t)
		})
	}
}

// A front is what else may change requests and answers than httpapi knows.
type front struct {
	wrap func(http.Handler) http.Handler
	want map[string]line
}

func TestOtherFronts(t *testing.T) {
	for name, f := range map[string]front{
		"text that is not UTF-8": {mangles("application/vnd."), map[string]line{
			"body-oci": {checkup.Differs, "arrives changed: 131 bytes of 256 bytes", "nothing to set: a manifest is UTF-8"},
		}},
		"a challenge is lost": {edits(func(h http.Header) { h.Del("Www-Authenticate") }), map[string]line{
			"challenge": {checkup.Broken, "it is gone", ""},
		}},
		"a challenge is split": {edits(func(h http.Header) {
			if v := h.Get("Www-Authenticate"); v != "" {
				h["Www-Authenticate"] = strings.Split(v, ",")
			}
		}), map[string]line{"challenge": {checkup.Broken, `it arrives as Bearer realm="https://berth.invalid/token" | service`, ""}}},
		"slashes are merged": {rewrites(func(uri string) string { return strings.ReplaceAll(uri, "//", "/") }), map[string]line{
			"slashes": {checkup.Differs, "//a///b arrives as /a//b", "nothing to set: no path"},
		}},
		"plus is decoded twice": {rewrites(func(uri string) string { return strings.ReplaceAll(uri, "%2B", "+") }), map[string]line{
			"plus": {checkup.Broken, "arrives as /a+b?c=d+e+f", "cannot be filtered"},
		}},
		"a query is sorted": {rewrites(func(uri string) string { return strings.ReplaceAll(uri, "x=1&x=2&empty=&flag", "empty=&flag=&x=1&x=2") }), map[string]line{
			"query": {checkup.Differs, "arrives as empty=", "nothing to set: it means the same"},
		}},
		"a query is thinned": {rewrites(func(uri string) string { return strings.ReplaceAll(uri, "x=1&x=2", "x=2") }), map[string]line{
			"query": {checkup.Broken, "arrives as x=2", "nothing can be set: uploads"},
		}},
		"a cache of its own": {edits(func(h http.Header) {
			if h.Get("Oci-Referrers") != "" {
				h.Set("Oci-Referrers", "absent")
			}
		}), map[string]line{"referrers": {checkup.Broken, "absent, although there is one", "look for a cache"}}},
		"large headers are dropped": {edits(func(h http.Header) {
			if len(h.Get("Berth-Echo")) > 1000 {
				h.Del("Berth-Echo")
			}
		}), map[string]line{"answer-header": {checkup.Differs, "", "ReferrersHeader=off"}}},
	} {
		t.Run(name, func(t *testing.T) { f.shows(t, asServed()) })
	}
}

// These change what the gateway makes of an answer.
func TestOtherGateways(t *testing.T) {
	for name, f := range map[string]front{
		"binary that is text": {mangles("application/octet-stream"), map[string]line{
			"body":         {checkup.Broken, "a body application/octet-stream arrives changed", "nothing can be set: layers"},
			"request-size": {checkup.Broken, "0 bytes pass", "see the lines above"},
			"push":         {checkup.Broken, "inline blob", ""},
		}},
		"no lengths": {edits(func(h http.Header) { h.Del("Content-Length") }), map[string]line{
			"manifest-head": {checkup.Broken, "no length of", "containerd cannot pull"},
			"blob-head":     {checkup.Broken, "no length of 288", "containerd cannot pull"},
			"head-length":   {checkup.Broken, "no length announced", "nothing can be set"},
		}},
	} {
		t.Run(name, func(t *testing.T) { f.shows(t, asDeployed()) })
	}
}

func (f front) shows(t *testing.T, s setup) {
	t.Parallel()
	s.wrap = f.wrap
	d := deploy(t, s)
	if _, lost := f.want["push"]; lost {
		f.want = withoutArtifact(f.want)
	}
	holds(t, examine(t, d.url), f.want)
	d.isEmpty(t)
}

// withoutArtifact adds the lines that come of blobs that could not be pushed.
func withoutArtifact(want map[string]line) map[string]line {
	for _, name := range []string{"manifest", "manifest-head", "not-modified", "referrers", "blob-inline", "blob-large", "blob-range", "blob-head", "direct"} {
		want[name] = line{checkup.Skipped, "could not be pushed", ""}
	}
	return want
}

// mangles has bodies of some types made UTF-8, badly.
func mangles(prefix string) func(http.Handler) http.Handler {
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			body, err := io.ReadAll(r.Body)
			if err == nil && strings.HasPrefix(r.Header.Get("Content-Type"), prefix) && !utf8.Valid(body) {
				body = []byte(strings.ToValidUTF8(string(body), "\ufffd"))
			}
			r.Body, r.ContentLength = io.NopCloser(bytes.NewReader(body)), int64(len(body))
			next.ServeHTTP(w, r)
		})
	}
}

// rewrites has requests arrive with another path or query.
func rewrites(change func(uri string) string) func(http.Handler) http.Handler {
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			r.RequestURI = change(r.RequestURI)
			if u, err := url.ParseRequestURI(r.RequestURI); err == nil {
				r.URL = u
			}
			next.ServeHTTP(w, r)
		})
	}
}

// edits has answers leave with other headers.
func edits(change func(http.Header)) func(http.Handler) http.Handler {
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			e := &edited{ResponseWriter: w, change: change}
			next.ServeHTTP(e, r)
			if !e.done { // an answer without a body is sent after this
				change(w.Header())
			}
		})
	}
}

type edited struct {
	http.ResponseWriter
	change func(http.Header)
	done   bool
}

func (e *edited) WriteHeader(status int) {
	if !e.done {
		e.change(e.Header())
	}
	e.done = true
	e.ResponseWriter.WriteHeader(status)
}

func (e *edited) Write(p []byte) (int, error) {
	if !e.done {
		e.WriteHeader(http.StatusOK)
	}
	return e.ResponseWriter.Write(p)
}
