package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/berthregistry/berth/shared/announce"
	"github.com/berthregistry/berth/shared/oci"
)

// A watching is a running berth watch.
type watching struct {
	*process
	out *lines
}

// startWatch returns when the command follows the registry.
func startWatch(t *testing.T, p *process, args ...string) *watching {
	t.Helper()
	w := &watching{&process{t: t, stderr: &lines{}}, &lines{}}
	w.cmd = command(t, append([]string{"watch"}, args...)...)
	w.cmd.Stdout, w.cmd.Stderr = w.out, w.stderr
	before := inFlight(t, p)
	if err := w.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = w.cmd.Process.Kill()
		_ = w.cmd.Wait()
		if t.Failed() {
			t.Logf("watch printed:\n%s%s", w.out, w.stderr)
		}
	})
	eventually(t, "the stream is open", func() bool { return inFlight(t, p) != before })
	return w
}

func inFlight(t *testing.T, p *process) string {
	t.Helper()
	resp, body := call(t, "GET", p.url+"/metrics", "", nil)
	want(t, resp, body, http.StatusOK)
	_, rest, _ := strings.Cut(string(body), "\nberth_requests_in_flight ")
	line, _, _ := strings.Cut(rest, "\n")
	return line
}

func (w *watching) prints(text string) {
	w.t.Helper()
	eventually(w.t, "watch prints "+text, func() bool { return strings.Contains(w.out.String(), text) })
}

func TestWatch(t *testing.T) {
	alone(t)
	p := start(t, t.TempDir())
	host := strings.TrimPrefix(p.url, "http://")
	all := startWatch(t, p, host+"/team/app")
	d := pushManifest(t, p.url, "team/app", "latest", oci.MediaTypeImage, image(t, p.url, "team/app", 10))
	all.prints("tag.created         latest  " + short(string(d.Digest)) + "\n")
	attached := startWatch(t, p, host+"/team/app:latest", "--type", "referrer.attached", "--json")
	sbom := pushManifest(t, p.url, "team/app", "", oci.MediaTypeImage, artifact(t, p.url, "team/app", "application/spdx+json", d, 20))
	pushManifest(t, p.url, "team/app", "", oci.MediaTypeImage, artifact(t, p.url, "team/app", "application/of-another", sbom, 30))
	all.prints(short(string(d.Digest)) + "  latest  ← application/spdx+json  " + short(string(sbom.Digest)) + "\n")
	all.prints("application/of-another")
	attached.prints(string(sbom.Digest))

	var e announce.Event
	var data announce.Data
	text := attached.out.String()
	if err := json.Unmarshal([]byte(text), &e); err != nil { // the one line, so no other
		t.Fatalf("%v in %s", err, text)
	}
	if err := json.Unmarshal(e.Data, &data); err != nil || e.Type != "dev.berth.referrer.attached" || data.Subject.Digest != d.Digest {
		t.Errorf("%v in %s", err, text)
	}
	for _, w := range []*watching{all, attached} {
		w.signal(os.Interrupt)
		if err := w.cmd.Wait(); err != nil || w.stderr.String() != "" {
			t.Errorf("end: %v, %q", err, w.stderr)
		}
	}
	// Half of what happened is of a moment ago, and none of it of tomorrow.
	again := startWatch(t, p, host+"/team/app@"+string(sbom.Digest), "--since", "1h")
	again.prints("application/of-another")
	if strings.Contains(again.out.String(), "tag.created") {
		t.Errorf("printed what does not name it:\n%s", again.out)
	}
}

// A registry that is killed and comes back has lost nothing, and whoever watches
// it goes on.
func TestWatchOverARestart(t *testing.T) {
	alone(t)
	data := t.TempDir()
	p := start(t, data)
	host := strings.TrimPrefix(p.url, "http://")
	m := image(t, p.url, "team/app", 10)
	w := startWatch(t, p, host+"/team/app", "--type", "tag.created")
	push := func(p *process, from, to int) {
		for i := from; i < to; i++ {
			pushManifest(t, p.url, "team/app", fmt.Sprint("n", i), oci.MediaTypeImage, m)
		}
	}
	push(p, 0, 5)
	w.prints(" n0  ")
	push(p, 5, 10)
	p.kill()
	eventually(t, "watch says that there is no answer", func() bool { return strings.Contains(w.stderr.String(), "trying again") })
	p = launch(t, startLine, "serve", "--listen", host, "--data", data)
	push(p, 10, 15)
	w.prints(" n14  ")
	for i := range 15 {
		if n := strings.Count(w.out.String(), fmt.Sprintf(" n%d  ", i)); n != 1 {
			t.Errorf("n%d is printed %d times", i, n)
		}
	}
	p.signal(syscall.SIGTERM) // and a registry that ends does not wait for who watches
	begun := time.Now()
	if status, _ := p.end(); status != 0 || time.Since(begun) > 5*time.Second {
		t.Errorf("exit status %d after %s", status, time.Since(begun))
	}
}

func TestWatchAsSomebody(t *testing.T) {
	g := startGuarded(t, t.TempDir(), accessPolicy)
	berth(t, "", "watch", g.host()+"/team/app").wants(t, 1, "401", "to log in: berth login "+g.host())
	// Passwords are in htpasswd.
	berth(t, "correct horse\n", "login", "--username", "root", "--password-stdin", g.url).wants(t, 0)
	berth(t, "", "watch", g.host()+"/team/app").wants(t, 1, "403", "no right to watch team/app")
}

func TestWatchSaysWhatIsWrong(t *testing.T) {
	alone(t)
	other := metered(t, newElsewhere(t))
	for _, c := range []struct {
		args   string
		status int
		said   string
	}{
		{"", 2, "expected"},
		{other.host() + "/app", 1, other.host() + " answered 404"},
		{"127.0.0.1:1/app", 1, "127.0.0.1:1: no answer"},
		{"127.0.0.1:1/app --type referrer.added", 1, `no events called "referrer.added"; there are referrer.attached, `},
		{"127.0.0.1:1/app --type dev.berth.tag --every 1ms", 1, "--every"},
		{"127.0.0.1:1/app --since=-1h", 1, "--since"},
		{"127.0.0.1:1/App", 1, "App"},
	} {
		berth(t, "", append([]string{"watch"}, strings.Fields(c.args)...)...).wants(t, c.status, c.said)
	}
}
