package absent_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/berthregistry/berth/shared/absent"
	"github.com/berthregistry/berth/shared/oci"
)

// A desk answers requests in memory, and notes what it is asked.
type desk struct {
	answer func(*http.Request) *http.Response
	asked  []*http.Request
}

func (d *desk) RoundTrip(req *http.Request) (*http.Response, error) {
	d.asked = append(d.asked, req)
	resp := d.answer(req)
	if resp == nil {
		return nil, errors.New("cut")
	}
	resp.Request = req
	return resp, nil
}

// reply makes an answer with headers, given as pairs.
func reply(status int, pairs ...string) *http.Response {
	h := http.Header{}
	for i := 0; i < len(pairs); i += 2 {
		h.Add(pairs[i], pairs[i+1])
	}
	return &http.Response{StatusCode: status, Header: h, Body: http.NoBody}
}

const app, host = "team/app", "https://r.test"

var (
	image = oci.SHA256.Sum([]byte("image"))
	other = oci.SHA256.Sum([]byte("other"))
)

// absence is the answer of a registry to who asks for a manifest that nothing
// refers to, and something short to all else.
func absence(req *http.Request) *http.Response {
	if !strings.Contains(req.URL.Path, "/manifests/") {
		return reply(http.StatusOK)
	}
	if req.Method == http.MethodPut {
		return reply(http.StatusCreated)
	}
	return reply(http.StatusOK, "OCI-Referrers", "absent", "Docker-Content-Digest", string(image))
}

// do makes a request, with headers given as pairs.
func do(t *testing.T, rt http.RoundTripper, method, url, body string, pairs ...string) *http.Response {
	t.Helper()
	var reader io.Reader
	if body != "" {
		reader = strings.NewReader(body)
	}
	req, err := http.NewRequestWithContext(t.Context(), method, url, reader)
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(pairs); i += 2 {
		req.Header.Set(pairs[i], pairs[i+1])
	}
	resp, err := rt.RoundTrip(req)
	if err != nil {
		return nil
	}
	t.Cleanup(func() { _ = resp.Body.Close() })
	return resp
}

func manifestAt(repo, ref string) string { return host + "/v2/" + repo + "/manifests/" + ref }
func referrersOf(repo string, d oci.Digest) string {
	return host + "/v2/" + repo + "/referrers/" + string(d)
}

// spares says whether a request for the referrers of image is spared.
func spares(t *testing.T, tr *absent.Transport) bool {
	t.Helper()
	n := tr.Spared()
	do(t, tr, "GET", referrersOf(app, image), "")
	return tr.Spared() == n+1
}

func TestSparesWhatWasSaidToBeAbsent(t *testing.T) {
	for name, ask := range map[string]struct{ method, ref string }{
		"GET by tag":     {"GET", "v1"},
		"HEAD by tag":    {"HEAD", "v1"},
		"GET by digest":  {"GET", string(image)},
		"HEAD by digest": {"HEAD", string(image)},
	} {
		d := &desk{answer: absence}
		tr := &absent.Transport{Base: d}
		do(t, tr, ask.method, manifestAt(app, ask.ref), "")
		if got := d.asked[0].Header.Get("OCI-Referrers"); got != "request" {
			t.Errorf("%s: got OCI-Referrers: %q, want request", name, got)
		}
		for n := int64(1); n <= 3; n++ {
			if !spares(t, tr) || tr.Spared() != n || len(d.asked) != 1 {
				t.Errorf("%s: %d spared of %d, and %d asked", name, tr.Spared(), n, len(d.asked)-1)
			}
		}
	}
}

