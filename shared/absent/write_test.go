package absent_test

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/berthregistry/berth/shared/absent"
)

// subjectOf is a manifest that refers to another.
func subjectOf(d string) string { return fmt.Sprintf(`{"subject":{"digest":%q}}`, d) }

func TestWritesForget(t *testing.T) {
	const plain = `{"schemaVersion":2,"config":{"digest":"sha256:1"},"layers":[]}`
	for name, c := range map[string]struct {
		method, url, body string
		forgets           bool
	}{
		"a referrer":                {"PUT", manifestAt(app, "v2"), subjectOf(string(image)), true},
		"a referrer of another":     {"PUT", manifestAt(app, "v2"), subjectOf(string(other)), true},
		"a referrer, by its digest": {"PUT", manifestAt(app, string(other)), subjectOf(string(image)), true},
		"a referrer, odd letters":   {"PUT", manifestAt(app, "v2"), `{"Subject":{}}`, true},
		"a referrer, odder letters": {"PUT", manifestAt(app, "v2"), `{"ſubject":{}}`, true},
		"a referrer, escaped":       {"PUT", manifestAt(app, "v2"), `{"\u0073ubject":{}}`, true},
		"no JSON":                   {"PUT", manifestAt(app, "v2"), `{`, true},
		"no body":                   {"PUT", manifestAt(app, "v2"), "", true},
		"a long manifest":           {"PUT", manifestAt(app, "v2"), `"` + strings.Repeat("a", 4<<20) + `"`, true},
		"an image":                  {"PUT", manifestAt(app, "v2"), plain, false},
		"a list by tag":             {"PUT", manifestAt(app, strings.Replace(string(image), ":", "-", 1)), plain, true},
		"a list, by its digest":     {"PUT", manifestAt(app, string(other)) + "?tag=v2&tag=" + strings.Replace(string(image), ":", "-", 1), plain, true},
		"a list, escaped":           {"PUT", manifestAt(app, string(other)) + "?tag=%73ha256-" + image.Encoded(), plain, true},
		"an image by its digest":    {"PUT", manifestAt(app, string(other)), plain, false},
		"by two slashes":            {"PUT", host + "//v2/" + app + "/manifests/v2", subjectOf(string(image)), true},
		"by another path":           {"DELETE", host + "/api/docker/v2/" + app + "/manifests/v2", "", true},
		"a delete":                  {"DELETE", manifestAt(app, string(other)), "", true},
		"a delete by tag":           {"DELETE", manifestAt(app, "v2"), "", true},
		"a delete of a blob":        {"DELETE", host + "/v2/" + app + "/blobs/" + string(other), "", true},
		"what is not known":         {"POST", host + "/v2/" + app + "/_ext/v1/import", "{}", true},
		"what is less known":        {"POST", host + "/v2/import?all=1", "{}", true},
		"an escaped path":           {"PUT", host + "/v2/team%2Fapp/manifests/v2", subjectOf(string(image)), true},
		"by http":                   {"PUT", "http://r.test/v2/" + app + "/manifests/v2", subjectOf(string(image)), true},
		"by a port that is usual":   {"PUT", "https://R.test:443/v2/" + app + "/manifests/v2", subjectOf(string(image)), true},
		"an upload":                 {"POST", host + "/v2/" + app + "/blobs/uploads/", "", false},
		"a part of a layer":         {"PATCH", host + "/v2/" + app + "/blobs/uploads/1", "subject", false},
		"a layer":                   {"PUT", host + "/v2/" + app + "/blobs/uploads/1?digest=" + string(other), "subject", false},
		"the end of an upload":      {"DELETE", host + "/v2/" + app + "/blobs/uploads/1", "", false},
		"a token":                   {"POST", host + "/token", "subject", false},
		"another repository":        {"PUT", manifestAt("team/other", "v2"), subjectOf(string(image)), false},
		"another host":              {"PUT", "https://s.test/v2/" + app + "/manifests/v2", subjectOf(string(image)), false},
	} {
		for _, fails := range []bool{false, true} {
			d := &desk{answer: absence}
			tr := &absent.Transport{Base: d}
			do(t, tr, "GET", manifestAt(app, "v1"), "")
			if fails { // which does not say that it has not happened
				d.answer = func(*http.Request) *http.Response { return nil }
			}
			do(t, tr, c.method, c.url, c.body)
			if d.answer = absence; spares(t, tr) == c.forgets {
				t.Errorf("%s, failed %v: forgotten %v, want %v", name, fails, !c.forgets, c.forgets)
			}
		}
	}
}

// What cannot be read again, or says to be packed, may be anything.
func TestABodyThatIsNotSeen(t *testing.T) {
	for name, change := range map[string]func(*http.Request){
		"a stream":      func(r *http.Request) { r.GetBody = nil },
		"packed":        func(r *http.Request) { r.Header.Set("Content-Encoding", "gzip") },
		"broken":        func(r *http.Request) { r.GetBody = func() (io.ReadCloser, error) { return nil, io.ErrUnexpectedEOF } },
		"sent as it is": func(r *http.Request) { r.URL.Path, r.URL.Opaque = "/", "//r.test"+r.URL.Path },
		"sent otherwise": func(r *http.Request) {
			r.URL.Path, r.URL.Opaque = "/v2/team/other/manifests/v2", "//r.test"+r.URL.Path
		},
		"its Host": func(r *http.Request) { r.Host = "else.test" },
	} {
		tr := &absent.Transport{Base: &desk{answer: absence}}
		do(t, tr, "GET", manifestAt(app, "v1"), "")
		req, err := http.NewRequestWithContext(t.Context(), "PUT", manifestAt(app, "v2"), strings.NewReader(`{}`))
		if err != nil {
			t.Fatal(err)
		}
		change(req)
		if _, err := tr.RoundTrip(req); err != nil {
			t.Fatal(err)
		}
		if spares(t, tr) {
			t.Errorf("%s: what was pushed is not known, and absence was kept", name)
		}
	}
}

// A registry may find a subject where the client has seen none.
func TestTheRegistrySaysThatThereIsASubject(t *testing.T) {
	d := &desk{answer: absence}
	tr := &absent.Transport{Base: d}
	do(t, tr, "GET", manifestAt(app, "v1"), "")
	d.answer = func(*http.Request) *http.Response { return reply(201, "OCI-Subject", string(image)) }
	do(t, tr, "PUT", manifestAt(app, "v2"), `{}`)
	if spares(t, tr) {
		t.Error("OCI-Subject did not count")
	}
}

// A push that is sent on was a push to where it was sent at first.
func TestARedirectedPush(t *testing.T) {
	d := &desk{}
	tr := &absent.Transport{Base: d}
	d.answer = func(r *http.Request) *http.Response {
		switch {
		case r.Method == "PUT" && r.URL.Host == "r.test":
			return reply(307, "Location", "https://s.test/elsewhere")
		case r.Method == "PUT": // while it is under way, somebody looks
			do(t, tr, "GET", manifestAt(app, "v1"), "")
			return reply(201)
		}
		return absence(r)
	}
	req, err := http.NewRequestWithContext(t.Context(), "PUT", manifestAt(app, "v2"), strings.NewReader(subjectOf(string(image))))
	if err != nil {
		t.Fatal(err)
	}
	resp, err := (&http.Client{Transport: tr}).Do(req)
	if err != nil {
		t.Fatal(err)
	}
	if _ = resp.Body.Close(); resp.StatusCode != http.StatusCreated || spares(t, tr) {
		t.Errorf("got %d, and what was pushed elsewhere left absence where it was pushed", resp.StatusCode)
	}
}
