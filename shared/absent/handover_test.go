package absent_test

import (
	"context"
	"io"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

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
	plain, byDigest := manifestAt(app, "v2"), manifestAt(app, string(other))
	for name, c := range map[string]struct {
		method, url, body string
		forgets           bool
	}{
		"a delete":            {"DELETE", manifestAt(app, string(image)), "", true},
		"a delete of another": {"DELETE", manifestAt(app, string(other)), "", true},
		"a delete by tag":     {"DELETE", plain, "", true},
		"what is not known":   {"POST", host + "/v2/" + app + "/_ext/v1/clean", "{}", true},
		"what is less known":  {"PUT", host + "/v2/clean", "{}", true},
		"a tag that moves":    {"PUT", plain, `{}`, true}, // away from image, and that was all that was seen of it
		"tags that move":      {"PUT", byDigest + "?tag=v2", `{}`, true},
		"a referrer":          {"PUT", byDigest, subjectOf(string(image)), false},
		"an image":            {"PUT", byDigest, `{}`, false},
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

// A push that something else was redirected to is what that was.
func TestARedirectedDelete(t *testing.T) {
	tr, d := lookout(t)
	d.answer = serving("absent")
	do(t, tr, "GET", referrersOf(app, image), "")
	first, err := http.NewRequestWithContext(t.Context(), "PUT", host+"/v2/"+app+"/_ext/v1/clean", nil)
	if err != nil {
		t.Fatal(err)
	}
	next, err := http.NewRequestWithContext(t.Context(), "PUT", manifestAt("team/other", "v1"), strings.NewReader("{}"))
	if err != nil {
		t.Fatal(err)
	}
	next.Response = reply(http.StatusTemporaryRedirect)
	next.Response.Request = first
	if _, err := tr.RoundTrip(next); err != nil {
		t.Fatal(err)
	}
	d.paths()
	if fetch(t, tr, "GET"); d.paths() == "" {
		t.Error("what may be gone was handed over")
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

// What a tag was moved away from while it was fetched ahead may be out of sight, as
// well for who has asked again meanwhile.
func TestATagThatMovesMeanwhile(t *testing.T) {
	tr, d := lookout(t)
	d.answer = func(r *http.Request) *http.Response {
		if r.Method == http.MethodGet && strings.Contains(r.URL.Path, "/manifests/") {
			d.answer = func(*http.Request) *http.Response { return reply(http.StatusNotFound) }
			do(t, tr, "PUT", manifestAt(app, "v2"), "{}")
			do(t, tr, "GET", referrersOf(app, image), "")
		}
		return serving("present")(r)
	}
	do(t, tr, "GET", referrersOf(app, image), "")
	d.paths()
	if fetch(t, tr, "GET"); d.paths() == "" {
		t.Error("what is out of sight is handed over")
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

// Who has gone, or sends something along, is not handed anything, and it is there
// for who comes next.
func TestWhoIsHandedNothing(t *testing.T) {
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	for name, c := range map[string]struct {
		ctx  context.Context
		body io.Reader
	}{
		"who has gone": {gone, nil},
		"with a body":  {t.Context(), strings.NewReader("{}")},
	} {
		tr, d := lookout(t)
		d.answer = serving("absent")
		do(t, tr, "GET", referrersOf(app, image), "")
		d.paths()
		req, err := http.NewRequestWithContext(c.ctx, "GET", manifestAt(app, string(image)), c.body)
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Accept", imageType)
		if _, err := tr.RoundTrip(req); err != nil {
			t.Fatal(err)
		}
		if got := d.paths(); got != "GET manifest" {
			t.Errorf("%s: the registry was asked for %q", name, got)
		}
		if fetch(t, tr, "GET"); d.paths() != "" {
			t.Errorf("%s: it was lost on the way", name)
		}
	}
}
