package gateway_test

import (
	"bytes"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/berthregistry/berth/shared/gateway"
)

// answering is a function whose handler answers so.
func answering(h func(http.ResponseWriter)) function {
	return gateway.New(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { h(w) }))
}

func TestEncoding(t *testing.T) {
	for name, c := range map[string]struct {
		body   []byte
		base64 bool
	}{
		"nothing":           {nil, false},
		"text":              {[]byte("hello"), false},
		"JSON":              {[]byte(`{"a":"b","c":["d"]}` + strings.Repeat(" ", 20)), false},
		"other scripts":     {[]byte("ë 船 🚢"), false},
		"markup":            {[]byte("<a href='x'>&amp;</a>"), false},
		"not UTF-8":         {[]byte("\xff\xfe"), true},
		"cut rune":          {[]byte("ok \xe8\x88"), true},
		"a surrogate":       {[]byte("\xed\xa0\x80"), true},
		"replacement":       {[]byte("\uFFFD is a character"), false},
		"zeroes":            {make([]byte, 300), true}, // valid UTF-8, and six bytes each
		"quotes":            {[]byte(strings.Repeat(`"`, 300)), true},
		"some zeroes":       {append(make([]byte, 10), strings.Repeat("x", 400)...), false},
		"lines of a script": {[]byte(strings.Repeat("\u2028", 300)), true},
		"every byte":        {everyByte(), true},
	} {
		a := invoke(t, answering(func(w http.ResponseWriter) { _, _ = w.Write(c.body) }), event("GET", "/", ""))
		if a.StatusCode != 200 || !bytes.Equal(a.body, c.body) || a.IsBase64Encoded != c.base64 {
			t.Errorf("%s: %d, base64 %v, %q", name, a.StatusCode, a.IsBase64Encoded, a.Body)
		}
	}
}

func everyByte() (all []byte) {
	for c := range 256 {
		all = append(all, byte(c))
	}
	return all
}

// The gateway would call a body text that nothing is said of.
func TestContentType(t *testing.T) {
	for _, c := range []struct{ set, body, want string }{
		{"", "<html>", "application/octet-stream"},
		{"", "", ""},
		{"application/vnd.oci.image.manifest.v1+json", "{}", "application/vnd.oci.image.manifest.v1+json"},
	} {
		a := invoke(t, answering(func(w http.ResponseWriter) {
			if c.set != "" {
				w.Header().Set("Content-Type", c.set)
			}
			_, _ = io.WriteString(w, c.body)
		}), event("GET", "/", ""))
		if got := a.get("Content-Type"); got != c.want {
			t.Errorf("Content-Type %q of %q, want %q", got, c.body, c.want)
		}
	}
}

func TestAnswerHeader(t *testing.T) {
	a := invoke(t, answering(func(w http.ResponseWriter) {
		w.Header().Add("Link", `</a>; rel="next"`)
		w.Header().Add("Vary", "Accept")
		w.Header().Add("Vary", "Origin")
		w.Header().Set("Www-Authenticate", `Bearer realm="https://x/token",service="x",scope="a,b"`)
		w.Header().Add("Set-Cookie", "a=1; Path=/")
		w.Header().Add("Set-Cookie", "b=2")
		w.WriteHeader(401)
	}), event("GET", "/", ""))
	want := map[string]string{
		"Link": `</a>; rel="next"`, "Vary": "Accept,Origin",
		"Www-Authenticate": `Bearer realm="https://x/token",service="x",scope="a,b"`,
	}
	if a.StatusCode != 401 || !maps.Equal(a.Headers, want) {
		t.Errorf("%d %q, want %q", a.StatusCode, a.Headers, want)
	}
	if want := []string{"a=1; Path=/", "b=2"}; !slices.Equal(a.Cookies, want) {
		t.Errorf("cookies %q, want %q", a.Cookies, want)
	}
}

// What ends a line ends no header: net/http makes a space of it. Nobody says
// what the gateway would do.
func TestHeaderLines(t *testing.T) {
	handler := func(w http.ResponseWriter) {
		w.Header().Set("X-Echo", " a\r\nSet-Cookie: b=1\n")
		w.Header()["X-Split\r\nSet-Cookie"] = []string{"b=1"}
		w.Header().Add("Set-Cookie", "a=1\r\nX-Evil: 1")
		w.WriteHeader(http.StatusOK)
	}
	web := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { handler(w) }))
	t.Cleanup(web.Close)
	want, err := http.Get(web.URL)
	if err != nil {
		t.Fatal(err)
	}
	defer want.Body.Close()
	a := invoke(t, answering(handler), event("GET", "/", ""))
	if got := a.get("X-Echo"); got != want.Header.Get("X-Echo") || len(a.Headers) != 1 {
		t.Errorf("%q, want X-Echo %q and no more", a.Headers, want.Header.Get("X-Echo"))
	}
	if !slices.Equal(a.Cookies, want.Header["Set-Cookie"]) {
		t.Errorf("cookies %q, want %q", a.Cookies, want.Header["Set-Cookie"])
	}
}

