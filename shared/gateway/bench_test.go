package gateway_test

import (
	"io"
	"net/http"
	"testing"

	"github.com/berthregistry/berth/shared/distribution"
	"github.com/berthregistry/berth/shared/gateway"
)

// BenchmarkManifest is a GET of a manifest, and what of it is the handler's and
// the gateway's.
func BenchmarkManifest(b *testing.B) {
	registry := newRegistry(b, distribution.Door{Headless: true})
	f := function(gateway.New(registry))
	pushSamples(b, f)
	e := sample(b, "manifest-get")
	b.Run("whole", func(b *testing.B) { repeat(b, f, e) })
	b.Run("gateway", func(b *testing.B) {
		body := make([]byte, 451)
		for i := range body {
			body[i] = 'x'
		}
		repeat(b, answering(func(w http.ResponseWriter) {
			header := w.Header()
			header["Content-Type"] = []string{"application/vnd.oci.image.manifest.v1+json"}
			header["Content-Length"] = []string{"451"}
			header["Etag"] = []string{"x"}
			_, _ = w.Write(body)
		}), e)
	})
	b.Run("handler", func(b *testing.B) {
		r, _ := seen(b, e)
		b.ReportAllocs()
		for b.Loop() {
			registry.ServeHTTP(&nowhere{header: http.Header{}}, r)
		}
	})
}

// nowhere is a writer that costs its header only.
type nowhere struct {
	header http.Header
	io.Writer
}

func (n *nowhere) Header() http.Header       { return n.header }
func (*nowhere) WriteHeader(int)             {}
func (*nowhere) Write(p []byte) (int, error) { return len(p), nil }

// BenchmarkBlob is what the gateway does with the largest blob that is sent
// inline: one that is binary.
func BenchmarkBlob(b *testing.B) {
	body := randomBytes(4 << 20)
	b.SetBytes(int64(len(body)))
	repeat(b, answering(func(w http.ResponseWriter) {
		w.Header().Set("Content-Length", "4194304")
		for rest := body; len(rest) > 0; rest = rest[32<<10:] {
			_, _ = w.Write(rest[:32<<10])
		}
	}), event("GET", "/", ""))
}

// BenchmarkChunk is what it does with the largest chunk that an event holds.
func BenchmarkChunk(b *testing.B) {
	body := randomBytes(4_500_000)
	f := gateway.New(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { _, _ = io.Copy(io.Discard, r.Body) }))
	b.SetBytes(int64(len(body)))
	repeat(b, f, carrying(event("PATCH", "/", ""), body))
}

func repeat(b *testing.B, f function, e gateway.Request) {
	b.Helper()
	b.ReportAllocs()
	for b.Loop() {
		if r, err := f(b.Context(), e); err != nil || r.StatusCode != 200 {
			b.Fatalf("%d %v", r.StatusCode, err)
		}
	}
}
