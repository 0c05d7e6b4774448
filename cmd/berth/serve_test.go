package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"io"
	"math/big"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	v1 "github.com/opencontainers/image-spec/specs-go/v1"
)

func TestServeSaysWhereItIsAndLogs(t *testing.T) {
	data := filepath.Join(t.TempDir(), "made", "if", "need", "be")
	p := start(t, data, "--log-format", "json")
	if got, want := p.line, "berth serves "+p.url+" from "+data+", open to everybody on this machine\n"; got != want {
		t.Errorf("first line: got %q, want %q", got, want)
	}
	resp, body := call(t, "GET", p.url+"/v2/", "", nil)
	want(t, resp, body, http.StatusOK)
	eventually(t, "the request is logged while the server runs", func() bool {
		return strings.Contains(p.stderr.String(), `"msg":"request","method":"GET","route":"ping"`)
	})
	resp, body = call(t, "GET", p.url+"/healthz", "", nil)
	want(t, resp, body, http.StatusOK)
	resp, body = call(t, "GET", p.url+"/metrics", "", nil)
	want(t, resp, body, http.StatusOK)
	for _, line := range []string{
		`berth_requests_total{class="2xx",method="GET",route="ping"} 1`,
		"berth_requests_in_flight 0",
		"process_resident_memory_bytes ",
	} {
		if !strings.Contains(string(body), line) {
			t.Errorf("metrics lack %s", line)
		}
	}
	resp, body = call(t, "GET", p.url+"/", "", nil)
	want(t, resp, body, http.StatusNotFound)

	p.signal(os.Interrupt)
	status, more := p.end()
	if status != 0 || more != "" {
		t.Errorf("end: got status %d and %q on standard output, want 0 and nothing", status, more)
	}
	if !strings.Contains(p.stderr.String(), "draining") {
		t.Errorf("the last lines are not in the log:\n%s", p.stderr)
	}
}

func TestSecondStartSaysWhoHoldsTheFolder(t *testing.T) {
	data := t.TempDir()
	p := start(t, data)
	out, err := command(t, "serve", "--listen", "127.0.0.1:0", "--data", data).CombinedOutput()
	var exit *exec.ExitError
	if !errors.As(err, &exit) || exit.ExitCode() != 1 {
		t.Fatalf("got %v, want exit status 1", err)
	}
	for _, part := range []string{data, "process " + strconv.Itoa(p.cmd.Process.Pid), p.url, "since " + time.Now().Format("2006-")} {
		if !strings.Contains(string(out), part) {
			t.Errorf("got %q, want %q in it", out, part)
		}
	}
}

// The kernel drops the lock of a killed process. Its note stays, and must not
// outlive the next start.
func TestRestartAfterKill(t *testing.T) {
	data := t.TempDir()
	p := start(t, data)
	d := pushBlob(t, p.url, "team/app", []byte("survives"))
	p.kill()
	if _, err := os.Stat(holderFile(data)); err != nil {
		t.Fatalf("a killed process left no note, so this test tests nothing: %v", err)
	}

	p = start(t, data)
	resp, body := call(t, "GET", p.url+"/v2/team/app/blobs/"+string(d), "", nil)
	want(t, resp, body, http.StatusOK)
	if string(body) != "survives" {
		t.Errorf("blob: got %q", body)
	}
	note, err := os.ReadFile(holderFile(data))
	if err != nil || !strings.Contains(string(note), p.url) {
		t.Errorf("note: got %s, %v, want one about %s", note, err, p.url)
	}
	p.signal(syscall.SIGTERM)
	if status, _ := p.end(); status != 0 {
		t.Errorf("exit status %d", status)
	}
	if _, err := os.Stat(holderFile(data)); err == nil {
		t.Error("the note is still there after a clean end")
	}
}

func TestRestartAfterATornNote(t *testing.T) {
	data := t.TempDir()
	p := start(t, data)
	if err := os.WriteFile(holderFile(data), []byte(`{"pid":`), 0o600); err != nil {
		t.Fatal(err)
	}
	out, _ := command(t, "serve", "--listen", "127.0.0.1:0", "--data", data).CombinedOutput()
	if !strings.Contains(string(out), "held by another process") {
		t.Errorf("got %q", out)
	}
	p.kill()
	start(t, data)
}

