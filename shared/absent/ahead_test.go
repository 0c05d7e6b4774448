package absent_test

import (
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/berthregistry/berth/shared/absent"
)

// imageType is what serving serves.
const imageType = "application/vnd.oci.image.manifest.v1+json"

// serving answers as a registry that has the bytes that image names, of which it
// says something.
func serving(said string) func(*http.Request) *http.Response {
	return func(req *http.Request) *http.Response {
		if !strings.Contains(req.URL.Path, "/manifests/") {
			return reply(http.StatusOK, "From", "registry")
		}
		resp := reply(http.StatusOK, "Docker-Content-Digest", string(image), "Content-Type", imageType, "Etag", `"1"`, "Set-Cookie", "a=b")
		if said != "" {
			resp.Header.Set("OCI-Referrers", said)
			resp.Header.Set("OCI-Referrers-Artifact-Types", "a/b")
		}
		resp.ContentLength = int64(len("image"))
		if req.Method == http.MethodGet {
			resp.Body = io.NopCloser(strings.NewReader("image"))
		}
		return resp
	}
}

// lookout is a Transport that looks ahead, at a registry that has said of another
// manifest whether there are referrers.
func lookout(t *testing.T) (*absent.Transport, *desk) {
	t.Helper()
	d := &desk{answer: absence}
	tr := &absent.Transport{Base: d, Ahead: true}
	do(t, tr, "HEAD", manifestAt("team/known", "v1"), "")
	d.asked = nil
	return tr, d
}

// paths are what the registry was asked for, since the last time.
func (d *desk) paths() string {
	var all []string
	for _, r := range d.asked {
		kind := "manifest"
		if strings.Contains(r.URL.Path, "/referrers/") {
			kind = "referrers"
		}
		all = append(all, r.Method+" "+kind)
	}
	d.asked = nil
	return strings.Join(all, ", ")
}

// fetch asks for image as a client does that has heard of it.
func fetch(t *testing.T, tr http.RoundTripper, method string, pairs ...string) (*http.Response, string) {
	t.Helper()
	resp := do(t, tr, method, manifestAt(app, string(image)), "", append([]string{"Accept", imageType}, pairs...)...)
	if resp == nil {
		return nil, ""
	}
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp, string(body)
}

func TestAheadAsksForTheManifestInstead(t *testing.T) {
	for said, want := range map[string]string{
		"absent":  "GET manifest",
		"present": "GET manifest, GET referrers",
		"":        "GET manifest, GET referrers",
	} {
		tr, d := lookout(t)
		d.answer = serving(said)
		resp := do(t, tr, "GET", referrersOf(app, image)+"?artifactType=a%2Fb", "")
		if got := d.paths(); got != want || (resp.Header.Get("From") == "") != (said == "absent") {
			t.Errorf("said %q: the registry was asked for %s, want %s; got %v", said, got, want, resp.Header)
		}
		if said == "absent" && resp.Header.Get("OCI-Filters-Applied") != "artifactType" {
			t.Errorf("got headers %v of a filtered list", resp.Header)
		}
		for range 2 {
			resp, body := fetch(t, tr, "HEAD")
			if resp.ContentLength != 5 || body != "" || resp.Header.Get("Content-Length") != "5" {
				t.Errorf("HEAD: got %q, length %d, %v", body, resp.ContentLength, resp.Header)
			}
		}
		resp, body := fetch(t, tr, "GET")
		if got := d.paths(); got != "" || body != "image" || resp.StatusCode != http.StatusOK || resp.ContentLength != 5 {
			t.Errorf("said %q: asked for %q besides, and got %d %q", said, got, resp.StatusCode, body)
		}
		for name, want := range map[string]string{
			"Content-Type": imageType, "Docker-Content-Digest": string(image), "Etag": `"1"`, "Content-Length": "5", "Age": "0",
			"OCI-Referrers": "", "OCI-Referrers-Artifact-Types": "", "Set-Cookie": "",
		} {
			if got := resp.Header.Get(name); got != want {
				t.Errorf("got %s: %q, want %q", name, got, want)
			}
		}
		if fetch(t, tr, "GET"); d.paths() != "GET manifest" {
			t.Error("it was handed over twice")
		}
	}
}

