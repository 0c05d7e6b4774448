package httpapi_test

import (
	"bytes"
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/berthregistry/berth/infra/localcloud/httpapi"
)

// What the door itself costs, without a socket and with a function that does
// nothing: a manifest, a blob as large as is sent inline, and a chunk.
func BenchmarkDoor(b *testing.B) {
	for _, c := range []struct {
		name, method string
		in, out      int
	}{{"manifest", "GET", 0, 2 << 10}, {"blob", "GET", 0, 4 << 20}, {"chunk", "PATCH", 4_500_000, 0}} {
		b.Run(c.name, func(b *testing.B) {
			payload, err := json.Marshal(response{
				StatusCode: 200, Headers: map[string]string{"Content-Type": "application/octet-stream", "Docker-Content-Digest": "sha256:x"},
				Body: b64(fill(c.out)), IsBase64Encoded: true,
			})
			if err != nil {
				b.Fatal(err)
			}
			h, err := httpapi.New(httpapi.Config{Routes: []httpapi.Route{{
				Path:   "$default",
				Invoke: func(context.Context, []byte) ([]byte, error) { return payload, nil },
			}}})
			if err != nil {
				b.Fatal(err)
			}
			body := []byte(fill(c.in))
			b.SetBytes(int64(c.in + c.out))
			b.ReportAllocs()
			for b.Loop() {
				r := httptest.NewRequestWithContext(b.Context(), c.method, "/v2/team/app/manifests/latest", bytes.NewReader(body))
				r.Header["User-Agent"] = []string{"docker/29.0.1"}
				w := discard{http.Header{}}
				h.ServeHTTP(w, r)
			}
		})
	}
}

// discard is a client that hears nothing.
type discard struct{ header http.Header }

func (d discard) Header() http.Header         { return d.header }
func (d discard) Write(p []byte) (int, error) { return len(p), nil }
func (d discard) WriteHeader(int)             {}