// upload begins to send a blob and returns how to go on.
func upload(t *testing.T, p *process) (body *io.PipeWriter, answer chan string) {
	t.Helper()
	resp, got := call(t, "POST", p.url+"/v2/team/app/blobs/uploads/", "", nil)
	want(t, resp, got, http.StatusAccepted)
	location, err := resp.Location()
	if err != nil {
		t.Fatal(err)
	}
	r, w := io.Pipe()
	req, err := http.NewRequestWithContext(t.Context(), "PATCH", location.String(), r)
	if err != nil {
		t.Fatal(err)
	}
	answer = make(chan string, 1)
	go func() {
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			answer <- err.Error()
			return
		}
		resp.Body.Close()
		answer <- resp.Status + " " + resp.Header.Get("Range")
	}()
	if _, err := w.Write(make([]byte, 1<<20)); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the server reads the upload", func() bool {
		_, metrics := call(t, "GET", p.url+"/metrics", "", nil)
		return strings.Contains(string(metrics), "berth_requests_in_flight 1")
	})
	return w, answer
}

func TestSignalLetsAnUploadFinish(t *testing.T) {
	p := start(t, t.TempDir())
	body, answer := upload(t, p)
	p.signal(syscall.SIGTERM)
	address := strings.TrimPrefix(p.url, "http://")
	eventually(t, "no more connections are taken", func() bool {
		conn, err := net.Dial("tcp", address)
		if err == nil {
			conn.Close()
		}
		return err != nil
	})
	if _, err := body.Write(make([]byte, 1<<20)); err != nil {
		t.Fatal(err)
	}
	body.Close()
	if got, want := <-answer, "202 Accepted 0-2097151"; got != want {
		t.Errorf("upload: got %q, want %q", got, want)
	}
	if status, _ := p.end(); status != 0 {
		t.Errorf("exit status %d, want 0", status)
	}
}

func TestSecondSignalEndsAtOnce(t *testing.T) {
	p := start(t, t.TempDir())
	body, answer := upload(t, p)
	p.signal(os.Interrupt)
	eventually(t, "the first signal is heard", func() bool { return strings.Contains(p.stderr.String(), "draining") })
	p.signal(os.Interrupt)
	if status, _ := p.end(); status != 0 {
		t.Errorf("exit status %d, want 0", status)
	}
	body.Close() // the client waits for its own body before it looks at the connection
	if got := <-answer; strings.HasPrefix(got, "202") {
		t.Errorf("the cut upload was answered %q", got)
	}
}

func TestTLS(t *testing.T) {
	cert, key, roots := certificate(t)
	p := start(t, t.TempDir(), "--tls-cert", cert, "--tls-key", key)
	if !strings.HasPrefix(p.url, "https://127.0.0.1:") {
		t.Fatalf("url %s", p.url)
	}
	client := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots}, ForceAttemptHTTP2: true}}
	t.Cleanup(client.CloseIdleConnections)
	resp, err := client.Get(p.url + "/v2/")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK || resp.ProtoMajor != 2 {
		t.Errorf("got %s over %s, want 200 over HTTP/2", resp.Status, resp.Proto)
	}
}

// certificate makes one for loopback that signs itself.
func certificate(t *testing.T) (certFile, keyFile string, roots *x509.CertPool) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), IsCA: true, BasicConstraintsValid: true,
		NotAfter: time.Now().Add(time.Hour), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	keyDER, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	certFile, keyFile = filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	certPEM := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	keyPEM := pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: keyDER})
	if err := errors.Join(os.WriteFile(certFile, certPEM, 0o600), os.WriteFile(keyFile, keyPEM, 0o600)); err != nil {
		t.Fatal(err)
	}
	roots = x509.NewCertPool()
	roots.AppendCertsFromPEM(certPEM)
	return certFile, keyFile, roots
}