// As on a socket the first status counts, none is 200, and 103 is not an answer.
func TestStatus(t *testing.T) {
	for _, c := range []struct {
		write []int
		body  string
		want  int
	}{
		{nil, "", 200},
		{nil, "x", 200},
		{[]int{404}, "x", 404},
		{[]int{404, 200}, "", 404},
		{[]int{103, 201}, "", 201},
		{[]int{307}, "", 307},
	} {
		a := invoke(t, answering(func(w http.ResponseWriter) {
			for _, status := range c.write {
				w.WriteHeader(status)
			}
			if c.body != "" {
				_, _ = io.WriteString(w, c.body)
				w.WriteHeader(500)
			}
		}), event("GET", "/", ""))
		if a.StatusCode != c.want || string(a.body) != c.body {
			t.Errorf("%v and %q = %d and %q, want %d", c.write, c.body, a.StatusCode, a.body, c.want)
		}
	}
}

// 204 and 304 have no body by definition, whatever the handler tries.
func TestNoBody(t *testing.T) {
	for _, status := range []int{204, 304} {
		for _, method := range []string{"GET", "HEAD"} {
			a := invoke(t, answering(func(w http.ResponseWriter) {
				w.Header().Set("Content-Length", "4")
				w.WriteHeader(status)
				if n, err := w.Write([]byte("body")); n != 0 || err != http.ErrBodyNotAllowed {
					t.Errorf("write to %d: %d, %v", status, n, err)
				}
			}), event(method, "/", ""))
			if a.StatusCode != status || a.Body != "" || len(a.Headers) != 0 {
				t.Errorf("%s: %d %v %q", method, a.StatusCode, a.Headers, a.Body)
			}
		}
	}
}

// The gateway computes lengths from bodies. A HEAD may come with the body that
// it is to count, or with nothing but the length, if the gateway keeps it.
func TestContentLength(t *testing.T) {
	for _, c := range []struct{ method, announced, body, want string }{
		{"GET", "5", "hello", ""},
		{"GET", "0", "", ""},
		{"HEAD", "5", "hello", ""},
		{"HEAD", "5", "", "5"},
	} {
		a := invoke(t, answering(func(w http.ResponseWriter) {
			w.Header().Set("Content-Length", c.announced)
			_, _ = io.WriteString(w, c.body)
		}), event(c.method, "/", ""))
		if a.StatusCode != 200 || a.get("Content-Length") != c.want || string(a.body) != c.body {
			t.Errorf("%+v: %d, Content-Length %q, %q", c, a.StatusCode, a.get("Content-Length"), a.body)
		}
	}
}

// A body that broke off must not look whole, which the gateway would make it
// do: it counts what it gets.
func TestBrokenAnswer(t *testing.T) {
	for _, c := range []struct{ method, announced, body string }{
		{"GET", "10", "hello"},
		{"GET", "10", ""},
		{"GET", "3", "hello"},
		{"HEAD", "10", "hello"},
	} {
		var log bytes.Buffer
		f := function(gateway.New(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", c.announced)
			w.Header().Set("Docker-Content-Digest", "sha256:of-it-all")
			_, _ = io.WriteString(w, c.body)
		}), gateway.Log(slog.New(slog.NewTextHandler(&log, nil)))))
		a := invoke(t, f, event(c.method, "/", ""))
		failed(t, a, "broke off")
		if a.get("Docker-Content-Digest") != "" {
			t.Errorf("%+v: the failure has headers of what failed: %v", c, a.Headers)
		}
		if !strings.Contains(log.String(), "broke off") {
			t.Errorf("%+v: logged %q", c, log.String())
		}
	}
}

// failed holds an answer to a failure of the gateway's own.
func failed(t testing.TB, a answer, message string) {
	t.Helper()
	if a.StatusCode != 500 || a.get("Content-Type") != "application/json" ||
		!strings.Contains(string(a.body), `{"errors":[{"code":"UNKNOWN"`) || !strings.Contains(string(a.body), message) {
		t.Errorf("%d %v %.300q, want 500 and %q", a.StatusCode, a.Headers, a.body, message)
	}
}

// A handler that panics costs one answer and not the environment with all that
// it has open. The client learns nothing of why.
func TestPanic(t *testing.T) {
	var log bytes.Buffer
	f := function(gateway.New(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/late" {
			_, _ = io.WriteString(w, "half of an ans")
		}
		if r.URL.Path == "/abort" {
			panic(http.ErrAbortHandler)
		}
		panic("a secret")
	}), gateway.Log(slog.New(slog.NewTextHandler(&log, nil)))))
	for _, path := range []string{"/", "/late", "/abort"} {
		a := invoke(t, f, event("GET", path, ""))
		failed(t, a, "internal error")
		if strings.Contains(string(a.body), "secret") || strings.Contains(string(a.body), "half") {
			t.Errorf("%s: %s", path, a.body)
		}
	}
	if got := log.String(); strings.Count(got, "a secret") != 2 || !strings.Contains(got, "answer_test.go") {
		t.Errorf("logged %q, want the panics and where they were", got)
	}
}
