package main

import (
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"testing"

	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/berthregistry/berth/shared/oci"
)

// What goes wrong at a registry is told in its words, which do not command the
// terminal.
func TestErrorsCommandNoTerminal(t *testing.T) {
	web := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusForbidden)
		_, _ = fmt.Fprint(w, `{"errors":[{"code":"DENIED","message":"no \u001b[2J\u009b2J\u202e"}]}`)
	}))
	defer web.Close()
	broken := brokenServer(t, "HTTP/1.1 200 OK\r\nno \x1b[2J\r\n\r\n")
	for _, host := range []string{strings.TrimPrefix(web.URL, "http://"), broken} {
		for _, command := range []string{"tree", "watch"} {
			got := berth(t, "", command, host+"/a:1").wants(t, 1, "no ")
			if strings.ContainsAny(got.err, "\x1b\u009b\u202e\r") {
				t.Errorf("%s: %q", command, got.err)
			}
		}
	}
}

// A registry may list without end: in one index, in a tag that stands for a list
// of referrers, or as layers.
func TestTreeOfListsWithoutEnd(t *testing.T) {
	blob := v1.Descriptor{MediaType: v1.MediaTypeImageLayer, Digest: "sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a", Size: 2}
	many := slices.Repeat([]v1.Descriptor{blob}, maxListed+1)
	index := v1.Index{Versioned: versioned, MediaType: v1.MediaTypeImageIndex, Manifests: many}
	layers := v1.Manifest{Versioned: versioned, MediaType: v1.MediaTypeImageManifest, Config: blob, Layers: many}
	little := v1.Index{Versioned: versioned, MediaType: v1.MediaTypeImageIndex, Manifests: []v1.Descriptor{}}
	for name, c := range map[string]struct {
		what any // under the tag 1
		kind string
		list any // under the tag of its digest
		says string
	}{
		"entries":   {index, v1.MediaTypeImageIndex, little, "more than 100000 entries"},
		"layers":    {layers, v1.MediaTypeImageManifest, little, "more than 100000 entries"},
		"referrers": {little, v1.MediaTypeImageIndex, index, "more than 10000"},
	} {
		raw, _ := json.Marshal(c.what)
		tag := asTag(string(oci.SHA256.Sum(raw)))
		list, _ := json.Marshal(c.list)
		web := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			switch path := r.URL.Path; {
			case strings.HasSuffix(path, "/tags/list"):
				_, _ = fmt.Fprintf(w, `{"name":"a","tags":[%q]}`, tag)
			case strings.HasSuffix(path, "/manifests/1"):
				w.Header().Set("Content-Type", c.kind)
				w.Header().Set("Content-Length", strconv.Itoa(len(raw)))
				_, _ = w.Write(raw)
			case strings.HasSuffix(path, "/manifests/"+tag):
				w.Header().Set("Content-Type", v1.MediaTypeImageIndex)
				w.Header().Set("Content-Length", strconv.Itoa(len(list)))
				_, _ = w.Write(list)
			default:
				w.Header().Set("Content-Type", v1.MediaTypeImageIndex)
				_, _ = fmt.Fprint(w, `{"schemaVersion":2,"manifests":[]}`)
			}
		}))
		got := berth(t, "", "tree", strings.TrimPrefix(web.URL, "http://")+"/a:1")
		if got.status != 1 || !strings.Contains(got.err, c.says) {
			t.Errorf("%s: status %d, %.300q", name, got.status, got.err)
		}
		web.Close()
	}
}

// brokenServer answers each connection with a text, and returns its address.
func brokenServer(t *testing.T, text string) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			buf := make([]byte, 1<<10)
			_, _ = c.Read(buf)
			_, _ = c.Write([]byte(text))
			_ = c.Close()
		}
	}()
	return l.Addr().String()
}