func TestSettingsHoldAndAreReadAgain(t *testing.T) {
	file := filepath.Join(t.TempDir(), "berth.yaml")
	write := func(text string) {
		t.Helper()
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("repositories: [{pattern: team/*, referrers-header: off}]\nlimits: {tags-per-push: 10}\n")
	p := start(t, t.TempDir(), "--config", file)
	pushManifest(t, p.url, "team/app", "1", v1.MediaTypeImageIndex, v1.Index{
		Versioned: versioned, MediaType: v1.MediaTypeImageIndex, Manifests: []v1.Descriptor{},
	})
	header := func() string {
		t.Helper()
		resp, body := call(t, "GET", p.url+"/v2/team/app/manifests/1", "", nil)
		want(t, resp, body, http.StatusOK)
		return resp.Header.Get("OCI-Referrers")
	}
	if got := header(); got != "" {
		t.Errorf("OCI-Referrers: got %q, the settings say off", got)
	}
	_, raw := call(t, "GET", p.url+"/v2/team/app/manifests/1", "", nil)
	resp, body := call(t, "PUT", p.url+"/v2/team/app/manifests/x?tag=a&tag=b&tag=c&tag=d&tag=e&tag=f&tag=g&tag=h&tag=i&tag=j&tag=k", v1.MediaTypeImageIndex, raw)
	if resp.StatusCode/100 != 4 {
		t.Errorf("a push of 11 tags, where 10 are allowed: got %d: %s", resp.StatusCode, body)
	}

	write("repositories: [{pattern: team/*, referrers-header: always}]\n")
	p.signal(syscall.SIGHUP)
	eventually(t, "the changed settings hold", func() bool { return header() == "absent" })
}

func TestCommandsThatAreWrong(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	broken := filepath.Join(t.TempDir(), "berth.yaml")
	if err := os.WriteFile(broken, []byte("repositories:\n  - patern: x\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		args   string
		status int
		says   string
	}{
		{"", 2, `expected one of "serve", "push", "pull", "copy", "login"`},
		{"serv", 2, `did you mean "serve"?`},
		{"serve --colour", 2, "unknown flag --colour"},
		{"serve --log-level loud", 2, `"loud"`},
		{"serve --log-format xml", 2, `must be one of "text","json"`},
		{"serve --tls-cert x", 2, "--tls-cert and --tls-key must be used together"},
		{"serve --tls-cert x --tls-key y", 1, "load the certificate: open x"},
		{"serve --listen " + taken.Addr().String(), 1, taken.Addr().String() + " is in use by another program; choose another address with --listen"},
		{"serve --listen nowhere", 1, "cannot listen on nowhere"},
		{"serve --data " + broken, 1, "make the data folder"},
		{"serve --config " + broken, 1, broken + `:2:5: unknown field "patern"`},
		{"serve --config absent.yaml", 1, "absent.yaml"},
		{"serve --listen 0.0.0.0:0", 1, "0.0.0.0:0 can be reached by others, who could all push, pull and delete: give a --policy, or --open if that is meant"},
		{"serve --policy absent.yaml", 1, "read the policy: open absent.yaml"},
		{"serve --policy " + broken, 1, broken + ":1:1"},
		{"serve --policy x --open", 2, "--policy and --open can't be used together"},
		{"serve --users x", 1, "--users: without a --policy nobody is asked who they are"},
		{"serve --token-life 4m", 1, "--token-life: 4m0s is not between 5m0s and 15m0s"},
		{"serve --url registry.example.com", 1, `--url: "registry.example.com" is not the address of a registry`},
		{"serve --url https://example.com/berth", 1, "is not the address of a registry"},
		{"robot create x", 2, "missing flags: --registry=URL or --table=NAME or --data=FOLDER"},
		{"robot create x --table t --data d", 2, "can't be used together"},
		{"robot create x --registry r.test --expires 9", 1, `--expires: "9" is not a number of days (90d)`},
		{"robot rotate x --registry r.test --overlap soon", 1, `--overlap: "soon" is not a number of days (90d) or hours (12h)`},
		{"policy set x --registry r.test", 2, "no such file"},
		{"keys rotate", 2, "missing flags: --registry=URL or --data=FOLDER"},
		{"login r.test", 2, "missing flags: --username=USER or --aws"},
		{"login r.test -u x", 1, "--username and --password-stdin come together"},
		{"login r.test --aws --github", 2, "can't be used together"},
		{"login https://user:pw@r.test --aws", 1, "the URL has credentials in it"},
		{"login r.test --oidc-token-file absent", 1, "read the token: open "},
		{"serve --listen 127.0.0.1:0 --pprof 0.0.0.0:0", 1, "--pprof: 0.0.0.0 is not a loopback address"},
	} {
		out, err := command(t, strings.Fields(c.args)...).CombinedOutput()
		var exit *exec.ExitError
		if !errors.As(err, &exit) || exit.ExitCode() != c.status || !strings.Contains(string(out), c.says) {
			t.Errorf("berth %s: got %v and %q, want exit status %d and %q", c.args, err, out, c.status, c.says)
		}
	}
}

func TestHelpAndVersion(t *testing.T) {
	for args, says := range map[string]string{
		"--help":       "  Run a registry on this machine.",
		"serve --help": `--listen="127.0.0.1:5000"`,
		"tree --help":  "berth tree 127.0.0.1:5000/team/app:1",
		"version":      "berth ",
	} {
		out, err := command(t, strings.Fields(args)...).Output()
		if err != nil || !strings.Contains(string(out), says) {
			t.Errorf("berth %s: got %v and %q, want %q in it", args, err, out, says)
		}
	}
}

func TestProfiles(t *testing.T) {
	p := start(t, t.TempDir(), "--pprof", "127.0.0.1:0")
	var url string
	eventually(t, "the address of the profiles is logged", func() bool {
		_, rest, ok := strings.Cut(p.stderr.String(), "msg=profiles url=")
		url, _, _ = strings.Cut(rest, "\n")
		return ok
	})
	resp, body := call(t, "GET", url+"goroutine?debug=1", "", nil)
	want(t, resp, body, http.StatusOK)
	resp, body = call(t, "GET", p.url+"/debug/pprof/", "", nil)
	want(t, resp, body, http.StatusNotFound)
}