func TestTheAnswerIsAnEmptyIndex(t *testing.T) {
	tr := &absent.Transport{Base: &desk{answer: absence}}
	do(t, tr, "GET", manifestAt(app, "v1"), "")
	for query, filters := range map[string]string{
		"": "", "?artifactType=a/b": "artifactType", "?artifactType=": "", "?n=10&artifactType=x": "artifactType",
	} {
		resp := do(t, tr, "GET", referrersOf(app, image)+query, "")
		raw, err := io.ReadAll(resp.Body)
		if err != nil {
			t.Fatal(err)
		}
		var index v1.Index
		if err := json.Unmarshal(raw, &index); err != nil {
			t.Fatal(err)
		}
		if resp.StatusCode != http.StatusOK || index.SchemaVersion != 2 || index.MediaType != v1.MediaTypeImageIndex ||
			index.Manifests == nil || len(index.Manifests) != 0 || int64(len(raw)) != resp.ContentLength || resp.Request == nil {
			t.Errorf("%q: got %d, %s", query, resp.StatusCode, raw)
		}
		if got := resp.Header.Get("Content-Type"); got != v1.MediaTypeImageIndex {
			t.Errorf("%q: got Content-Type %q", query, got)
		}
		if got := resp.Header.Get("OCI-Filters-Applied"); got != filters {
			t.Errorf("%q: got filters %q, want %q", query, got, filters)
		}
	}
}

func TestWhatIsNotAbsence(t *testing.T) {
	digest := []string{"Docker-Content-Digest", string(image)}
	for name, c := range map[string]struct {
		ref  string
		resp *http.Response
	}{
		"nothing said":       {"v1", reply(200, digest...)},
		"present":            {"v1", reply(200, append(digest, "OCI-Referrers", "present")...)},
		"something else":     {"v1", reply(200, append(digest, "OCI-Referrers", "absent-ish")...)},
		"both":               {"v1", reply(200, append(digest, "OCI-Referrers", "absent", "OCI-Referrers", "present")...)},
		"no change":          {"v1", reply(304, append(digest, "OCI-Referrers", "absent")...)},
		"a part":             {string(image), reply(206, append(digest, "OCI-Referrers", "absent")...)},
		"no manifest":        {string(image), reply(404, append(digest, "OCI-Referrers", "absent")...)},
		"from a cache":       {"v1", reply(200, append(digest, "OCI-Referrers", "absent", "Age", "0")...)},
		"of no digest":       {"v1", reply(200, "OCI-Referrers", "absent")},
		"of nonsense":        {"v1", reply(200, "OCI-Referrers", "absent", "Docker-Content-Digest", "sha256:1")},
		"of another":         {string(image), reply(200, "OCI-Referrers", "absent", "Docker-Content-Digest", string(other))},
		"of another by tag":  {"v1", reply(200, "OCI-Referrers", "absent", "Docker-Content-Digest", string(other))},
		"somewhere, by ns":   {"v1?ns=docker.io", reply(200, append(digest, "OCI-Referrers", "absent")...)},
		"nothing, it failed": {"v1", nil},
	} {
		tr := &absent.Transport{Base: &desk{answer: func(r *http.Request) *http.Response {
			if strings.Contains(r.URL.Path, "/manifests/") {
				return c.resp
			}
			return reply(200)
		}}}
		do(t, tr, "GET", manifestAt(app, c.ref), "")
		if spares(t, tr) {
			t.Errorf("%s was taken as absence", name)
		}
	}
}

// What a registry says later counts, whoever says it.
func TestAbsenceIsTakenBack(t *testing.T) {
	for name, answer := range map[string]*http.Response{
		"present":       reply(200, "OCI-Referrers", "present", "Docker-Content-Digest", string(image)),
		"nothing":       reply(200, "Docker-Content-Digest", string(image)),
		"present, same": reply(304, "OCI-Referrers", "present"),
	} {
		d := &desk{answer: absence}
		tr := &absent.Transport{Base: d}
		do(t, tr, "GET", manifestAt(app, "v1"), "")
		d.answer = func(*http.Request) *http.Response { return answer }
		do(t, tr, "HEAD", manifestAt(app, string(image)), "")
		if spares(t, tr) {
			t.Errorf("%s did not take it back", name)
		}
	}
}

