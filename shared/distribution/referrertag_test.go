package distribution_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/berthregistry/berth/shared/distribution"
	"github.com/berthregistry/berth/shared/oci"
	"github.com/berthregistry/berth/shared/registry"
)

// wantUnchanged holds an answer to what a 304 must and must not have (RFC 9110,
// section 15.4.5).
func (s *server) wantUnchanged(a answer, tag string) {
	s.Helper()
	s.want(a, http.StatusNotModified, "")
	if a.get("Etag") != tag || a.get("Cache-Control") != "no-cache" {
		s.Errorf("304 with ETag %q and Cache-Control %q, want %q and no-cache", a.get("Etag"), a.get("Cache-Control"), tag)
	}
	for _, name := range []string{"Content-Type", "Oci-Filters-Applied", "Link", "Vary", "Content-Length"} {
		if got := a.get(name); got != "" {
			s.Errorf("304 with %s %q", name, got)
		}
	}
	if len(a.body) > 0 {
		s.Errorf("304 with a body: %.100q", a.body)
	}
}

func TestReferrersIfNoneMatch(t *testing.T) {
	s := serve(t, registry.Options{})
	subject := s.image("app", "1", "layer")
	sbom := s.attach("app", subject, "application/sbom", nil)
	target := referrersURL("app", subject.Digest)
	for _, query := range []string{"", "?artifactType=application/sbom", "?artifactType=application/none", "?artifactType=&next="} {
		_, first := s.referrers(target + query)
		tag := first.get("Etag")
		if !strings.HasPrefix(tag, `W/"`) || first.get("Cache-Control") != "no-cache" || first.get("Vary") != "" {
			t.Errorf("referrers%s: %v, want a weak tag, no-cache and no Vary", query, first.header)
		}
		if head := s.head(target + query); head.status != http.StatusOK || head.get("Etag") != tag {
			t.Errorf("HEAD referrers%s = %d with ETag %q, want %q", query, head.status, head.get("Etag"), tag)
		}
		strong := strings.TrimPrefix(tag, "W/")
		for _, known := range []string{tag, strong, `"x", ` + tag + `, "y"`, "*"} {
			s.wantUnchanged(s.get(target+query, "If-None-Match", known), tag)
			s.wantUnchanged(s.head(target+query, "If-None-Match", known), tag)
		}
		for _, known := range []string{`"x"`, "", strong[:len(strong)-1], `W/"0-1"`} {
			a := s.get(target+query, "If-None-Match", known)
			if a.status != http.StatusOK || string(a.body) != string(first.body) || a.get("Etag") != tag ||
				a.get("Oci-Filters-Applied") != first.get("Oci-Filters-Applied") {
				t.Errorf("referrers%s, known %q: %d with ETag %q", query, known, a.status, a.get("Etag"))
			}
		}
	}
	_, was := s.referrers(target)
	s.attach("app", subject, "application/signature", nil)
	s.want(s.get(target, "If-None-Match", was.get("Etag")), http.StatusOK, "")
	s.want(s.delete(manifestURL("app", string(sbom.Digest))), http.StatusAccepted, "")
	s.want(s.get(target, "If-None-Match", was.get("Etag")), http.StatusOK, "")
	s.want(s.get("/v2/app/referrers/latest", "If-None-Match", "*"), http.StatusBadRequest, "DIGEST_INVALID")
}

// Where a gateway takes HEAD for GET, a list that is known has no body either.
func TestReferrersIfNoneMatchHeadless(t *testing.T) {
	s := serveObserved(t, registry.Options{}, distribution.Options{Door: distribution.Door{Headless: true}})
	subject := s.image("app", "1", "layer")
	target := referrersURL("app", subject.Digest)
	tag := s.get(target).get("Etag")
	s.wantUnchanged(s.head(target, "If-None-Match", tag), tag)
}

// A page of a longer list has no tag, and is sent whatever the client knows.
func TestReferrersPagesHaveNoTag(t *testing.T) {
	s := serve(t, registry.Options{})
	subject := s.image("app", "1", "layer")
	for n := range 18 {
		s.attach("app", subject, "a/b", map[string]string{"big": fmt.Sprint(n, strings.Repeat("x", 240<<10))})
	}
	for target, pages := referrersURL("app", subject.Digest), 0; target != ""; pages++ {
		a := s.get(target, "If-None-Match", `"18-0"`)
		s.want(a, http.StatusOK, "")
		if a.get("Etag") != "" {
			t.Errorf("page %d has the tag %q", pages, a.get("Etag"))
		}
		target = s.next(a)
	}
}

// The tag of a list says nothing to who does not see it: with whatever tag they
// ask, the answer is that about a subject that nothing refers to.
func TestReferrersTagOfWhatIsHidden(t *testing.T) {
	s := guard(t, distribution.Options{})
	root, reader := s.as("root"), s.as("production")
	const repo = "closed/app"
	hidden := root.image(repo, "secret", "secret")
	root.attach(repo, hidden, "application/signature", nil)
	shown := root.image(repo, "release-1", "shown")
	root.attach(repo, shown, "application/signature", nil)

	ofShown, ofHidden, ofNothing := referrersURL(repo, shown.Digest), referrersURL(repo, hidden.Digest), referrersURL(repo, oci.Digest(digest256))
	if got, want := reader.get(ofShown).get("Etag"), root.get(ofShown).get("Etag"); got != want || got == "" {
		t.Errorf("of what is seen: tag %q, want %q", got, want)
	}
	empty, secret := reader.get(ofNothing).get("Etag"), root.get(ofHidden).get("Etag")
	for _, known := range []string{empty, secret, `"x"`, "*"} {
		got, want := reader.get(ofHidden, "If-None-Match", known), reader.get(ofNothing, "If-None-Match", known)
		if got.status != want.status || got.get("Etag") != empty || want.get("Etag") != empty || string(got.body) != string(want.body) {
			t.Errorf("known %s: %d with tag %q, of nothing %d with %q", known, got.status, got.get("Etag"), want.status, want.get("Etag"))
		}
	}
	s.want(s.as("courier").get(ofHidden, "If-None-Match", secret), http.StatusForbidden, "DENIED")
}
