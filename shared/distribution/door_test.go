package distribution_test

import (
	"bytes"
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/berthregistry/berth/shared/blobs"
	"github.com/berthregistry/berth/shared/distribution"
	"github.com/berthregistry/berth/shared/oci"
	"github.com/berthregistry/berth/shared/registry"
)

// located is a store whose URLs say what they are for.
type located struct {
	blobs.Store
	fail error
}

var _ blobs.Locator = located{}

func (l located) ReadURL(_ context.Context, key, method string, valid time.Duration) (string, error) {
	return "https://store.test/" + key + "?method=" + method + "&valid=" + valid.String(), l.fail
}

func (located) WriteURL(context.Context, string, int64, []byte, time.Duration) (string, http.Header, error) {
	return "", nil, errors.New("nobody writes through this door")
}

// A doorway is a server with a door in front: pushes go past it, and what it is
// asked is answered as the door hears it, with the body of a HEAD.
type doorway struct {
	*server
	handler http.Handler
}

func behind(t testing.TB, d distribution.Door) doorway {
	t.Helper()
	items, objects := newStores(t)
	return doorwayTo(t, d, registry.New(items, located{Store: objects}, registry.Options{}))
}

func doorwayTo(t testing.TB, d distribution.Door, reg *registry.Registry) doorway {
	t.Helper()
	h := distribution.New(reg, distribution.Options{Door: d})
	web := httptest.NewServer(h)
	t.Cleanup(web.Close)
	return doorway{&server{TB: t, url: web.URL, client: web.Client()}, h}
}

