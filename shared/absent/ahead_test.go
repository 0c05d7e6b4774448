package absent_test

import (
	"bytes"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"path"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/berthregistry/berth/shared/absent"
	"github.com/berthregistry/berth/shared/oci"
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

func TestWhatIsHeldCrossesNothing(t *testing.T) {
	at := manifestAt(app, string(image))
	for name, c := range map[string]struct {
		method, url string
		pairs       []string
	}{
		"another repository":   {"GET", manifestAt("team/other", string(image)), nil},
		"another digest":       {"GET", manifestAt(app, string(other)), nil},
		"a tag":                {"GET", manifestAt(app, "v1"), nil},
		"another host":         {"GET", strings.Replace(at, "r.test", "s.test", 1), nil},
		"another scheme":       {"GET", strings.Replace(at, "https", "http", 1), nil},
		"a query":              {"GET", at + "?ns=docker.io", nil},
		"another identity":     {"GET", at, []string{"Authorization", "Bearer b"}},
		"nobody":               {"GET", at, []string{"Authorization", ""}},
		"another session":      {"GET", at, []string{"Cookie", "s=1"}},
		"another key":          {"GET", at, []string{"X-Api-Key", "1"}},
		"a condition":          {"GET", at, []string{"If-None-Match", `"2"`}},
		"a part":               {"GET", at, []string{"Range", "bytes=0-1"}},
		"nothing old":          {"GET", at, []string{"Cache-Control", "no-cache"}},
		"another type":         {"GET", at, []string{"Accept", "application/vnd.oci.image.index.v1+json"}},
		"a type, conditional":  {"GET", at, []string{"Accept", imageType + ";q=0"}},
		"no type":              {"GET", at, []string{"Accept", ""}},
		"HEAD, another":        {"HEAD", at, []string{"Authorization", "Bearer b"}},
		"HEAD, with condition": {"HEAD", at, []string{"If-Match", `"2"`}},
		"a deletion":           {"DELETE", manifestAt("team/other", string(image)), nil},
	} {
		tr, d := lookout(t)
		do(t, tr, "HEAD", manifestAt("team/known", "v1"), "", "Authorization", "Bearer a")
		d.asked, d.answer = nil, serving("present")
		do(t, tr, "GET", referrersOf(app, image), "", "Authorization", "Bearer a")
		d.paths()
		do(t, tr, c.method, c.url, "", append([]string{"Authorization", "Bearer a", "Accept", imageType}, c.pairs...)...)
		if d.paths() != c.method+" manifest" {
			t.Errorf("it was handed over to %s", name)
		}
		if fetch(t, tr, "GET", "Authorization", "Bearer a", "Accept", "text/plain, */*"); d.paths() != "" {
			t.Errorf("%s: it was lost on the way", name)
		}
	}
}

func TestWhatIsHeldIsForgotten(t *testing.T) {
	plain := manifestAt(app, "v2")
	for name, c := range map[string]struct {
		method, url, body string
		forgets           bool
	}{
		"a delete":            {"DELETE", manifestAt(app, string(image)), "", true},
		"a delete of another": {"DELETE", manifestAt(app, string(other)), "", true},
		"a delete by tag":     {"DELETE", plain, "", true},
		"what is not known":   {"POST", host + "/v2/" + app + "/_ext/v1/clean", "{}", true},
		"what is less known":  {"PUT", host + "/v2/clean", "{}", true},
		"a referrer":          {"PUT", plain, subjectOf(string(image)), false},
		"an image":            {"PUT", plain, `{}`, false},
		"a layer":             {"PUT", host + "/v2/" + app + "/blobs/uploads/1?digest=" + string(other), "x", false},
		"elsewhere":           {"DELETE", manifestAt("team/other", string(image)), "", false},
	} {
		tr, d := lookout(t)
		d.answer = serving("absent")
		do(t, tr, "GET", referrersOf(app, image), "")
		do(t, tr, c.method, c.url, c.body)
		d.paths()
		if fetch(t, tr, "GET"); (d.paths() != "") != c.forgets {
			t.Errorf("%s: forgotten %v, want %v", name, !c.forgets, c.forgets)
		}
	}
}

// What was deleted while it was fetched ahead may be what was fetched.
func TestADeleteMeanwhile(t *testing.T) {
	tr, d := lookout(t)
	d.answer = func(r *http.Request) *http.Response {
		if r.Method == http.MethodGet && strings.Contains(r.URL.Path, "/manifests/") {
			do(t, tr, "DELETE", manifestAt(app, string(image)), "")
		}
		return serving("absent")(r)
	}
	resp := do(t, tr, "GET", referrersOf(app, image), "")
	if resp.Header.Get("From") != "registry" {
		t.Error("it is said to be absent, from before a write")
	}
	d.answer, d.asked = serving("absent"), nil
	if fetch(t, tr, "GET"); d.paths() == "" {
		t.Error("what was deleted is handed over")
	}
}

func TestHowLongItIsHeld(t *testing.T) {
	for _, c := range []struct {
		method string
		after  time.Duration
		held   bool
	}{
		{"HEAD", 2*time.Second - 1, true},
		{"HEAD", 2 * time.Second, false},
		{"GET", time.Minute - 1, true},
		{"GET", time.Minute, false},
	} {
		synctest.Test(t, func(t *testing.T) {
			tr, d := lookout(t)
			d.answer = serving("absent")
			do(t, tr, "GET", referrersOf(app, image), "")
			d.paths()
			// Others who look in between do not make it younger.
			for range 4 {
				time.Sleep(c.after / 4)
				if c.after > 10*time.Second {
					fetch(t, tr, "HEAD")
				}
			}
			d.paths()
			resp, _ := fetch(t, tr, c.method)
			if got := d.paths() == ""; got != c.held || got && resp.Header.Get("Age") != strconv.Itoa(int(c.after.Seconds())) {
				t.Errorf("%s after %v: held %v, want %v; aged %s", c.method, c.after, got, c.held, resp.Header.Get("Age"))
			}
		})
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

// A stock is a registry with manifests of one size.
type stock struct {
	bodies map[oci.Digest][]byte
	unsaid bool // how long they are
	asked  int
}

// stocked returns one, and the digests of what it has.
func stocked(size, count int) (s *stock, all []oci.Digest) {
	s = &stock{bodies: map[oci.Digest][]byte{}}
	for i := range count {
		body := append(bytes.Repeat([]byte("a"), size-8), fmt.Sprintf("%08d", i)...)
		all = append(all, oci.SHA256.Sum(body))
		s.bodies[all[i]] = body
	}
	return s, all
}

func (s *stock) RoundTrip(req *http.Request) (*http.Response, error) {
	s.asked++
	resp := reply(200, "OCI-Referrers", "present", "Content-Type", imageType)
	if body, ok := s.bodies[oci.Digest(path.Base(req.URL.Path))]; ok && strings.Contains(req.URL.Path, "/manifests/") {
		resp.Body, resp.ContentLength = io.NopCloser(bytes.NewReader(body)), int64(len(body))
		if s.unsaid {
			resp.ContentLength = -1
		}
	}
	return resp, nil
}

// listAll asks for the referrers of each, and says how many requests that has cost.
func (s *stock) listAll(t *testing.T, tr http.RoundTripper, of []oci.Digest) int {
	t.Helper()
	s.asked = 0
	for _, d := range of {
		do(t, tr, "GET", referrersOf(app, d), "")
	}
	return s.asked
}

// fetchAll asks for each, and says how many requests that has cost.
func (s *stock) fetchAll(t *testing.T, tr http.RoundTripper, all []oci.Digest) int {
	t.Helper()
	s.asked = 0
	for _, d := range all {
		do(t, tr, "GET", manifestAt(app, string(d)), "", "Accept", "*/*")
	}
	return s.asked
}

// What is held is bounded. Without room nothing is asked twice, and room comes back
// with who fetches, and with time.
func TestWhatIsHeldIsBounded(t *testing.T) {
	for _, c := range []struct{ size, held int }{{4 << 20, 4}, {1 << 20, 13}} {
		s, all := stocked(c.size, c.held+2)
		for _, s.unsaid = range []bool{true, false} {
			synctest.Test(t, func(t *testing.T) {
				tr := &absent.Transport{Base: s, Ahead: true}
				do(t, tr, "HEAD", manifestAt("team/known", string(other)), "")
				for range 2 {
					if got, want := s.listAll(t, tr, all), len(all)+c.held; got != want {
						t.Errorf("%d bytes: got %d requests, want %d", c.size, got, want)
					}
					if got := s.fetchAll(t, tr, all); got != 2 {
						t.Errorf("%d bytes: got %d more requests, want 2", c.size, got)
					}
					time.Sleep(time.Minute)
				}
				s.listAll(t, tr, all) // and nobody comes for them
				time.Sleep(time.Minute)
				if got := s.listAll(t, tr, all[:1]); got != 2 {
					t.Errorf("%d bytes: no room came back", c.size)
				}
			})
		}
	}
}

// A manifest that is too large is not read.
func TestWhatIsTooLarge(t *testing.T) {
	s, all := stocked(4<<20+1, 1)
	for _, s.unsaid = range []bool{true, false} {
		tr := &absent.Transport{Base: s, Ahead: true}
		do(t, tr, "HEAD", manifestAt("team/known", string(other)), "")
		if listed, fetched := s.listAll(t, tr, all), s.fetchAll(t, tr, all); listed != 2 || fetched != 1 {
			t.Errorf("got %d requests, and %d more, want 2 and 1", listed, fetched)
		}
	}
}

// How many manifests are marked is bounded as well.
func TestSightsAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, all := stocked(8, 8200)
		tr := &absent.Transport{Base: s, Ahead: true}
		do(t, tr, "HEAD", manifestAt("team/known", string(other)), "") // is one, too
		const most = 8192
		if got, want := s.listAll(t, tr, all), len(all)+most-1; got != want {
			t.Errorf("got %d requests, want %d", got, want)
		}
		if got, want := s.fetchAll(t, tr, all), len(all)-most+1; got != want {
			t.Errorf("got %d more requests, want %d", got, want)
		}
	})
}

