package httpapi_test

import (
	"bufio"
	"bytes"
	"context"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/berthregistry/berth/infra/localcloud/httpapi"
)

// exchange sends bytes as they are over a connection of their own and reads one
// answer.
func (d *door) exchange(request string) answer {
	d.t.Helper()
	conn, err := net.Dial("tcp", d.addr)
	if err != nil {
		d.t.Fatal(err)
	}
	defer conn.Close()
	if _, err := io.WriteString(conn, request); err != nil {
		d.t.Fatal(err)
	}
	method, _, _ := strings.Cut(request, " ")
	resp, err := http.ReadResponse(bufio.NewReader(conn), &http.Request{Method: method})
	if err != nil {
		d.t.Fatalf("answer to %.80q: %v", request, err)
	}
	return read(d.t, resp)
}

// record has a handler answer a request without a socket.
func record(t testing.TB, h http.Handler, request string) answer {
	t.Helper()
	req, err := http.ReadRequest(bufio.NewReader(strings.NewReader(request)))
	if err != nil {
		t.Fatal(err)
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, req)
	return read(t, w.Result())
}

func read(t testing.TB, resp *http.Response) answer {
	t.Helper()
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return answer{resp.StatusCode, resp.Header, resp.ContentLength, string(body)}
}

// 10,240 bytes of request line and headers pass, one more does not, and the
// refusal is the gateway's and not net/http's, also far above the limit.
func TestHeaderLimit(t *testing.T) {
	d := open(t, httpapi.Config{})
	const line, head = "GET /v2/ HTTP/1.1\r\n", "Host: a\r\nX-Pad: "
	pad := 10_240 - len(line) - len(head) - len("\r\n")
	for _, c := range []struct{ pad, status int }{{pad, 200}, {pad + 1, 431}, {60_000, 431}, {900_000, 431}} {
		got := d.exchange(line + head + strings.Repeat("x", c.pad) + "\r\n\r\n")
		if c.status == 431 {
			wantRefusal(t, got, 431, "Request Header Fields Too Large")
		} else if got.status != c.status {
			t.Errorf("pad of %d: %d %s, want %d", c.pad, got.status, got.body, c.status)
		}
	}
	long := "GET /v2/" + strings.Repeat("a", 10_240) + " HTTP/1.1\r\nHost: a\r\n\r\n"
	wantRefusal(t, d.exchange(long), 431, "Request Header Fields Too Large")
}

func TestTargetsWithoutAPath(t *testing.T) {
	d := open(t, httpapi.Config{})
	wantRefusal(t, d.exchange("OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n"), 400, "Bad Request")
	wantRefusal(t, d.exchange("CONNECT a:443 HTTP/1.1\r\nHost: a:443\r\n\r\n"), 400, "Bad Request")
}

func TestExpectContinue(t *testing.T) {
	d := open(t, httpapi.Config{})
	conn, err := net.Dial("tcp", d.addr)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	_, _ = io.WriteString(conn, "PUT /v2/ HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\n")
	from := bufio.NewReader(conn)
	if line, err := from.ReadString('\n'); err != nil || !strings.HasPrefix(line, "HTTP/1.1 100 ") {
		t.Fatalf("before the body: %q, %v", line, err)
	}
	_, _ = from.ReadString('\n')
	_, _ = io.WriteString(conn, "abc")
	resp, err := http.ReadResponse(from, nil)
	if err != nil {
		t.Fatal(err)
	}
	if got := read(t, resp); got.status != 200 {
		t.Errorf("got %d", got.status)
	}
	if e := d.event(); e.Body != b64("abc") || e.Headers["expect"] != "" {
		t.Errorf("body %q, expect %q", e.Body, e.Headers["expect"])
	}
}

// Who asks whether a body too large may be sent is told so at once.
func TestExpectContinueOfTooMuch(t *testing.T) {
	d := open(t, httpapi.Config{})
	got := d.exchange("PUT /v2/ HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 10485761\r\n\r\n")
	wantRefusal(t, got, 413, "Request Entity Too Large")
}

// What is in flight ends before Serve returns, and the listener is closed.
func TestServeEnds(t *testing.T) {
	entered, leave := make(chan bool), make(chan bool)
	h, err := httpapi.New(httpapi.Config{Routes: []httpapi.Route{{
		Path: "$default",
		Invoke: func(context.Context, []byte) ([]byte, error) {
			close(entered)
			<-leave
			return []byte(`"late"`), nil
		},
	}}})
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	served := make(chan error, 1)
	go func() { served <- httpapi.Serve(ctx, l, h) }()
	go func() {
		<-entered
		cancel()
		time.Sleep(20 * time.Millisecond)
		close(leave)
	}()
	resp, err := http.Get("http://" + l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	if got := read(t, resp); got.body != "late" {
		t.Errorf("in flight: %+v", got)
	}
	if err := <-served; err != nil {
		t.Errorf("serve: %v", err)
	}
	if _, err := net.Dial("tcp", l.Addr().String()); err == nil {
		t.Error("the listener is still open")
	}
}

func TestServeOnAClosedListener(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_ = l.Close()
	if err := httpapi.Serve(t.Context(), l, http.NotFoundHandler()); err == nil {
		t.Error("no error")
	}
}

// fill returns n bytes that are no text.
func fill(n int) string { return string(bytes.Repeat([]byte{0xff, 0, 'a'}, n/3+1)[:n]) }