func TestTheMomentPasses(t *testing.T) {
	for _, c := range []struct {
		set, slow, after time.Duration
		spared           bool
	}{
		{0, 0, 1999 * time.Millisecond, true},
		{0, 0, 2 * time.Second, false},
		{time.Hour, 0, 2 * time.Second, false},
		{time.Second, 0, 999 * time.Millisecond, true},
		{time.Second, 0, time.Second, false},
		{-1, 0, 0, false},
		// What is told is as old as the request, not as the answer.
		{0, time.Second, 999 * time.Millisecond, true},
		{0, time.Second, time.Second, false},
		{0, 3 * time.Second, 0, false},
	} {
		synctest.Test(t, func(t *testing.T) {
			d := &desk{answer: func(r *http.Request) *http.Response { time.Sleep(c.slow); return absence(r) }}
			tr := &absent.Transport{Base: d, For: c.set}
			do(t, tr, "GET", manifestAt(app, "v1"), "")
			time.Sleep(c.after)
			if got := spares(t, tr); got != c.spared {
				t.Errorf("For %v, answered in %v, %v later: spared %v, want %v", c.set, c.slow, c.after, got, c.spared)
			}
		})
	}
}

func TestAbsenceCrossesNothing(t *testing.T) {
	for name, c := range map[string]struct {
		url   string
		pairs []string
	}{
		"another repository": {referrersOf("team/other", image), nil},
		"another digest":     {referrersOf(app, other), nil},
		"another host":       {"https://s.test/v2/" + app + "/referrers/" + string(image), nil},
		"another port":       {"https://r.test:8443/v2/" + app + "/referrers/" + string(image), nil},
		"another scheme":     {"http://r.test/v2/" + app + "/referrers/" + string(image), nil},
		"another identity":   {referrersOf(app, image), []string{"Authorization", "Bearer b"}},
		"nobody":             {referrersOf(app, image), []string{"Authorization", ""}},
		"another session":    {referrersOf(app, image), []string{"Authorization", "Bearer a", "Cookie", "s=1"}},
		"a later page":       {referrersOf(app, image) + "?next=abc", nil},
		"an odd query":       {referrersOf(app, image) + "?artifactType=%zz", nil},
		"an escaped path":    {host + "/v2/team%2Fapp/referrers/" + string(image), nil},
	} {
		d := &desk{answer: absence}
		tr := &absent.Transport{Base: d}
		do(t, tr, "GET", manifestAt(app, "v1"), "", "Authorization", "Bearer a")
		do(t, tr, "GET", c.url, "", append([]string{"Authorization", "Bearer a"}, c.pairs...)...)
		if tr.Spared() != 0 {
			t.Errorf("absence crossed to %s", name)
		}
		do(t, tr, "GET", referrersOf(app, image), "", "Authorization", "Bearer a")
		do(t, tr, "GET", "https://R.test:443/v2/"+app+"/referrers/"+string(image), "", "Authorization", "Bearer a")
		if tr.Spared() != 2 {
			t.Errorf("%s: absence was lost on the way", name)
		}
	}
}

// Whom a redirect sends elsewhere is told there, and for there.
func TestRedirectsAreNotFollowed(t *testing.T) {
	d := &desk{}
	d.answer = func(r *http.Request) *http.Response {
		if r.URL.Host == "r.test" {
			return reply(307, "Location", "https://s.test"+r.URL.Path)
		}
		return absence(r)
	}
	tr := &absent.Transport{Base: d}
	client := &http.Client{Transport: tr}
	for _, url := range []string{
		manifestAt(app, "v1"), referrersOf(app, image), "https://s.test/v2/" + app + "/referrers/" + string(image),
	} {
		resp, err := client.Get(url)
		if err != nil {
			t.Fatal(err)
		}
		_ = resp.Body.Close()
	}
	if tr.Spared() != 0 {
		t.Errorf("%d requests were spared on the word of another", tr.Spared())
	}
}

