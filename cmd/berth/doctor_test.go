package main

import (
	"encoding/base64"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/berthregistry/berth/cmd/berth/checkup"
	"github.com/berthregistry/berth/shared/registry"
)

// berthDoctor runs the command with the credentials of a Docker configuration.
func berthDoctor(t *testing.T, docker string, args ...string) (status int, out, log string) {
	t.Helper()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "config.json"), []byte(docker), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("DOCKER_CONFIG", dir)
	var o, l strings.Builder
	status = run(append([]string{"doctor"}, args...), terminal{out: &o, err: &l})
	return status, o.String(), l.String()
}

// Without a gateway all is well, and doctor says that there is none.
func TestDoctorOfBerthServe(t *testing.T) {
	r := newRegistry(t, registry.Rules{ReferrersHeader: registry.HeaderAlways})
	status, out, log := berthDoctor(t, "{}", r.URL)
	if status != 0 || log != "" {
		t.Errorf("got status %d and %q, want 0 and nothing", status, log)
	}
	golden(t, "doctor-serve.txt", strings.ReplaceAll(out, r.host(), "registry.test"))

	status, out, _ = berthDoctor(t, "{}", r.host(), "--json", "--repository", "team/app")
	var report checkup.Report
	if err := json.Unmarshal([]byte(out), &report); err != nil || status != 0 {
		t.Fatalf("--json: status %d, %v: %s", status, err, out)
	}
	if report.Registry != r.URL || report.Gateway || report.Count(checkup.OK) < 29 || report.Findings[0].Name != "ping" {
		t.Errorf("--json: got %+v", report)
	}
	_, tags := call(t, "GET", r.URL+"/v2/team/app/tags/list", "", nil)
	if !strings.Contains(string(tags), `"tags":[]`) {
		t.Errorf("what is left in --repository: %s", tags)
	}
}

// A front that changes things is told of on every line it shows in, and by the
// exit status.
func TestDoctorOfABadFront(t *testing.T) {
	r := newRegistry(t, registry.Rules{ReferrersHeader: registry.HeaderAlways})
	front := frontOf(t, r, loseChallenges, func(w http.ResponseWriter, req *http.Request) bool {
		if req.ContentLength > 2<<20 {
			http.Error(w, "<html>\x1b[2J413 Request Entity Too Large", http.StatusRequestEntityTooLarge)
			return false
		}
		return true
	})
	status, out, log := berthDoctor(t, "{}", front.URL)
	if status != 1 || log != "berth: "+front.URL+" is not all that it should be\n" {
		t.Errorf("got status %d and %q", status, log)
	}
	golden(t, "doctor-proxy.txt", strings.ReplaceAll(out, strings.TrimPrefix(front.URL, "http://"), "registry.test"))
}

func loseChallenges(resp *http.Response) error {
	resp.Header.Del("Www-Authenticate")
	return nil
}

// frontOf returns a proxy in front of a registry. What it does not admit it has
// answered itself.
func frontOf(t *testing.T, r *testRegistry, edit func(*http.Response) error, admit func(http.ResponseWriter, *http.Request) bool) *httptest.Server {
	t.Helper()
	where, err := url.Parse(r.URL)
	if err != nil {
		t.Fatal(err)
	}
	proxy := httputil.NewSingleHostReverseProxy(where)
	proxy.ModifyResponse = edit
	front := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		if admit(w, req) {
			proxy.ServeHTTP(w, req)
		}
	}))
	t.Cleanup(front.Close)
	return front
}

// Doctor gets a token like any other client, with what docker login has kept.
func TestDoctorLogsIn(t *testing.T) {
	g := startGuarded(t, t.TempDir(), accessPolicy+
		"  - {name: examination, allow: [pull, push, delete], to: [\"user:root\"], repositories: [berth-doctor/**]}\n")
	status, out, _ := berthDoctor(t, "{}", g.url)
	if says := "that you may push to berth-doctor/probe"; status != 1 || !strings.Contains(out, says) {
		t.Errorf("without credentials: got status %d, want 1 and %q in\n%s", status, says, out)
	}
	secret := base64.StdEncoding.EncodeToString([]byte("root:correct horse"))
	status, out, log := berthDoctor(t, `{"auths":{"`+g.host()+`":{"auth":"`+secret+`"}}}`, g.url)
	if status != 0 || !strings.Contains(out, "/token answers") {
		t.Errorf("with credentials: got status %d, %q and\n%s", status, log, out)
	}
}

func TestDoctorTakesACertificateOnlyIfToldTo(t *testing.T) {
	cert, key, _ := certificate(t)
	p := start(t, t.TempDir(), "--tls-cert", cert, "--tls-key", key)
	status, _, log := berthDoctor(t, "{}", p.url)
	if status != 1 || !strings.Contains(log, "certificate") {
		t.Errorf("got status %d and %q, want one about the certificate", status, log)
	}
	status, out, log := berthDoctor(t, "{}", p.url, "--insecure")
	if status != 0 {
		t.Errorf("--insecure: got status %d, %q and\n%s", status, log, out)
	}
}

// A signal ends the examination, and the probe goes. The process is one of its
// own, since a signal is to all of one.
func TestDoctorIsInterrupted(t *testing.T) {
	r := newRegistry(t, registry.Rules{})
	var doctor *exec.Cmd
	began := make(chan struct{})
	front := frontOf(t, r, nil, func(_ http.ResponseWriter, req *http.Request) bool {
		if req.Method == "PATCH" && strings.HasPrefix(req.Header.Get("Content-Range"), "0-") {
			<-began
			if err := doctor.Process.Signal(os.Interrupt); err != nil {
				t.Error(err)
			}
			time.Sleep(100 * time.Millisecond) // for the signal to be heard
		}
		return true
	})
	doctor = command(t, "doctor", front.URL)
	var out, log strings.Builder
	doctor.Stdout, doctor.Stderr = &out, &log
	if err := doctor.Start(); err != nil {
		t.Fatal(err)
	}
	close(began)
	_ = doctor.Wait()
	if doctor.ProcessState.ExitCode() != 1 || log.String() != "berth: removing the probe; interrupt again to leave it there\nberth: interrupted\n" {
		t.Errorf("got %s and %q", doctor.ProcessState, log.String())
	}
	if !strings.Contains(out.String(), "delete works and leaves nothing") || !strings.Contains(out.String(), "differs 0, broken 0") {
		t.Errorf("got\n%s", out.String())
	}
	_, tags := call(t, "GET", r.URL+"/v2/berth-doctor/probe/tags/list", "", nil)
	if strings.Contains(string(tags), "doctor-") {
		t.Errorf("left: %s", tags)
	}
}

func TestDoctorThatIsToldNonsense(t *testing.T) {
	for args, says := range map[string]string{
		"https://registry.test/team":               "has a path",
		"https://ann:secret@registry.test":         "use docker login",
		"ftp://registry.test":                      "is not the URL of a registry",
		"https://":                                 "is not the URL of a registry",
		"http://127.0.0.1:1":                       "knock at http://127.0.0.1:1",
		"http://127.0.0.1:1 --repository Team/App": `"Team/App" is not the name of a repository`,
		"127.0.0.1:1":                              "knock at http://127.0.0.1:1",
	} {
		status, out, log := berthDoctor(t, "{}", strings.Fields(args)...)
		if status != 1 || out != "" || !strings.Contains(log, says) || strings.Contains(log, "secret") {
			t.Errorf("berth doctor %s: got status %d, %q and %q, want %q", args, status, out, log, says)
		}
	}
}
