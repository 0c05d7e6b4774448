package main

import (
	"net/http"
	"strings"
	"testing"
)

// A page in a browser on this machine is not somebody on this machine.
func TestOpenToThisMachineIsNotOpenToPages(t *testing.T) {
	open, meant := start(t, t.TempDir()), start(t, t.TempDir(), "--open")
	port := open.url[strings.LastIndexByte(open.url, ':'):]
	page := http.Header{"Origin": {"https://page.example"}, "Sec-Fetch-Site": {"cross-site"}}
	for _, c := range []struct {
		p      *process
		method string
		host   string
		header http.Header
		want   int
	}{
		{open, "GET", "127.0.0.1" + port, nil, 200},
		{open, "GET", "localhost" + port, nil, 200},
		{open, "GET", "LOCALHOST" + port, nil, 200},
		{open, "GET", "[::1]" + port, nil, 200},
		{open, "GET", "[::1]", nil, 200},
		{open, "GET", "page.example" + port, nil, 421},
		{open, "GET", "127.0.0.1.page.example", nil, 421},
		{open, "POST", "127.0.0.1" + port, page, 403},
		{open, "POST", "127.0.0.1" + port, nil, 202},
		{meant, "GET", "registry.example", nil, 200},
		{meant, "POST", "registry.example", nil, 202},
	} {
		path := "/v2/"
		if c.method == "POST" {
			path = "/v2/team/app/blobs/uploads/"
		}
		r, err := http.NewRequestWithContext(t.Context(), c.method, c.p.url+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Host = c.host
		if c.header != nil {
			r.Header = c.header
		}
		resp, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		_ = resp.Body.Close()
		if resp.StatusCode != c.want {
			t.Errorf("%s as %s: got %d, want %d", c.method, c.host, resp.StatusCode, c.want)
		}
	}
}
