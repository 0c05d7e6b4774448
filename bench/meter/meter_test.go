package meter_test

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/berthregistry/berth/bench/meter"
)

func ask(t *testing.T, method, url string) string {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader("what is sent"))
	if err != nil {
		t.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(body)
}

func TestCounts(t *testing.T) {
	behind := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprint(w, r.Method, " ", r.URL.RequestURI(), " of ", r.Host)
	}))
	defer behind.Close()
	m := meter.Before(behind.Listener.Addr().String())
	defer m.Close()

	asked := map[string]meter.Kind{
		"/v2/": meter.Others, "/token?scope=a": meter.Others,
		"/v2/a/b/referrers/sha256:0?artifactType=x": meter.Referrers,
		"/v2/a/manifests/1.0":                       meter.Manifests,
		"/v2/a/blobs/uploads/":                      meter.Blobs,
		"/v2/a/tags/list?n=3":                       meter.Tags,
	}
	least := 0
	for path := range asked {
		want := "PUT " + path + " of " + m.Addr()
		if got := ask(t, http.MethodPut, "http://"+m.Addr()+path); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
		least += len("what is sent") + 2*len(want)
	}
	got := m.Reset()
	for _, k := range meter.Kinds() {
		want := 1
		if k == meter.Others {
			want = 2
		}
		if got.Requests[k] != want {
			t.Errorf("%s: got %d requests, want %d", k, got.Requests[k], want)
		}
	}
	if got.All() != len(asked) || got.Bytes < int64(least) || got.Bytes > int64(least+len(asked)*500) {
		t.Errorf("got %d requests and %d bytes, want %d, and little more than %d", got.All(), got.Bytes, len(asked), least)
	}
	if twice := got.Plus(got); twice.All() != 2*len(asked) || twice.Bytes != 2*got.Bytes {
		t.Errorf("with itself: got %+v", twice)
	}
	if again := m.Reset(); again.All() != 0 || again.Bytes != 0 {
		t.Errorf("after a reset: got %+v", again)
	}
}