// The manifest is asked for by who wants the referrers, about the same, with
// nothing that would bring anything other than its bytes.
func TestWhatIsAskedAhead(t *testing.T) {
	tr, d := lookout(t)
	tr.Reference = "r.test/team/app:v1"
	do(t, tr, "HEAD", manifestAt("team/known", "v1"), "", "Authorization", "Bearer a")
	d.asked = nil
	do(t, tr, "GET", referrersOf(app, image)+"?n=5", "", "Authorization", "Bearer a", "User-Agent", "oras", "If-None-Match", "*",
		"Accept-Encoding", "gzip", "Accept", "text/plain", "Range", "bytes=0-1")
	r := d.asked[0]
	if r.Method != "GET" || r.URL.String() != manifestAt(app, string(image)) || !strings.Contains(r.Header.Get("Accept"), imageType) {
		t.Errorf("got %s %s, %v", r.Method, r.URL, r.Header)
	}
	for name, want := range map[string]string{
		"Authorization": "Bearer a", "User-Agent": "oras", "OCI-Referrers": "request", "OCI-Ref": tr.Reference,
		"Accept-Encoding": "identity", "If-None-Match": "", "Range": "",
	} {
		if got := r.Header.Get(name); got != want {
			t.Errorf("got %s: %q, want %q", name, got, want)
		}
	}
}

// Only a registry that has said something is asked ahead, and whoever it has not
// told may have to log in first.
func TestWhoIsAskedAhead(t *testing.T) {
	for name, c := range map[string]struct {
		resp *http.Response
		url  string
		auth string
		want bool
	}{
		"absent":         {reply(200, "OCI-Referrers", "absent"), host, "", true},
		"present":        {reply(200, "OCI-Referrers", "present"), host, "", true},
		"nothing":        {reply(200), host, "", false},
		"something":      {reply(200, "OCI-Referrers", "unknown"), host, "", false},
		"from a cache":   {reply(200, "OCI-Referrers", "absent", "Age", "1"), host, "", false},
		"not to be kept": {reply(200, "OCI-Referrers", "absent", "Cache-Control", "private, No-Store"), host, "", false},
		"another host":   {reply(200, "OCI-Referrers", "absent"), "https://s.test", "", false},
		"another scheme": {reply(200, "OCI-Referrers", "absent"), "http://r.test", "", false},
		"to a login":     {reply(200, "OCI-Referrers", "absent"), host, "Bearer a", false},
		"missing":        {reply(404, "OCI-Referrers", "absent"), host, "", false},
	} {
		d := &desk{answer: func(*http.Request) *http.Response { return c.resp }}
		tr := &absent.Transport{Base: d, Ahead: true}
		do(t, tr, "HEAD", c.url+"/v2/team/known/manifests/"+string(other), "", "Authorization", c.auth)
		d.asked, d.answer = nil, serving("absent")
		do(t, tr, "GET", referrersOf(app, image), "")
		if got := d.paths() == "GET manifest"; got != c.want {
			t.Errorf("%s: asked ahead %v, want %v", name, got, c.want)
		}
	}
}

// What the manifest's answer does not say the list does, and what is no manifest
// is given to nobody.
func TestAheadInVain(t *testing.T) {
	served := func(change func(*http.Response)) func(*http.Request) *http.Response {
		return func(req *http.Request) *http.Response {
			resp := serving("present")(req)
			if strings.Contains(req.URL.Path, "/manifests/") {
				change(resp)
			}
			return resp
		}
	}
	status := func(code int) func(*http.Response) {
		return func(r *http.Response) { r.StatusCode = code; r.Header.Set("OCI-Referrers", "absent") }
	}
	body := func(s string, length int64) func(*http.Response) {
		return func(r *http.Response) { r.Body, r.ContentLength = io.NopCloser(strings.NewReader(s)), length }
	}
	header := func(name, value string) func(*http.Response) {
		return func(r *http.Response) { r.Header.Set(name, value) }
	}
	for name, change := range map[string]func(*http.Response){
		"missing": status(404), "busy": status(429), "moved": status(307), "no login": status(401), "not changed": status(304), "broken": status(500),
		"other bytes": body("imaga", 5), "cut": body("imag", 5), "longer": body("images", -1), "none": body("", 0),
		"packed": header("Content-Encoding", "gzip"), "from a cache": header("Age", "0"), "not to be kept": header("Cache-Control", "no-store"),
	} {
		tr, d := lookout(t)
		d.answer = served(change)
		resp := do(t, tr, "GET", referrersOf(app, image), "")
		if got := d.paths(); got != "GET manifest, GET referrers" || resp.Header.Get("From") != "registry" {
			t.Errorf("%s: asked for %s, and got %v", name, got, resp.Header)
		}
		do(t, tr, "GET", referrersOf(app, image), "")
		if got := d.paths(); got != "GET referrers" {
			t.Errorf("%s: asked for %s by who asks again", name, got)
		}
		d.answer = serving("present")
		if _, got := fetch(t, tr, "GET"); got != "image" || d.paths() != "GET manifest" {
			t.Errorf("%s: it was handed over as %q", name, got)
		}
	}
	tr, d := lookout(t)
	d.answer = func(r *http.Request) *http.Response {
		if strings.Contains(r.URL.Path, "/manifests/") {
			return nil
		}
		return serving("")(r)
	}
	if resp := do(t, tr, "GET", referrersOf(app, image), ""); resp == nil || resp.Header.Get("From") != "registry" {
		t.Errorf("with a request that was cut, got %v", resp)
	}
}

