package main

import (
	"bytes"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"io"
	mathrand "math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	v1 "github.com/opencontainers/image-spec/specs-go/v1"
	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"

	"github.com/berthregistry/berth/shared/announce"
	"github.com/berthregistry/berth/shared/oci"
)

const hookSecret = "whsec_MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE="

// A hooked is what listens behind a webhook.
type hooked struct {
	t      testing.TB
	url    string
	secret string // a file
	answer atomic.Pointer[func() int]

	mu     sync.Mutex
	events map[string]announce.Event // by id, those that were taken
	order  []announce.Event
}

func newHooked(t testing.TB) *hooked {
	h := &hooked{t: t, events: map[string]announce.Event{}}
	h.answers(func() int { return http.StatusNoContent })
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	h.url = s.URL + "/in?key=hush"
	h.secret = t.TempDir() + "/hook.secret"
	if err := os.WriteFile(h.secret, []byte(hookSecret+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	return h
}

func (h *hooked) answers(f func() int) { h.answer.Store(&f) }

func (h *hooked) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return // berth was killed
	}
	wh, err := standardwebhooks.NewWebhook(hookSecret)
	if err == nil {
		err = wh.Verify(body, r.Header)
	}
	var e announce.Event
	if err == nil {
		err = json.Unmarshal(body, &e)
	}
	if err != nil || e.ID != r.Header.Get("Webhook-Id") {
		h.t.Errorf("event %q: %v: %s", e.ID, err, body)
	}
	status := (*h.answer.Load())()
	h.mu.Lock()
	if _, again := h.events[e.ID]; status < 300 && !again {
		h.events[e.ID] = e
		h.order = append(h.order, e)
	}
	h.mu.Unlock()
	w.WriteHeader(status)
}

// got returns the events of a type.
func (h *hooked) got(kind string) (out []announce.Event) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, e := range h.order {
		if e.Type == announce.TypePrefix+kind {
			out = append(out, e)
		}
	}
	return out
}

// taken is how many different events were taken.
func (h *hooked) taken() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return len(h.events)
}

func (h *hooked) flags() []string {
	return []string{"--webhook", h.url, "--webhook-secret-file", h.secret}
}

// What is pushed is told, however often and whenever serve is killed: each change
// has one id, and none is missing, those included whose answer nobody got.
func TestKillsLoseNoEvents(t *testing.T) {
	h := newHooked(t)
	h.answers(func() int {
		if mathrand.IntN(10) == 0 {
			return http.StatusInternalServerError
		}
		return http.StatusOK
	})
	data := t.TempDir()
	p := start(t, data, h.flags()...)
	subject := pushManifest(t, p.url, "team/app", "v0", v1.MediaTypeImageManifest, image(t, p.url, "team/app"))
	w := &writers{subject: subject, tried: map[oci.Digest]string{subject.Digest: "v0"}}
	for range 8 {
		var all sync.WaitGroup
		for range 4 {
			all.Go(func() { w.push(p.url) })
		}
		time.Sleep(mathrand.N(400 * time.Millisecond))
		p.kill()
		all.Wait()
		p = start(t, data, h.flags()...)
	}
	h.answers(func() int { return http.StatusOK })

	pushed, tags, referrers := 0, 0, 0
	for d, tag := range w.tried {
		resp, _ := call(t, "HEAD", p.url+"/v2/team/app/manifests/"+string(d), "", nil)
		switch {
		case resp.StatusCode == http.StatusOK:
			pushed++
			if tag == "" {
				referrers++
			} else {
				tags++
			}
		case w.done[d]:
			t.Errorf("%s was pushed and is gone", d)
		}
	}
	t.Logf("%d of %d manifests are there, %d of them referrers", pushed, len(w.tried), referrers)
	for kind, want := range map[string]int{"manifest.pushed": pushed, "tag.created": tags, "referrer.attached": referrers, "repository.created": 1} {
		eventually(t, fmt.Sprintf("%d of %s are told", want, kind), func() bool { return len(h.got(kind)) >= want })
		seen := map[string]bool{}
		for _, e := range h.got(kind) {
			seen[e.Subject+string(digestIn(e))] = true
		}
		if got := len(h.got(kind)); got != want || len(seen) != want {
			t.Errorf("%s: %d ids of %d changes, want %d", kind, got, len(seen), want)
		}
	}
	if strings.Contains(p.stderr.String(), "hush") {
		t.Errorf("the log has the query of the webhook:\n%s", p.stderr)
	}
}

// digestIn is the digest of the referrer that an event is about, "" of any other.
func digestIn(e announce.Event) oci.Digest {
	var data struct{ Referrer struct{ Digest oci.Digest } }
	_ = json.Unmarshal(e.Data, &data) // of others there is none
	return data.Referrer.Digest
}

