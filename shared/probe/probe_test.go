package probe_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"reflect"
	"strings"
	"testing"

	"github.com/berthregistry/berth/shared/probe"
)

// behind answers what the probe leaves.
var behind = http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusTeapot) })

func newServer(t *testing.T) string {
	t.Helper()
	s := httptest.NewServer(probe.New(behind))
	t.Cleanup(s.Close)
	return s.URL
}

func call(t *testing.T, method, url string, header http.Header, body []byte) (*http.Response, []byte) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, url, bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	for name, lines := range header {
		req.Header[name] = lines
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	got, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp, got
}

func TestOnlyItsOwnPaths(t *testing.T) {
	url := newServer(t)
	for path, want := range map[string]int{
		"/v2/_berth/challenge":                401,
		"/v2/_berth/announced":                200,
		"/v2/_berth/counted":                  200,
		"/v2/_berth/echo":                     200,
		"/v2/_berth/echo/a%2Fb//c+d":          200,
		"/prod/v2/_berth/echo":                200, // a stage in front is to be seen
		"/v2/":                                418,
		"/v2/_berth/":                         418,
		"/v2/_berth/echoes":                   418,
		"/v2/_berth/challenge/":               418,
		"/v2/app/v2/_berth/echo":              418, // looks like a repository
		"/v2/app/manifests/v2/_berth/echo":    418,
		"/v2/_berth/manifests/v2/_berth/echo": 418,
	} {
		if resp, _ := call(t, "GET", url+path, nil, nil); resp.StatusCode != want {
			t.Errorf("%s: got %d, want %d", path, resp.StatusCode, want)
		}
	}
}

func TestChallenge(t *testing.T) {
	for _, method := range []string{"GET", "HEAD"} {
		resp, body := call(t, method, newServer(t)+probe.ChallengePath, nil, nil)
		if got := resp.Header.Values("Www-Authenticate"); len(got) != 1 || got[0] != probe.Challenge {
			t.Errorf("%s: got the challenge %q, want %q", method, got, probe.Challenge)
		}
		if method == "GET" && !strings.Contains(string(body), `"UNAUTHORIZED"`) {
			t.Errorf("the body is no error of the spec: %s", body)
		}
	}
}

// A socket shows no difference between the two; a gateway does.
func TestHeadHasALength(t *testing.T) {
	url := newServer(t)
	for _, path := range []string{probe.AnnouncedPath, probe.CountedPath} {
		if resp, _ := call(t, "HEAD", url+path, nil, nil); resp.ContentLength != probe.Size {
			t.Errorf("%s: got a length of %d, want %d", path, resp.ContentLength, probe.Size)
		}
	}
	for path, want := range map[string]int{probe.AnnouncedPath: 0, probe.CountedPath: probe.Size} {
		w := httptest.NewRecorder()
		probe.New(behind).ServeHTTP(w, httptest.NewRequest("HEAD", path, nil))
		if got := w.Body.Len(); got != want {
			t.Errorf("%s: the handler wrote %d bytes, want %d", path, got, want)
		}
		if got := w.Header().Get("Content-Length"); got != fmt.Sprint(probe.Size) {
			t.Errorf("%s: the handler announced %q", path, got)
		}
	}
}

func TestEchoSaysWhatArrived(t *testing.T) {
	url := newServer(t)
	resp, raw := call(t, "PATCH", url+"/v2/_berth/echo/a%2Fb//c+d?x=1+2%20&y", http.Header{
		"Accept": {"a/b, c/d", "e/f"}, "Content-Type": {"x/y"}, "Authorization": {"Basic c2VjcmV0"}, "Cookie": {"secret=1"},
		probe.HeaderBack: {"a, b"},
	}, []byte("abc"))
	var got probe.Echo
	if err := json.Unmarshal(raw, &got); err != nil || resp.StatusCode != http.StatusOK {
		t.Fatalf("got %s, %v: %s", resp.Status, err, raw)
	}
	if got.Time.IsZero() {
		t.Error("no time")
	}
	want := probe.Echo{
		Method: "PATCH", Path: "/v2/_berth/echo/a%2Fb//c+d", Query: "x=1+2%20&y", Host: strings.TrimPrefix(url, "http://"),
		Header: http.Header{"Accept": {"a/b, c/d", "e/f"}, "Content-Type": {"x/y"}},
		Length: 3, SHA256: "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad", Time: got.Time,
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf(" got %+v\nwant %+v", got, want)
	}
	if strings.Contains(string(raw), "c2VjcmV0") || strings.Contains(string(raw), "secret=1") {
		t.Errorf("a secret is sent back: %s", raw)
	}
	if back := resp.Header.Get(probe.HeaderBack); back != "a, b" {
		t.Errorf("%s: got %q", probe.HeaderBack, back)
	}
}

func TestEchoIsBounded(t *testing.T) {
	url := newServer(t)
	for size, want := range map[int]int{11 << 20: 200, 11<<20 + 1: 413} {
		if resp, _ := call(t, "POST", url+probe.EchoPath, nil, make([]byte, size)); resp.StatusCode != want {
			t.Errorf("%d bytes: got %d, want %d", size, resp.StatusCode, want)
		}
	}
}
