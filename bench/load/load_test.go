package load_test

import (
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/berthregistry/berth/bench/load"
)

func serve(t *testing.T, h http.HandlerFunc) string {
	t.Helper()
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	return s.Listener.Addr().String()
}

func TestEveryRequestIsCounted(t *testing.T) {
	const size = 300_000 // more than any buffer on the way
	var requests atomic.Int64
	body := strings.Repeat("x", size)
	send := func(w http.ResponseWriter, r *http.Request) {
		requests.Add(1)
		if r.Header.Get("Accept") != "text/plain" {
			http.Error(w, "no header", http.StatusBadRequest)
			return
		}
		switch r.URL.Path {
		case "/sized":
			w.Header().Set("Content-Length", fmt.Sprint(size))
		case "/empty":
			return
		}
		fmt.Fprint(w, body)
	}
	for _, c := range []struct {
		method, path string
		size         int64
	}{
		{http.MethodGet, "/sized", size},
		{http.MethodGet, "/chunked", size},
		{http.MethodGet, "/empty", 0},
		{http.MethodHead, "/sized", 0},
	} {
		t.Run(c.method+c.path, func(t *testing.T) {
			requests.Store(0)
			l := load.Load{
				Addr: serve(t, send), Method: c.method, Path: c.path, Status: http.StatusOK, Size: c.size,
				Header: map[string]string{"Accept": "text/plain"}, Connections: 3, Duration: 50 * time.Millisecond,
			}
			got, err := l.Run(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if want := int(requests.Load()); got.Requests != want || want < l.Connections {
				t.Errorf("requests: got %d, served were %d", got.Requests, want)
			}
			if want := c.size * requests.Load(); got.Bytes != want {
				t.Errorf("bytes: got %d, want %d", got.Bytes, want)
			}
			if got.P50 <= 0 || got.P99 < got.P50 || got.Elapsed < l.Duration {
				t.Errorf("times make no sense: %+v", got)
			}
		})
	}
}

func TestLatenciesAreTheServers(t *testing.T) {
	var n atomic.Int64
	l := load.Load{
		Addr: serve(t, func(http.ResponseWriter, *http.Request) {
			if n.Add(1)%10 == 0 {
				time.Sleep(20 * time.Millisecond)
			}
		}),
		Method: http.MethodGet, Path: "/", Status: http.StatusOK, Connections: 1, Duration: 200 * time.Millisecond,
	}
	got, err := l.Run(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if got.P99 < 20*time.Millisecond || got.P50 > 15*time.Millisecond {
		t.Errorf("p50 %v, p99 %v; one answer in ten takes 20 ms", got.P50, got.P99)
	}
}

func TestWrongAnswersFail(t *testing.T) {
	t.Run("status", func(t *testing.T) {
		l := load.Load{Addr: serve(t, http.NotFound), Method: http.MethodGet, Path: "/", Status: http.StatusOK, Connections: 1}
		if _, err := l.Run(t.Context()); err == nil || !strings.Contains(err.Error(), "answered 404 with 19 bytes, wanted 200") {
			t.Errorf("got error %v", err)
		}
	})
	t.Run("size", func(t *testing.T) {
		hello := func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "hello") }
		l := load.Load{Addr: serve(t, hello), Method: http.MethodGet, Path: "/", Status: http.StatusOK, Size: 6, Connections: 1}
		if _, err := l.Run(t.Context()); err == nil || !strings.Contains(err.Error(), "with 5 bytes, wanted 200 with 6") {
			t.Errorf("got error %v", err)
		}
	})
	for name, answer := range map[string]string{
		"no HTTP":    "hello, world\r\n\r\n",
		"no length":  "HTTP/1.1 200 OK\r\n\r\n",
		"cut header": "HTTP/1.1 200 OK\r\nContent-Le",
		"cut body":   "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nshort",
		"cut chunk":  "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n64\r\nshort",
		"bad length": "HTTP/1.1 200 OK\r\nContent-Length: many\r\n\r\n",
	} {
		t.Run(name, func(t *testing.T) {
			l := load.Load{Addr: say(t, answer), Method: http.MethodGet, Path: "/", Status: http.StatusOK, Size: 100, Connections: 1}
			if r, err := l.Run(t.Context()); err == nil {
				t.Errorf("passed with %+v", r)
			}
		})
	}
}

// say answers each connection with the same bytes, whatever is asked, and
// hangs up.
func say(t *testing.T, answer string) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			conn.Read(make([]byte, 1<<10))
			conn.Write([]byte(answer))
			conn.Close()
		}
	}()
	return l.Addr().String()
}

func TestServe(t *testing.T) {
	addr := serve(t, func(http.ResponseWriter, *http.Request) {})
	var out strings.Builder
	in := fmt.Sprintf(`{"Addr":%q,"Method":"GET","Path":"/","Status":%%d,"Connections":1}`, addr)
	for status, want := range map[int]string{200: `"Requests":1,`, 201: "answered 200 with 0 bytes, wanted 201"} {
		out.Reset()
		if err := load.Serve(t.Context(), strings.NewReader(fmt.Sprintf(in, status)), &out); err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(out.String(), want) {
			t.Errorf("got %s, want %s in it", out.String(), want)
		}
	}
}
