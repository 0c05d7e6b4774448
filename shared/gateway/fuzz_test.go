package gateway_test

import (
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"testing"

	"github.com/berthregistry/berth/shared/distribution"
	"github.com/berthregistry/berth/shared/gateway"
)

// FuzzEvent: whatever JSON is an event has a response that Lambda and the
// gateway take, from the registry and from a handler that does as the event
// says. An error would be a 500 of the gateway's, a panic the end of the
// environment.
func FuzzEvent(f *testing.F) {
	files, err := filepath.Glob(filepath.Join(samples, "*.json"))
	if err != nil || len(files) == 0 {
		f.Fatalf("no samples: %v", err)
	}
	for _, file := range files {
		raw, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(raw)
	}
	for _, odd := range []string{
		`{}`, `{"version":"2.0","rawPath":"/v2/","requestContext":{"http":{"method":"GET"}}}`,
		`{"rawPath":"/%zz","body":"?","isBase64Encoded":true,"requestContext":{"http":{"method":"PUT"},"domainName":"a b"}}`,
		`{"rawPath":"//","headers":{"host":"","x-status":"304","":""},"cookies":[""],"requestContext":{"http":{"method":"HEAD"}}}`,
		`{"rawPath":"/","headers":{"x-status":"200","x-length":"7"},"body":"\u0000\ufffd","requestContext":{"http":{"method":"é"}}}`,
	} {
		f.Add([]byte(odd))
	}
	handlers := map[string]function{
		"registry": gateway.New(newRegistry(f, distribution.Door{Headless: true})),
		"echo":     gateway.New(http.HandlerFunc(obey)),
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		var e gateway.Request
		if json.Unmarshal(raw, &e) != nil {
			return // aws-lambda-go calls nobody with it
		}
		for name, handler := range handlers {
			r, err := handler(t.Context(), e)
			if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			if _, err := open(r); err != nil {
				t.Errorf("%s: %v", name, err)
			}
		}
	})
}

// obey answers with the body of the request, as its header says.
func obey(w http.ResponseWriter, r *http.Request) {
	if n := r.Header.Get("X-Length"); n != "" {
		w.Header().Set("Content-Length", n)
	}
	if status, err := strconv.Atoi(r.Header.Get("X-Status")); err == nil && status < 600 {
		w.WriteHeader(status)
	}
	if r.Header.Get("X-Panic") != "" {
		panic(r.Header.Get("X-Panic"))
	}
	buf := make([]byte, 100)
	for {
		n, err := r.Body.Read(buf)
		if _, failed := w.Write(buf[:n]); failed != nil || err != nil {
			return
		}
	}
}
