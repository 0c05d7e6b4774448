package gateway_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/opencontainers/go-digest"

	"github.com/berthregistry/berth/shared/blobs"
	"github.com/berthregistry/berth/shared/distribution"
	"github.com/berthregistry/berth/shared/gateway"
	"github.com/berthregistry/berth/shared/registry"
)

// door is what stands in front of a registry on AWS.
var door = distribution.Door{Inline: 4 << 20, Headless: true, Request: 4_500_000}

// located is a store with URLs.
type located struct{ blobs.Store }

func (located) ReadURL(_ context.Context, key, method string, valid time.Duration) (string, error) {
	return "https://bucket.s3.test/" + key + "?method=" + method + "&expires=" + valid.String(), nil
}

func (located) WriteURL(context.Context, string, int64, []byte, time.Duration) (string, http.Header, error) {
	return "", nil, errors.New("nobody writes through this door")
}

// served is a function on stores of its own, the blobs seen through wrap.
func served(t testing.TB, d distribution.Door, wrap func(blobs.Store) blobs.Store) function {
	t.Helper()
	items, objects := newStores(t)
	reg := registry.New(items, wrap(objects), registry.Options{})
	return gateway.New(distribution.New(reg, distribution.Options{Door: d}))
}

// push sends a blob in chunks that pass the door, and returns its path.
func push(t testing.TB, f function, content []byte) string {
	t.Helper()
	a := invoke(t, f, sample(t, "upload-start"))
	if a.StatusCode != 202 {
		t.Fatalf("POST = %d %s", a.StatusCode, a.body)
	}
	location := a.get("Location")
	for rest := content; len(rest) > 0; {
		n := min(len(rest), int(door.Request))
		if a := invoke(t, f, carrying(event("PATCH", location, ""), rest[:n])); a.StatusCode != 202 {
			t.Fatalf("PATCH = %d %s", a.StatusCode, a.body)
		}
		rest = rest[n:]
	}
	a = invoke(t, f, event("PUT", location, "digest="+string(digest.FromBytes(content))))
	if a.StatusCode != 201 {
		t.Fatalf("PUT = %d %s", a.StatusCode, a.body)
	}
	return a.get("Location")
}

// Behind the door of AWS: what is small comes inline, also in answer to HEAD;
// what is large, and the HEAD of what is in the bucket, is a redirect.
func TestDoor(t *testing.T) {
	f := served(t, door, func(b blobs.Store) blobs.Store { return located{b} })
	if a := invoke(t, f, sample(t, "upload-start")); a.get("OCI-Chunk-Max-Length") != "4500000" {
		t.Errorf("POST = %d %v, want it to say how much fits", a.StatusCode, a.Headers)
	}
	for _, c := range []struct {
		size      int
		get, head int
	}{
		{0, 200, 200},
		{16 << 10, 200, 200}, // in the table: there is no URL
		{16<<10 + 1, 200, 307},
		{4 << 20, 200, 307},
		{4<<20 + 1, 307, 307},
		{9 << 20, 307, 307},
	} {
		content := randomBytes(c.size)
		path := push(t, f, content)
		for method, want := range map[string]int{"GET": c.get, "HEAD": c.head} {
			a := invoke(t, f, event(method, path, ""))
			if a.StatusCode != want {
				t.Errorf("%s of %d bytes = %d %.200s, want %d", method, c.size, a.StatusCode, a.body, want)
			}
			if got := a.get("Docker-Content-Digest"); got != string(digest.FromBytes(content)) {
				t.Errorf("%s of %d bytes: Docker-Content-Digest %q", method, c.size, got)
			}
			whole, where := want == 200, a.get("Location")
			if whole && string(a.body) != string(content) || !whole && len(a.body) != 0 {
				t.Errorf("%s of %d bytes: %d with %d", method, c.size, want, len(a.body))
			}
			if !whole && (!strings.Contains(where, "?method="+method+"&expires=1m0s") || a.get("Cache-Control") != "no-store") {
				t.Errorf("%s of %d bytes: to %q, Cache-Control %q", method, c.size, where, a.get("Cache-Control"))
			}
		}
	}
}

// The body of a HEAD reaches the gateway, which counts it and sends none.
func TestHeadIsCounted(t *testing.T) {
	f := served(t, door, func(b blobs.Store) blobs.Store { return b })
	pushSamples(t, f)
	for head, get := range map[string]string{"manifest-head": "manifest-get", "ping-head": "ping", "blob-head": "blob-get"} {
		counted, sent := invoke(t, f, sample(t, head)), invoke(t, f, sample(t, get))
		if counted.StatusCode != 200 || len(counted.body) == 0 || string(counted.body) != string(sent.body) {
			t.Errorf("%s = %d with %d bytes, %s has %d", head, counted.StatusCode, len(counted.body), get, len(sent.body))
		}
	}
}

// pushSamples pushes the image of the samples.
func pushSamples(t testing.TB, f function) {
	t.Helper()
	push(t, f, layer(t))
	for _, name := range []string{"blob-post-text", "manifest-put"} {
		if a := invoke(t, f, sample(t, name)); a.StatusCode != 201 {
			t.Fatalf("%s = %d %s", name, a.StatusCode, a.body)
		}
	}
}

// layer is the one of the samples.
func layer(t testing.TB) []byte {
	_, body := seen(t, sample(t, "upload-patch"))
	return body
}

// breaking is a store whose objects end early.
type breaking struct{ blobs.Store }

func (b breaking) Open(ctx context.Context, key string, size int64) (io.ReadSeekCloser, error) {
	f, err := b.Store.Open(ctx, key, size)
	return &broken{ReadSeekCloser: f, left: 1000}, err
}

type broken struct {
	io.ReadSeekCloser
	left int
}

func (b *broken) Read(p []byte) (int, error) {
	if b.left == 0 {
		return 0, errors.New("connection reset")
	}
	n, err := b.ReadSeekCloser.Read(p[:min(len(p), b.left)])
	b.left -= n
	return n, err
}

// Half a blob is never a 200: the gateway would give it a length of its own,
// and a 206 would be taken for the rest of it.
func TestHalfABlob(t *testing.T) {
	f := served(t, door, func(b blobs.Store) blobs.Store { return breaking{b} })
	path := push(t, f, randomBytes(100_000))
	failed(t, invoke(t, f, event("GET", path, "")), "broke off")
	failed(t, invoke(t, f, with(event("GET", path, ""), "range", "bytes=5000-")), "broke off")
	failed(t, invoke(t, f, event("HEAD", path, "")), "broke off")
	if a := invoke(t, f, with(event("GET", path, ""), "range", "bytes=0-999")); a.StatusCode != 206 || len(a.body) != 1000 {
		t.Errorf("what can be read = %d, %d bytes", a.StatusCode, len(a.body))
	}
}
