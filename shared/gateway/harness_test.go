package gateway_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unicode/utf8"

	blobstore "github.com/berthregistry/berth/shared/blobs/local"
	"github.com/berthregistry/berth/shared/distribution"
	"github.com/berthregistry/berth/shared/gateway"
	"github.com/berthregistry/berth/shared/registry"
	tablestore "github.com/berthregistry/berth/shared/table/local"
)

const samples = "../../events/http-api"

// sampleUpload is the id of the upload that the samples speak of.
const sampleUpload = "6f0d2f5e-9d0b-4f0e-8a58-2f9c1d1f1a11"

// sample reads one event.
func sample(t testing.TB, name string) gateway.Request {
	t.Helper()
	raw, err := os.ReadFile(filepath.Join(samples, name+".json"))
	if err != nil {
		t.Fatal(err)
	}
	var event gateway.Request
	decoder := json.NewDecoder(bytes.NewReader(raw))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&event); err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	return event
}

// event makes one up.
func event(method, path, query string) gateway.Request {
	var e gateway.Request
	e.RawPath, e.RawQueryString = path, query
	e.RequestContext.HTTP.Method = method
	e.RequestContext.DomainName = "registry.test"
	e.RequestContext.HTTP.SourceIP = "203.0.113.24"
	return e
}

// with adds headers, name and value by turns.
func with(e gateway.Request, header ...string) gateway.Request {
	e.Headers = map[string]string{}
	for i := 0; i < len(header); i += 2 {
		e.Headers[header[i]] = header[i+1]
	}
	return e
}

// carrying sends a body as the gateway sends all that it does not take for text.
func carrying(e gateway.Request, body []byte) gateway.Request {
	e.Body, e.IsBase64Encoded = base64.StdEncoding.EncodeToString(body), true
	return e
}

// A function is what Lambda calls.
type function func(context.Context, gateway.Request) (gateway.Response, error)

// An answer is a response as the gateway reads it.
type answer struct {
	gateway.Response
	body []byte
}

func (a answer) get(name string) string { return a.Headers[http.CanonicalHeaderKey(name)] }

// invoke calls the function and holds what it returns to what every response
// must be.
func invoke(t testing.TB, f function, e gateway.Request) answer {
	t.Helper()
	r, err := f(t.Context(), e)
	if err != nil {
		t.Fatalf("%s %.200s: %v", e.RequestContext.HTTP.Method, e.RawPath, err)
	}
	a, err := open(r)
	if err != nil {
		t.Errorf("%s %.200s: %v", e.RequestContext.HTTP.Method, e.RawPath, err)
	}
	return a
}

// open reads a response, and says what Lambda or the gateway would not take.
func open(r gateway.Response) (answer, error) {
	a := answer{Response: r, body: []byte(r.Body)}
	if r.IsBase64Encoded {
		var err error
		if a.body, err = base64.StdEncoding.DecodeString(r.Body); err != nil {
			return a, err
		}
	} else if !utf8.ValidString(r.Body) {
		return a, fmt.Errorf("a body that is text and not UTF-8")
	}
	if r.StatusCode < 200 || r.StatusCode > 599 {
		return a, fmt.Errorf("status %d", r.StatusCode)
	}
	if (r.StatusCode == 204 || r.StatusCode == 304) && len(a.body) > 0 {
		return a, fmt.Errorf("%d with a body of %d bytes", r.StatusCode, len(a.body))
	}
	if n := len(lambda(r)); n > 6<<20 {
		return a, fmt.Errorf("%d bytes of JSON, more than Lambda takes", n)
	}
	block := 0
	for name, value := range r.Headers {
		block += len(name) + len(value) + len(": \r\n")
		if strings.ContainsAny(name+value, "\x00\r\n") {
			return a, fmt.Errorf("header %q: %q", name, value)
		}
	}
	if block > 10240 {
		return a, fmt.Errorf("%d bytes of header, more than the gateway is known to carry", block)
	}
	return a, nil
}

// lambda is the JSON that aws-lambda-go makes of a response.
func lambda(r gateway.Response) []byte {
	var out bytes.Buffer
	encoder := json.NewEncoder(&out)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(r); err != nil {
		panic(err) // of strings only
	}
	return bytes.TrimSuffix(out.Bytes(), []byte("\n"))
}

// newRegistry serves a registry on stores of its own, behind a door.
func newRegistry(t testing.TB, d distribution.Door) http.Handler {
	t.Helper()
	items, objects := newStores(t)
	return distribution.New(registry.New(items, objects, registry.Options{}), distribution.Options{Door: d})
}

func newStores(t testing.TB) (*tablestore.Store, *blobstore.Store) {
	t.Helper()
	dir := t.TempDir()
	items, err := tablestore.Open(filepath.Join(dir, "table"), nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = items.Close() })
	objects, err := blobstore.Open(filepath.Join(dir, "blobs"))
	if err != nil {
		t.Fatal(err)
	}
	return items, objects
}