// Writers push until the registry is gone.
type writers struct {
	subject oci.Descriptor

	mu    sync.Mutex
	n     int
	tried map[oci.Digest]string // the tag, "" of a referrer
	done  map[oci.Digest]bool   // those that were answered 201
}

func (w *writers) push(url string) {
	for {
		m := v1.Manifest{Versioned: versioned, MediaType: v1.MediaTypeImageManifest, Annotations: map[string]string{"x": rand.Text()}}
		m.Config = v1.Descriptor{MediaType: v1.MediaTypeImageConfig, Digest: oci.SHA256.Sum([]byte("{}")), Size: 2}
		w.mu.Lock()
		w.n++
		tag := fmt.Sprintf("t%d", w.n)
		if w.n%2 == 0 {
			tag, m.ArtifactType = "", "application/x"
			m.Subject = &v1.Descriptor{MediaType: w.subject.MediaType, Digest: w.subject.Digest, Size: w.subject.Size}
		}
		raw, err := json.Marshal(m)
		d := oci.SHA256.Sum(raw)
		w.tried[d] = tag
		w.mu.Unlock()
		if err != nil || !w.put(url, d, tag, raw) {
			return
		}
	}
}

func (w *writers) put(url string, d oci.Digest, tag string, raw []byte) bool {
	ref := tag
	if ref == "" {
		ref = string(d)
	}
	req, err := http.NewRequest(http.MethodPut, url+"/v2/team/app/manifests/"+ref, bytes.NewReader(raw))
	if err != nil {
		return false
	}
	req.Header.Set("Content-Type", v1.MediaTypeImageManifest)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return false
	}
	resp.Body.Close()
	if resp.StatusCode == http.StatusCreated {
		w.mu.Lock()
		defer w.mu.Unlock()
		if w.done == nil {
			w.done = map[oci.Digest]bool{}
		}
		w.done[d] = true
	}
	return true
}

// The first push to a new folder is told, and flags and settings say to whom.
func TestWebhooksGetWhatTheyWant(t *testing.T) {
	all, some := newHooked(t), newHooked(t)
	config := textFile(t, "berth.yaml", fmt.Sprintf(`webhooks:
  - url: %q
    secret-file: %q
    types: [referrer.attached, dev.berth.tag.created]
    repositories: [team/*]
`, some.url, some.secret))
	p := start(t, t.TempDir(), append(all.flags(), "--config", config, "--url", "https://registry.example/", "--open")...)
	for _, repo := range []string{"team/app", "other/app"} {
		m := pushManifest(t, p.url, repo, "v1", v1.MediaTypeImageManifest, image(t, p.url, repo))
		pushManifest(t, p.url, repo, "", v1.MediaTypeImageManifest, artifact(t, p.url, repo, "application/x", m, 7))
	}
	eventually(t, "all is told to who wants all", func() bool { return all.taken() == 10 })
	eventually(t, "what is wanted is told", func() bool { return some.taken() >= 2 })
	if a, b := len(some.got("referrer.attached")), len(some.got("tag.created")); a != 1 || b != 1 || some.taken() != 2 {
		t.Errorf("%d referrers, %d tags, %d events, want 1, 1 and 2", a, b, some.taken())
	}
	for _, e := range all.got("repository.created") {
		if e.Source != "https://registry.example" {
			t.Errorf("the source of %s is %q", e.ID, e.Source)
		}
	}
}

func TestWebhookFlagsThatCannotBeMeant(t *testing.T) {
	secret, short := textFile(t, "s", hookSecret), textFile(t, "s", "hush")
	for name, c := range map[string]struct {
		args []string
		says string
	}{
		"no secret":      {[]string{"--webhook", "https://x.example"}, "--webhook-secret-file"},
		"no hook":        {[]string{"--webhook-secret-file", secret}, "are for a --webhook"},
		"no hook, types": {[]string{"--webhook-type", "tag.moved"}, "are for a --webhook"},
		"a bad type":     {[]string{"--webhook", "https://x.example", "--webhook-secret-file", secret, "--webhook-type", "tag"}, `"tag" is no type`},
		"a bad URL":      {[]string{"--webhook", "x.example/hush", "--webhook-secret-file", secret}, "not the URL of a webhook"},
		"a bad secret":   {[]string{"--webhook", "https://x.example", "--webhook-secret-file", short}, "a secret of 4 bytes"},
		"twice":          {[]string{"--webhook", "https://x.example?a=hush", "--webhook", "https://x.example", "--webhook-secret-file", secret}, "the same URL"},
	} {
		out, err := command(t, append([]string{"serve", "--listen", "127.0.0.1:0"}, c.args...)...).CombinedOutput()
		if err == nil || !strings.Contains(string(out), c.says) || strings.Contains(string(out), "hush") {
			t.Errorf("%s: got %v: %s", name, err, out)
		}
	}
}