func TestReferenceGoesToItsRepositoryOnly(t *testing.T) {
	const reference = "r.test/team/app:v1"
	for url, want := range map[string]string{
		manifestAt(app, "v1"):                          reference,
		referrersOf(app, other):                        reference,
		host + "/v2/team/app/blobs/" + string(image):   reference,
		host + "/v2/team/app/blobs/uploads/1":          reference,
		manifestAt("team/app/more", "v1"):              "",
		"https://s.test/v2/team/app/manifests/v1":      "",
		"https://r.test:8443/v2/team/app/manifests/v1": "",
		host + "/v2/": "",
		host + "/token?scope=repository:" + app + ":pull": "",
	} {
		d := &desk{answer: func(*http.Request) *http.Response { return reply(200) }}
		tr := &absent.Transport{Base: d, Reference: reference}
		do(t, tr, "GET", url, "")
		do(t, tr, "GET", url, "", "OCI-Ref", "mine")
		if got := d.asked[0].Header.Get("OCI-Ref"); got != want {
			t.Errorf("%s: got OCI-Ref: %q, want %q", url, got, want)
		}
		if got := d.asked[1].Header.Get("OCI-Ref"); got != "mine" {
			t.Errorf("%s: got OCI-Ref: %q in place of the client's own", url, got)
		}
	}
}

// An http.RoundTripper must not change a request.
func TestRequestsStayAsTheyAre(t *testing.T) {
	tr := &absent.Transport{Base: &desk{answer: absence}, Reference: "r.test/team/app:v1"}
	req, err := http.NewRequestWithContext(t.Context(), "GET", manifestAt(app, "v1"), nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := tr.RoundTrip(req); err != nil || len(req.Header) != 0 {
		t.Errorf("got %v, and headers %v", err, req.Header)
	}
}

func TestWhoHasGoneIsNotAnswered(t *testing.T) {
	tr := &absent.Transport{Base: &desk{answer: absence}}
	do(t, tr, "GET", manifestAt(app, "v1"), "")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	req, err := http.NewRequestWithContext(ctx, "GET", referrersOf(app, image), bytes.NewReader(nil))
	if err != nil {
		t.Fatal(err)
	}
	if resp, err := tr.RoundTrip(req); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, %v, want that it was cancelled", resp, err)
	}
}

// What is held is bounded, and room comes back with time.
func TestMemoryIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tr := &absent.Transport{Base: &desk{answer: func(r *http.Request) *http.Response {
			return reply(200, "OCI-Referrers", "absent")
		}}}
		ask := func(i int) bool {
			d := oci.SHA256.Sum(fmt.Append(nil, i))
			n := tr.Spared()
			do(t, tr, "HEAD", manifestAt(app, string(d)), "")
			do(t, tr, "GET", referrersOf(app, d), "")
			return tr.Spared() == n+1
		}
		const most = 4096
		for i := range most {
			if !ask(i) {
				t.Fatalf("the memory was full after %d", i)
			}
		}
		if ask(most) {
			t.Error("the memory took more than it may hold")
		}
		time.Sleep(absent.Longest)
		if !ask(most) {
			t.Error("no room came back")
		}
	})
}

// Who wants the registry's own word gets it, and the others still do not need it.
func TestNothingIsToldToWhoWantsItAnew(t *testing.T) {
	d := &desk{answer: absence}
	tr := &absent.Transport{Base: d}
	do(t, tr, "GET", manifestAt(app, "v1"), "")
	for header, asked := range map[[2]string]int{
		{"Cache-Control", "max-age=0, No-Cache"}: 1, {"Pragma", "no-cache"}: 1, {"Cache-Control", "no-transform"}: 0,
	} {
		d.asked = nil
		if do(t, tr, "GET", referrersOf(app, image), "", header[0], header[1]); len(d.asked) != asked || !spares(t, tr) {
			t.Errorf("%s: the registry was asked %d times, want %d", header, len(d.asked), asked)
		}
	}
}