// Clients that list and fetch at once, whatever they come upon, cost no request
// more than they make.
func TestManyClientsCostNoMore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, all := stocked(100, 60)
		var mu sync.Mutex
		r := rand.New(rand.NewPCG(1, 6))
		pause := func() {
			mu.Lock()
			d := time.Duration(r.IntN(int(200 * time.Millisecond)))
			mu.Unlock()
			time.Sleep(d)
		}
		tr := &absent.Transport{Ahead: true, Base: roundTripper(func(req *http.Request) (*http.Response, error) {
			pause()
			mu.Lock()
			defer mu.Unlock()
			resp, err := s.RoundTrip(req)
			if strings.ContainsAny(req.URL.Path[len(req.URL.Path)-1:], "02468ace") {
				resp.Header.Set("OCI-Referrers", "absent")
			}
			return resp, err
		})}
		do(t, tr, "HEAD", manifestAt("team/known", string(other)), "")
		s.asked = 0
		var clients sync.WaitGroup
		for range 4 {
			clients.Go(func() {
				for _, d := range all {
					do(t, tr, "GET", referrersOf(app, d), "")
					pause()
				}
				for _, d := range all {
					do(t, tr, "GET", manifestAt(app, string(d)), "", "Accept", "*/*")
					pause()
				}
			})
		}
		clients.Wait()
		made := 4 * 2 * len(all)
		if got := s.asked; got > made-int(tr.Spared()) || tr.Spared() < 60 {
			t.Errorf("%d requests were made, %d arrived, %d were spared", made, s.asked, tr.Spared())
		}
	})
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(req *http.Request) (*http.Response, error) { return f(req) }
