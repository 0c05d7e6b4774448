package distribution_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/berthregistry/berth/shared/oci"
	"github.com/berthregistry/berth/shared/registry"
)

const (
	headerReferrers = "OCI-Referrers"
	headerTypes     = "OCI-Referrers-Artifact-Types"
)

// wantPresence holds GET, HEAD and 304 by tag and by digest to the same headers.
// Want is "" for no header.
func (s *server) wantPresence(repo, ref, want, types string, header ...string) {
	s.Helper()
	for what, a := range map[string]answer{
		"GET":      s.get(manifestURL(repo, ref), header...),
		"HEAD":     s.head(manifestURL(repo, ref), header...),
		"GET 304":  s.get(manifestURL(repo, ref), append(header, "If-None-Match", "*")...),
		"HEAD 304": s.head(manifestURL(repo, ref), append(header, "If-None-Match", "*")...),
	} {
		if strings.HasSuffix(what, "304") != (a.status == http.StatusNotModified) || a.status >= 400 {
			s.Errorf("%s %s: status %d", what, ref, a.status)
		}
		if got := strings.Join(a.header.Values(headerReferrers), "|"); got != want {
			s.Errorf("%s %.20s: %s %q, want %q", what, ref, headerReferrers, got, want)
		}
		if got := strings.Join(a.header.Values(headerTypes), "|"); got != types {
			s.Errorf("%s %.20s: %s %.100q, want %.100q", what, ref, headerTypes, got, types)
		}
	}
}

func TestPresence(t *testing.T) {
	s := serve(t, registry.Options{})
	subject := s.image("app", "1", "layer")
	digest := string(subject.Digest)
	s.wantPresence("app", "1", "absent", "")
	s.wantPresence("app", digest, "absent", "")

	b := s.attach("app", subject, "b/b", nil)
	s.wantPresence("app", "1", "present", "b/b")
	a := s.attach("app", subject, "a/a", nil)
	again := s.attach("app", subject, "a/a", map[string]string{"another": "one"})
	s.wantPresence("app", digest, "present", "a/a, b/b")

	ofReferrer := s.attach("app", a, "c/c", nil)
	s.wantPresence("app", string(a.Digest), "present", "c/c")
	s.wantPresence("app", string(ofReferrer.Digest), "absent", "")
	s.wantPresence("app", digest, "present", "a/a, b/b") // and no one else's

	for _, step := range []struct {
		gone  oci.Digest
		types string
	}{{a.Digest, "a/a, b/b"}, {b.Digest, "a/a"}} {
		s.want(s.delete(manifestURL("app", string(step.gone))), http.StatusAccepted, "")
		s.wantPresence("app", "1", "present", step.types)
	}
	s.want(s.delete(manifestURL("app", string(again.Digest))), http.StatusAccepted, "")
	s.wantPresence("app", "1", "absent", "")
	s.wantPresence("app", digest, "absent", "")
}

// Referrers may come before their subject, and outlive it.
func TestPresenceOfLateSubject(t *testing.T) {
	s := serve(t, registry.Options{})
	config, layer := s.blob("app", []byte("{}")), s.blob("app", []byte("layer"))
	body := imageOf(config, layer)
	subject := describe(oci.MediaTypeImage, body)
	digest := string(subject.Digest)
	signature := s.attach("app", subject, "application/signature", nil)
	s.want(s.get(manifestURL("app", digest)), http.StatusNotFound, "MANIFEST_UNKNOWN")
	s.want(s.delete(manifestURL("app", digest)), http.StatusNotFound, "MANIFEST_UNKNOWN")

	s.put("app", "1", oci.MediaTypeImage, body)
	s.wantPresence("app", "1", "present", "application/signature")
	s.want(s.delete(manifestURL("app", digest)), http.StatusAccepted, "")
	s.want(s.head(manifestURL("app", digest)), http.StatusNotFound, "")

	s.put("app", "1", oci.MediaTypeImage, body)
	s.wantPresence("app", digest, "present", "application/signature")
	s.want(s.delete(manifestURL("app", digest)), http.StatusAccepted, "")
	s.want(s.delete(manifestURL("app", string(signature.Digest))), http.StatusAccepted, "")
	s.put("app", "1", oci.MediaTypeImage, body)
	s.wantPresence("app", digest, "absent", "")
}

