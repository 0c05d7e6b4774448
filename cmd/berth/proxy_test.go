package main

import (
	"bytes"
	"io"
	"net/http"
	"os/exec"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/berthregistry/berth/shared/oci"
)

var proxyLine = regexp.MustCompile(`^berth proxies \S+ at (http://127\.0\.0\.1:\d+)\n$`)

// startProxy runs `berth proxy` before a registry.
func startProxy(t testing.TB, registry string, args ...string) *process {
	t.Helper()
	return launch(t, proxyLine, append([]string{"proxy", "--to", registry, "--listen", "127.0.0.1:0"}, args...)...)
}

func TestProxy(t *testing.T) {
	registry := start(t, t.TempDir())
	p := startProxy(t, registry.url, "--memory", "32")
	d := pushBlob(t, p.url, "team/app", []byte("through"))
	resp, body := call(t, "GET", registry.url+"/v2/team/app/blobs/"+string(d), "", nil)
	want(t, resp, body, http.StatusOK)
	resp, body = call(t, "GET", p.url+"/v2/_catalog", "", nil)
	want(t, resp, body, http.StatusOK)
	if string(body) != `{"repositories":["team/app"]}` {
		t.Errorf("catalog: got %s", body)
	}
	for _, path := range []string{"/metrics", "/token", "/_berth/policy"} {
		resp, body = call(t, "GET", p.url+path, "", nil)
		want(t, resp, body, http.StatusNotFound)
	}
	p.signal(syscall.SIGTERM)
	if status, more := p.end(); status != 0 || more != "" {
		t.Errorf("end: got status %d and %q on standard output, want 0 and nothing", status, more)
	}
	if !strings.Contains(p.stderr.String(), `msg="sent a blob" repository=team/app digest=`+string(d)+` bytes=7 way=plain`) {
		t.Errorf("the log does not say what was sent:\n%s", p.stderr)
	}
}

// Whoever asks for referrers that are absent, as the registry has just said, is
// answered by the proxy, and at its end that is told.
func TestProxySaysWhatItSpared(t *testing.T) {
	registry := start(t, t.TempDir())
	p := startProxy(t, registry.url)
	d := pushManifest(t, p.url, "team/app", "1", v1.MediaTypeImageManifest, image(t, p.url, "team/app", 10))
	for range 3 {
		resp, body := call(t, "GET", p.url+"/v2/team/app/manifests/1", "", nil)
		want(t, resp, body, http.StatusOK)
		resp, body = call(t, "GET", p.url+"/v2/team/app/referrers/"+string(d.Digest), "", nil)
		want(t, resp, body, http.StatusOK)
	}
	p.signal(syscall.SIGTERM)
	if status, _ := p.end(); status != 0 {
		t.Errorf("end: got status %d, want 0", status)
	}
	if !strings.Contains(p.stderr.String(), `msg="requests for referrers were not needed" requests=3`) {
		t.Errorf("the log does not say what was spared:\n%s", p.stderr)
	}
}

// A client has no login, and needs none.
func TestProxyLogsIn(t *testing.T) {
	g := startGuarded(t, t.TempDir(), accessPolicy)
	if resp, _ := call(t, "GET", g.url+"/v2/", "", nil); resp.StatusCode != http.StatusUnauthorized {
		t.Fatalf("the registry lets everybody in: %s", resp.Status)
	}
	stranger := startProxy(t, g.url)
	resp, body := call(t, "POST", stranger.url+"/v2/team/app/blobs/uploads/", "", nil)
	want(t, resp, body, http.StatusForbidden)
	if !strings.Contains(string(body), "berth login "+g.host()) || resp.Header.Get("Www-Authenticate") != "" {
		t.Errorf("got %v %s", resp.Header, body)
	}
	berth(t, "correct horse", "login", g.url, "-u", "root", "--password-stdin").wants(t, 0, "logged in")
	user, secret := berth(t, "", "robot", "create", "builder", "--registry", g.url).key(t)
	berth(t, secret, "login", g.url, "-u", user, "--password-stdin").wants(t, 0, "logged in")
	p := startProxy(t, g.url)
	d := pushBlob(t, p.url, "team/app", []byte("with the login of the proxy"))
	resp, body = call(t, "HEAD", p.url+"/v2/team/app/blobs/"+string(d), "", nil)
	want(t, resp, body, http.StatusOK)
	resp, body = call(t, "POST", p.url+"/v2/elsewhere/blobs/uploads/", "", nil)
	want(t, resp, body, http.StatusForbidden)
	if !strings.Contains(string(body), "elsewhere") {
		t.Errorf("the registry's own words are lost: %s", body)
	}
	if log := p.stderr.String(); strings.Contains(log, secret) {
		t.Errorf("the log has the password:\n%s", log)
	}
}

