package client_test

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/berthregistry/berth/bench/client"
)

// A fake registry notes what it is asked and answers as the spec says.
type fake struct {
	t        *testing.T
	requests []string
	bodies   []string
}

func (f *fake) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		f.t.Error(err)
	}
	f.requests = append(f.requests, r.Method+" "+r.URL.RequestURI())
	f.bodies = append(f.bodies, string(body))
	switch r.Method {
	case http.MethodPost:
		w.Header().Set("Location", "/upload?state=a%20b") // a query of its own must survive
		w.WriteHeader(http.StatusAccepted)
	case http.MethodPatch:
		w.Header().Set("Location", "/upload?state=c")
		w.WriteHeader(http.StatusAccepted)
	case http.MethodPut:
		w.WriteHeader(http.StatusCreated)
	}
}

func newFake(t *testing.T) (*fake, *client.Client) {
	t.Helper()
	f := &fake{t: t}
	s := httptest.NewServer(f)
	t.Cleanup(s.Close)
	c, err := client.New(s.URL)
	if err != nil {
		t.Fatal(err)
	}
	return f, c
}

func TestPushes(t *testing.T) {
	f, c := newFake(t)
	b := client.NewMaker().Blob(100)
	m := client.Image(b, b)
	for _, push := range []func() error{
		func() error { return c.PushBlob(t.Context(), "r", b) },
		func() error { return c.StreamBlob(t.Context(), "r", b) },
		func() error { return c.PushManifest(t.Context(), "r", "1.0", m) },
		func() error { return c.PushManifest(t.Context(), "r", m.Digest, m, "a", "b") },
	} {
		if err := push(); err != nil {
			t.Fatal(err)
		}
	}
	digest := "digest=" + strings.Replace(b.Digest, ":", "%3A", 1)
	want := []string{
		"POST /v2/r/blobs/uploads/", "PUT /upload?" + digest + "&state=a+b",
		"POST /v2/r/blobs/uploads/", "PATCH /upload?state=a%20b", "PUT /upload?" + digest + "&state=c",
		"PUT /v2/r/manifests/1.0", "PUT /v2/r/manifests/" + m.Digest + "?tag=a&tag=b",
	}
	if !slices.Equal(f.requests, want) {
		t.Errorf("requests:\n got %q\nwant %q", f.requests, want)
	}
	for i, size := range []int{0, 100, 0, 100, 0, len(m.Body), len(m.Body)} {
		if got := len(f.bodies[i]); got != size {
			t.Errorf("%s: body of %d bytes, want %d", f.requests[i], got, size)
		}
	}
}

func TestOtherStatusesFail(t *testing.T) {
	s := httptest.NewServer(http.NotFoundHandler())
	defer s.Close()
	c, err := client.New(s.URL)
	if err != nil {
		t.Fatal(err)
	}
	if err := c.PushBlob(t.Context(), "r", client.Empty()); err == nil || !strings.Contains(err.Error(), "404") {
		t.Errorf("got error %v", err)
	}
}

func TestBlobsAreWhatTheirDigestsSay(t *testing.T) {
	maker := client.NewMaker()
	seen := map[string]bool{}
	for _, b := range []client.Blob{
		client.Empty(), maker.Blob(8), maker.Blob(512), maker.Blob(512), maker.Blob(3<<20 + 1), client.NewMaker().Blob(512),
	} {
		h := sha256.New()
		n, err := io.Copy(h, b.Open())
		if err != nil || n != b.Size {
			t.Errorf("read %d bytes, %v; want %d", n, err, b.Size)
		}
		if got := "sha256:" + hex.EncodeToString(h.Sum(nil)); got != b.Digest || seen[got] {
			t.Errorf("digest %s, want %s, once", got, b.Digest)
		}
		seen[b.Digest] = true
	}
}

func TestAddressesAreChecked(t *testing.T) {
	for _, address := range []string{"", "127.0.0.1:5000", "https://127.0.0.1:5000", "http://", "http://a b"} {
		if _, err := client.New(address); err == nil {
			t.Errorf("%q was taken", address)
		}
	}
	c, err := client.New("http://127.0.0.1:5000")
	if err != nil {
		t.Fatal(err)
	}
	if got, want := fmt.Sprint(c.Host()), "127.0.0.1:5000"; got != want {
		t.Errorf("host: got %s, want %s", got, want)
	}
}