func TestPresenceModes(t *testing.T) {
	const request = "request"
	for _, c := range []struct {
		mode           registry.HeaderMode
		ask            string // OCI-Referrers of the request
		absent         string // of a manifest without referrers
		present, types string // of one with them
	}{
		{"", "", "absent", "present", "a/b"},
		{registry.HeaderAlways, "", "absent", "present", "a/b"},
		{registry.HeaderAlways, request, "absent", "present", "a/b"},
		{registry.HeaderAbsentOnly, "", "absent", "", ""},
		{registry.HeaderAbsentOnly, request, "absent", "", ""},
		{registry.HeaderOnRequest, "", "", "", ""},
		{registry.HeaderOnRequest, "absent", "", "", ""},
		{registry.HeaderOnRequest, request, "absent", "present", "a/b"},
		{registry.HeaderOnRequest, "Request", "absent", "present", "a/b"},
		{registry.HeaderOff, request, "", "", ""},
	} {
		t.Run(fmt.Sprintf("%s asked %q", c.mode, c.ask), func(t *testing.T) {
			s := ruled(t, registry.Rules{ReferrersHeader: c.mode})
			s.image("app", "without", "1")
			s.attach("app", s.image("app", "with", "2"), "a/b", nil)
			header := []string{"X-Nothing", ""}
			if c.ask != "" {
				header = []string{headerReferrers, c.ask}
			}
			s.wantPresence("app", "without", c.absent, "", header...)
			s.wantPresence("app", "with", c.present, c.types, header...)
			vary := s.get(manifestURL("app", "with"), header...).get("Vary")
			if want := c.mode == registry.HeaderOnRequest; (vary == "Oci-Referrers") != want {
				t.Errorf("Vary %q", vary)
			}
		})
	}
}

// An answer that says what referred to a manifest a moment ago must not be told
// again by a cache, nor what a tag named.
func TestManifestIsRevalidated(t *testing.T) {
	s := serve(t, registry.Options{})
	d := s.image("app", "1", "layer")
	for _, ref := range []string{"1", string(d.Digest)} {
		for _, a := range []answer{s.get(manifestURL("app", ref)), s.get(manifestURL("app", ref), "If-None-Match", "*")} {
			if got := a.get("Cache-Control"); got != "no-cache" {
				t.Errorf("GET %s = %d, Cache-Control %q, want no-cache", ref, a.status, got)
			}
		}
	}
}

// The types are a list in a header: what cannot be an item of one, or is too
// much, is left out altogether, and present still stands.
func TestPresenceTypes(t *testing.T) {
	s := serve(t, registry.Options{})
	long := func(c string) string { return "x/" + strings.Repeat(c, 250) }
	for name, c := range map[string]struct {
		types []string
		want  string
	}{
		"sorted":      {[]string{"b/b", "a/a", "b/b", "a/b"}, "a/a, a/b, b/b"},
		"parameters":  {[]string{"a/b;c=d"}, "a/b;c=d"},
		"comma":       {[]string{"a/a", "b,c/d"}, ""},
		"space":       {[]string{"a/a b"}, ""},
		"line breaks": {[]string{"a/a\r\nX-Evil: 1"}, ""},
		"nul":         {[]string{"a/\x00"}, ""},
		"not ASCII":   {[]string{"a/ü"}, ""},
		"2 KiB":       {[]string{long("a"), long("b"), long("c"), long("d"), long("e"), long("f"), long("g"), long("h")}, "fits"},
		"above 2 KiB": {[]string{long("a"), long("b"), long("c"), long("d"), long("e"), long("f"), long("g"), long("h"), long("i")}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			repo := strings.ReplaceAll(strings.ToLower(name), " ", "-")
			subject := s.image(repo, "1", name)
			for i, artifactType := range c.types {
				s.attach(repo, subject, artifactType, map[string]string{"n": fmt.Sprint(i)})
			}
			if c.want == "fits" {
				c.want = strings.Join(c.types, ", ")
			}
			s.wantPresence(repo, "1", "present", c.want)
			if s.get(manifestURL(repo, "1")).get("X-Evil") != "" {
				t.Error("a type put a header into the answer")
			}
			index, _ := s.referrers(referrersURL(repo, subject.Digest))
			if len(index.Manifests) != len(c.types) {
				t.Errorf("%d referrers are listed, want %d", len(index.Manifests), len(c.types))
			}
		})
	}
}