// Absence is what the answer says, whatever comes after it.
func TestAbsentWithoutItsBytes(t *testing.T) {
	tr, d := lookout(t)
	d.answer = func(r *http.Request) *http.Response {
		resp := serving("absent")(r)
		resp.Body = io.NopCloser(strings.NewReader("x"))
		return resp
	}
	if do(t, tr, "GET", referrersOf(app, image), ""); d.paths() != "GET manifest" || tr.Spared() != 1 {
		t.Errorf("%d were spared", tr.Spared())
	}
	if fetch(t, tr, "GET"); d.paths() != "GET manifest" {
		t.Error("other bytes were handed over")
	}
}

// For who has the manifest it is not asked for again, nor twice for anybody.
func TestNothingIsAskedAheadInVain(t *testing.T) {
	list := func(tr *absent.Transport) { do(t, tr, "GET", referrersOf(app, image), "") }
	for name, c := range map[string]struct {
		before func(tr *absent.Transport)
		wait   time.Duration
		want   string
	}{
		"who has just fetched it":  {func(tr *absent.Transport) { fetch(t, tr, "GET") }, 10*time.Second - 1, "GET referrers"},
		"who has just looked":      {func(tr *absent.Transport) { fetch(t, tr, "HEAD") }, 10*time.Second - 1, "GET referrers"},
		"who has it by a tag":      {func(tr *absent.Transport) { do(t, tr, "GET", manifestAt(app, "v1"), "") }, 10*time.Second - 1, "GET referrers"},
		"who had it some time ago": {func(tr *absent.Transport) { fetch(t, tr, "GET") }, 10 * time.Second, "GET manifest, GET referrers"},
		"who asks again":           {list, time.Minute - 1, "GET referrers"},
		"who asks later":           {list, time.Minute, "GET manifest, GET referrers"},
		"who was handed it":        {func(tr *absent.Transport) { list(tr); fetch(t, tr, "GET") }, 10*time.Second - 1, "GET referrers"},
		"who copies once more":     {func(tr *absent.Transport) { list(tr); fetch(t, tr, "GET") }, 10 * time.Second, "GET manifest, GET referrers"},
		"who is to be told none":   {func(tr *absent.Transport) { tr.For = -1 }, 0, "GET referrers"},
		"who does not want it":     {func(tr *absent.Transport) { tr.Ahead = false }, 0, "GET referrers"},
	} {
		synctest.Test(t, func(t *testing.T) {
			tr, d := lookout(t)
			d.answer = serving("present")
			c.before(tr)
			time.Sleep(c.wait)
			d.paths()
			if list(tr); d.paths() != c.want {
				t.Errorf("%s: not asked for %s", name, c.want)
			}
		})
	}
	tr, d := lookout(t)
	do(t, tr, "GET", host+"/v2/"+app+"/referrers/sha256:"+strings.Repeat("0", 64), "")
	if got := d.paths(); got != "GET referrers" {
		t.Errorf("who asks whether there are lists: asked for %s", got)
	}
}

// A request for a list that brings something along is not understood.
func TestAListWithABody(t *testing.T) {
	tr, d := lookout(t)
	d.answer = serving("absent")
	if do(t, tr, "GET", referrersOf(app, image), "{}"); d.paths() != "GET referrers" {
		t.Error("it was not passed on")
	}
}