func (d doorway) ask(method, target string, header ...string) answer {
	d.Helper()
	r := httptest.NewRequestWithContext(d.Context(), method, target, nil)
	for i := 0; i < len(header); i += 2 {
		r.Header.Add(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	d.handler.ServeHTTP(w, r)
	return answer{status: w.Code, header: w.Result().Header, body: w.Body.Bytes()}
}

// redirected holds an answer to a redirect to the store, for one method.
func (d doorway) redirected(a answer, digest oci.Digest, method string) {
	d.Helper()
	where := a.get("Location")
	if a.status != http.StatusTemporaryRedirect || len(a.body) != 0 ||
		!strings.HasPrefix(where, "https://store.test/") || !strings.HasSuffix(where, "?method="+method+"&valid=1m0s") {
		d.Errorf("%d to %q with %d bytes, want 307 to a URL for %s at the store", a.status, where, len(a.body), method)
	}
	if got := a.get("Docker-Content-Digest"); got != string(digest) {
		d.Errorf("redirect with Docker-Content-Digest %q, want %q", got, digest)
	}
	if got := a.get("Cache-Control"); got != "no-store" {
		d.Errorf("redirect with Cache-Control %q, want no-store", got)
	}
	for _, name := range []string{"Content-Length", "Content-Type", "Content-Range"} {
		if got := a.get(name); got != "" {
			d.Errorf("redirect with %s %q", name, got)
		}
	}
}

// The largest blob that is kept in the table, and two in the store, of which one
// may pass the door.
const inItem, inDoor, inStore = 16 << 10, 40_000, 40_001

func TestDoorInline(t *testing.T) {
	d := behind(t, distribution.Door{Inline: inDoor})
	for _, size := range []int{0, inItem, inDoor} {
		content := noise(size)
		target := "/v2/a/blobs/" + string(d.blob("a", content).Digest)
		a := d.ask("GET", target)
		if a.status != http.StatusOK || !bytes.Equal(a.body, content) || a.get("Location") != "" {
			t.Errorf("blob of %d = %d with %d bytes, want it inline", size, a.status, len(a.body))
		}
	}
	large := d.blob("a", noise(inStore)).Digest
	target := "/v2/a/blobs/" + string(large)
	d.redirected(d.ask("GET", target), large, "GET")
	d.redirected(d.ask("GET", target, "Range", "bytes=0-5"), large, "GET")
	if a := d.ask("HEAD", target); a.status != http.StatusOK || a.get("Content-Length") != strconv.Itoa(inStore) {
		t.Errorf("HEAD through a door that keeps lengths = %d, Content-Length %s", a.status, a.get("Content-Length"))
	}
	if a := d.ask("GET", target, "If-None-Match", `"`+string(large)+`"`); a.status != http.StatusNotModified || a.get("Location") != "" {
		t.Errorf("GET of what the client has = %d to %q, want 304", a.status, a.get("Location"))
	}
}

// What is refused is refused here: the store does not speak to our clients.
func TestDoorRefuses(t *testing.T) {
	for _, door := range []distribution.Door{{Inline: 1}, {Inline: 1, Headless: true}} {
		d := behind(t, door)
		for target, want := range map[string]string{
			"/v2/a/blobs/" + digest256:   "404 BLOB_UNKNOWN",
			"/v2/a/blobs/sha256:short":   "400 DIGEST_INVALID",
			"/v2/A/blobs/" + digest256:   "400 NAME_INVALID",
			"/v2/a/manifests/none":       "404 MANIFEST_UNKNOWN",
			"/v2/a/blobs/uploads/none":   "404 BLOB_UPLOAD_UNKNOWN",
			"/v2/a/blobs/uploads/":       "405 UNSUPPORTED",
			"/v2/a/tags/list?n=notanint": "400 UNSUPPORTED",
		} {
			a := d.ask("GET", target)
			if got := strconv.Itoa(a.status) + " " + a.codes(t); got != want || a.get("Location") != "" {
				t.Errorf("GET %s = %s, want %s", target, got, want)
			}
			a = d.ask("HEAD", target)
			if strconv.Itoa(a.status) != want[:3] || a.get("Location") != "" {
				t.Errorf("HEAD %s = %d, want %.3s", target, a.status, want)
			}
			if counted := len(a.body) > 0; counted != door.Headless {
				t.Errorf("HEAD %s: a body is there: %v, want %v", target, counted, door.Headless)
			}
		}
	}
}

// Through a door that counts, what it counts is what GET has, also where the
// client asks a HEAD for a range, which there is none of.
func TestDoorHeadless(t *testing.T) {
	d := behind(t, distribution.Door{Headless: true})
	image := d.image("app", "1", "layer")
	targets := []string{"/v2/", "/v2/_catalog", "/v2/app/tags/list", "/v2/app/referrers/" + string(image.Digest),
		manifestURL("app", "1"), manifestURL("app", string(image.Digest)), "/v2/app/nothing"}
	for _, size := range []int{0, inItem} { // kept in the table: there is no URL
		targets = append(targets, "/v2/app/blobs/"+string(d.blob("app", noise(size)).Digest))
	}
	for _, target := range targets {
		get := d.ask("GET", target)
		for _, head := range []answer{d.ask("HEAD", target), d.ask("HEAD", target, "Range", "bytes=0-0")} {
			if head.status != get.status || !bytes.Equal(head.body, get.body) || head.get("Content-Length") != strconv.Itoa(len(get.body)) {
				t.Errorf("HEAD %s = %d, Content-Length %s and %d bytes, GET = %d and %d bytes", target,
					head.status, head.get("Content-Length"), len(head.body), get.status, len(get.body))
			}
			for name := range get.header {
				if name != "X-Request-Id" && head.get(name) != get.get(name) {
					t.Errorf("HEAD %s: %s %q, GET has %q", target, name, head.get(name), get.get(name))
				}
			}
		}
	}
}

func TestDoorHeadlessBlob(t *testing.T) {
	d := behind(t, distribution.Door{Headless: true})
	large := d.blob("a", noise(inStore)).Digest
	target := "/v2/a/blobs/" + string(large)
	d.redirected(d.ask("HEAD", target), large, "HEAD")
	d.redirected(d.ask("HEAD", target, "Range", "bytes=0-0"), large, "HEAD")
	if a := d.ask("GET", target); a.status != http.StatusOK || len(a.body) != inStore {
		t.Errorf("GET = %d with %d bytes: a door without a limit takes any", a.status, len(a.body))
	}
	for _, method := range []string{"GET", "HEAD"} {
		a := d.ask(method, target, "If-None-Match", `"`+string(large)+`"`)
		if a.status != http.StatusNotModified || len(a.body) != 0 || a.get("Location") != "" {
			t.Errorf("%s of what the client has = %d to %q, want 304", method, a.status, a.get("Location"))
		}
	}
}

// A store without URLs sends everything through the door.
func TestDoorWithoutURLs(t *testing.T) {
	d := doorwayTo(t, distribution.Door{Inline: 1, Headless: true}, newRegistry(t, registry.Options{}))
	content := noise(inStore)
	target := "/v2/a/blobs/" + string(d.blob("a", content).Digest)
	for _, method := range []string{"GET", "HEAD"} {
		if a := d.ask(method, target); a.status != http.StatusOK || !bytes.Equal(a.body, content) {
			t.Errorf("%s = %d with %d bytes, want all %d", method, a.status, len(a.body), len(content))
		}
	}
}

func TestDoorStoreFails(t *testing.T) {
	items, objects := newStores(t)
	reg := registry.New(items, located{objects, errors.New("no key to sign with")}, registry.Options{})
	d := doorwayTo(t, distribution.Door{Inline: 1, Headless: true}, reg)
	target := "/v2/a/blobs/" + string(d.blob("a", noise(inStore)).Digest)
	for _, method := range []string{"GET", "HEAD"} {
		a := d.ask(method, target)
		if a.status != http.StatusInternalServerError || a.codes(t) != "UNKNOWN" || strings.Contains(string(a.body), "key") {
			t.Errorf("%s = %d %s, want an internal error that tells nothing", method, a.status, a.body)
		}
	}
}

func TestDoorValid(t *testing.T) {
	d := behind(t, distribution.Door{Inline: 1, Valid: 5 * time.Second})
	a := d.ask("GET", "/v2/a/blobs/"+string(d.blob("a", noise(inStore)).Digest))
	if got := a.get("Location"); !strings.HasSuffix(got, "&valid=5s") {
		t.Errorf("Location %q, want one for 5 seconds", got)
	}
}

// Whoever begins an upload is told how much a request may carry, whatever they
// began with.
func TestDoorRequest(t *testing.T) {
	for limit, want := range map[int64]string{0: "", 4_500_000: "4500000"} {
		d := behind(t, distribution.Door{Request: limit})
		for _, query := range []string{"", "?digest-algorithm=sha512", "?mount=" + digest256, "?mount=" + digest256 + "&from=b"} {
			a := d.do("POST", "/v2/a/blobs/uploads/"+query, nil)
			if a.status != http.StatusAccepted || a.get("OCI-Chunk-Max-Length") != want {
				t.Errorf("POST %s = %d, OCI-Chunk-Max-Length %q, want %q", query, a.status, a.get("OCI-Chunk-Max-Length"), want)
			}
			if a.get("OCI-Chunk-Min-Length") != "" {
				t.Error("a smallest chunk has clients send more than gets through")
			}
		}
	}
}

// Through a socket nothing is changed, though the store has URLs.
func TestNoDoor(t *testing.T) {
	d := behind(t, distribution.Door{})
	content := noise(inStore)
	target := "/v2/a/blobs/" + string(d.blob("a", content).Digest)
	if a := d.ask("GET", target); a.status != http.StatusOK || !bytes.Equal(a.body, content) {
		t.Errorf("GET = %d with %d bytes, want the blob", a.status, len(a.body))
	}
	for _, target := range []string{target, "/v2/", "/v2/a/manifests/none"} {
		if a := d.ask("HEAD", target); len(a.body) != 0 || a.get("Location") != "" || a.get("Content-Length") == "" {
			t.Errorf("HEAD %s = %d with %d bytes to %q", target, a.status, len(a.body), a.get("Location"))
		}
	}
}
