package gateway_test

import (
	"bytes"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"

	"github.com/berthregistry/berth/shared/distribution"
	"github.com/berthregistry/berth/shared/gateway"
	"github.com/berthregistry/berth/shared/registry"
)

const maxResponse = 6 << 20

// written is the answer to a GET that writes a body in pieces of 32 KiB.
func written(t testing.TB, body []byte) answer {
	t.Helper()
	return invoke(t, answering(func(w http.ResponseWriter) {
		_, _ = io.Copy(struct{ io.Writer }{w}, struct{ io.Reader }{bytes.NewReader(body)})
	}), event("GET", "/", ""))
}

func randomBytes(n int) []byte {
	out := make([]byte, n)
	source := rand.NewChaCha8([32]byte{})
	_, _ = source.Read(out)
	return out
}

// What the registry sends inline, 4 MiB, fits whatever it consists of.
func TestFourMiBFit(t *testing.T) {
	for name, body := range map[string][]byte{
		"noise":  randomBytes(4 << 20),
		"text":   bytes.Repeat([]byte("text"), 1<<20),
		"quotes": bytes.Repeat([]byte(`"`), 4<<20),
		"zeroes": make([]byte, 4<<20),
	} {
		if a := written(t, body); a.StatusCode != 200 || !bytes.Equal(a.body, body) {
			t.Errorf("%s: %d, %d bytes", name, a.StatusCode, len(a.body))
		}
	}
}

// The limit is exact: the last byte that Lambda takes is used, and one more is
// an answer that says so, where Lambda would say nothing of use to a client.
func TestLargestAnswer(t *testing.T) {
	for name, c := range map[string]struct {
		unit string
		json int // bytes that the unit has in the response
	}{
		"text":            {"x", 1},
		"text that grows": {"x\"yzuvw", 8},
		"base64":          {"\xff\xfe\xfd", 4},
	} {
		body := func(n int) []byte { return bytes.Repeat([]byte(c.unit), n) }
		frame := len(lambda(written(t, body(10)).Response)) - 10*c.json
		most := (maxResponse - frame) / c.json
		a := written(t, body(most))
		if n := len(lambda(a.Response)); a.StatusCode != 200 || n > maxResponse || n <= maxResponse-c.json {
			t.Errorf("%s: %d with %d bytes of JSON, the limit is %d", name, a.StatusCode, n, maxResponse)
		}
		failed(t, written(t, body(most+1)), "larger than can be returned")
	}
}

// A handler that copies something endless into the answer is stopped.
func TestEndlessAnswer(t *testing.T) {
	var copied int64
	a := invoke(t, answering(func(w http.ResponseWriter) {
		w.Header().Set("Content-Length", "1000000000000")
		var err error
		if copied, err = io.Copy(w, endless{}); err == nil {
			t.Error("the copy has an end")
		}
	}), event("GET", "/", ""))
	failed(t, a, "larger than can be returned")
	if copied > maxResponse {
		t.Errorf("%d bytes were taken", copied)
	}
}

type endless struct{}

func (endless) Read(p []byte) (int, error) { return len(p), nil }

// The largest manifest goes in and comes out again.
func TestLargeManifest(t *testing.T) {
	f := function(gateway.New(newRegistry(t, distribution.Door{Headless: true})))
	config := sample(t, "blob-post-text")
	if a := invoke(t, f, config); a.StatusCode != 201 {
		t.Fatalf("push config: %d %s", a.StatusCode, a.body)
	}
	head := `{"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json","config":{"mediaType":` +
		`"application/vnd.oci.image.config.v1+json","digest":"` + string(digest.FromString(config.Body)) +
		`","size":238},"layers":[],"annotations":{"of.no.use":"`
	manifest := head + strings.Repeat("x", 4<<20-len(head)-3) + `"}}`
	put := with(event("PUT", "/v2/team/app/manifests/large", ""), "content-type", "application/vnd.oci.image.manifest.v1+json")
	if a := invoke(t, f, carrying(put, []byte(manifest))); a.StatusCode != 201 {
		t.Fatalf("push: %d %s", a.StatusCode, a.body)
	}
	for _, method := range []string{"GET", "HEAD"} {
		a := invoke(t, f, event(method, "/v2/team/app/manifests/large", ""))
		if a.StatusCode != 200 || string(a.body) != manifest {
			t.Errorf("%s: %d, %d bytes, want %d", method, a.StatusCode, len(a.body), len(manifest))
		}
	}
}

// How large a header of an answer may be is not known, so ours stay below what
// is known of requests. The largest is that of a push with as many tags as may
// be: see open, which counts it, for the limit.
func TestLargestHeader(t *testing.T) {
	f := function(gateway.New(newRegistry(t, distribution.Door{})))
	pushSamples(t, f)
	put := sample(t, "manifest-put")
	var tags []string
	for n := range registry.MaxTagsPerPush {
		tags = append(tags, fmt.Sprintf("tag=v%0127d", n))
	}
	put.RawQueryString = strings.Join(tags, "&")
	a := invoke(t, f, put)
	if got := len(strings.Split(a.get("OCI-Tag"), ",")); a.StatusCode != 201 || got != len(tags) {
		t.Errorf("%d with %d tags, want %d: %s", a.StatusCode, got, len(tags), a.body)
	}
}
