package main

import (
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// What goes wrong at a registry is told in its words, which do not command the
// terminal.
func TestErrorsCommandNoTerminal(t *testing.T) {
	web := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusForbidden)
		_, _ = fmt.Fprint(w, `{"errors":[{"code":"DENIED","message":"no \u001b[2J\u009b2J\u202e"}]}`)
	}))
	defer web.Close()
	broken := brokenServer(t, "HTTP/1.1 200 OK\r\nno \x1b[2J\r\n\r\n")
	for _, host := range []string{strings.TrimPrefix(web.URL, "http://"), broken} {
		for _, command := range []string{"tree", "watch"} {
			got := berth(t, "", command, host+"/a:1").wants(t, 1, "no ")
			if strings.ContainsAny(got.err, "\x1b\u009b\u202e\r") {
				t.Errorf("%s: %q", command, got.err)
			}
		}
	}
}

// brokenServer answers each connection with a text, and returns its address.
func brokenServer(t *testing.T, text string) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			buf := make([]byte, 1<<10)
			_, _ = c.Read(buf)
			_, _ = c.Write([]byte(text))
			_ = c.Close()
		}
	}()
	return l.Addr().String()
}