// A registry that is not there yet is no reason not to start: a machine that
// starts has no network for a while.
func TestProxyStartsBeforeItsRegistry(t *testing.T) {
	p := startProxy(t, "http://127.0.0.1:1")
	eventually(t, "that is said", func() bool {
		return strings.Contains(p.stderr.String(), `msg="the registry is not of use yet"`) && strings.Contains(p.stderr.String(), "connection refused")
	})
	resp, body := call(t, "GET", p.url+"/v2/", "", nil)
	want(t, resp, body, http.StatusBadGateway)
}

// The login is lent to this machine, and not to pages that a browser on it shows.
func TestProxyIsAtHome(t *testing.T) {
	p := startProxy(t, start(t, t.TempDir()).url)
	for _, c := range []struct {
		method, host string
		header       http.Header
		want         int
	}{
		{"GET", "localhost", nil, http.StatusOK},
		{"GET", "page.example", nil, http.StatusMisdirectedRequest},
		{"POST", "127.0.0.1", http.Header{"Sec-Fetch-Site": {"cross-site"}}, http.StatusForbidden},
	} {
		r, err := http.NewRequestWithContext(t.Context(), c.method, p.url+"/v2/", nil)
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

// What is under way at the end comes to its end, and the rest is given up.
func TestProxyEnds(t *testing.T) {
	registry := start(t, t.TempDir())
	p := startProxy(t, registry.url)
	resp, body := call(t, "POST", p.url+"/v2/team/app/blobs/uploads/", "", nil)
	want(t, resp, body, http.StatusAccepted)
	blob := bytes.Repeat([]byte("x"), 1<<20)
	d := oci.SHA256.Sum(blob)
	r, w := io.Pipe()
	req, err := http.NewRequestWithContext(t.Context(), "PUT", p.url+resp.Header.Get("Location")+"?digest="+string(d), r)
	if err != nil {
		t.Fatal(err)
	}
	// The body is sent once the proxy asks for it: a server that ends may close a
	// connection it has read nothing from.
	req.Header.Set("Expect", "100-continue")
	transport := &http.Transport{ExpectContinueTimeout: time.Minute}
	t.Cleanup(transport.CloseIdleConnections)
	answered := make(chan string, 1)
	go func() {
		resp, err := transport.RoundTrip(req)
		if err != nil {
			answered <- err.Error()
			return
		}
		resp.Body.Close()
		answered <- resp.Status
	}()
	if _, err := w.Write(blob[:1<<19]); err != nil {
		t.Fatal(err)
	}
	p.signal(syscall.SIGTERM)
	eventually(t, "the signal is heard", func() bool { return strings.Contains(p.stderr.String(), "draining") })
	if _, err := w.Write(blob[1<<19:]); err != nil {
		t.Fatal(err)
	}
	w.Close()
	if got := <-answered; got != "201 Created" {
		t.Errorf("the blob that was under way: got %q", got)
	}
	if status, _ := p.end(); status != 0 {
		t.Errorf("exit status %d", status)
	}
	resp, body = call(t, "GET", registry.url+"/v2/team/app/blobs/"+string(d), "", nil)
	want(t, resp, body, http.StatusOK)
}

func TestProxyCommandsThatAreWrong(t *testing.T) {
	for _, c := range []struct {
		args   string
		status int
		says   string
	}{
		{"", 2, "missing flags: --to=URL"},
		{"--to ftp://x", 1, "is not the URL of a registry"},
		{"--to https://user:pw@x", 1, "the URL has credentials in it"},
		{"--to https://x/team", 1, "has a path"},
		{"--to https://x --listen 0.0.0.0:0", 1, "0.0.0.0:0 can be reached by others, who could all push, pull and delete with this login: give --lend-login if that is meant"},
		{"--to https://x --listen :0", 1, "give --lend-login if that is meant"},
		{"--to https://x --listen nowhere", 1, "cannot listen on nowhere"},
		{"--to http://localhost:5001", 1, "is the proxy itself"},
		{"--to https://x --memory 31", 1, "31 MiB are too few"},
		{"--to https://x --parallel 0", 1, "there must be at least one"},
	} {
		out, err := command(t, append([]string{"proxy"}, strings.Fields(c.args)...)...).CombinedOutput()
		exit, ok := err.(*exec.ExitError)
		if !ok || exit.ExitCode() != c.status || !strings.Contains(string(out), c.says) {
			t.Errorf("berth proxy %s: got %v and %q, want exit status %d and %q", c.args, err, out, c.status, c.says)
		}
	}
}
