package distribution_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/opencontainers/image-spec/specs-go"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/berthregistry/berth/shared/oci"
	"github.com/berthregistry/berth/shared/registry"
)

// referrers reads one page of a list.
func (s *server) referrers(target string) (v1.Index, answer) {
	s.Helper()
	a := s.get(target)
	s.want(a, http.StatusOK, "")
	if got := a.get("Content-Type"); got != oci.MediaTypeIndex {
		s.Errorf("GET %.100s: Content-Type %q", target, got)
	}
	var index v1.Index
	if err := json.Unmarshal(a.body, &index); err != nil {
		s.Fatal(err)
	}
	if index.SchemaVersion != 2 || index.MediaType != oci.MediaTypeIndex || index.Manifests == nil {
		s.Errorf("GET %.100s = %.200s, want an index with manifests", target, a.body)
	}
	return index, a
}

func referrersURL(repo string, d oci.Digest) string { return "/v2/" + repo + "/referrers/" + string(d) }

// wantReferrers holds the whole list of a subject to what was attached.
func (s *server) wantReferrers(repo string, subject oci.Digest, query string, want ...v1.Descriptor) {
	s.Helper()
	index, _ := s.referrers(referrersURL(repo, subject) + query)
	got := map[oci.Digest]v1.Descriptor{}
	for _, d := range index.Manifests {
		got[d.Digest] = d
	}
	if len(got) != len(index.Manifests) {
		s.Errorf("a referrer is listed twice: %+v", index.Manifests)
	}
	wanted := map[oci.Digest]v1.Descriptor{}
	for _, d := range want {
		wanted[d.Digest] = d
	}
	if !reflect.DeepEqual(got, wanted) {
		s.Errorf("referrers%s of %.14s...\n got %+v\nwant %+v", query, subject, got, wanted)
	}
}

func TestReferrersOfNothing(t *testing.T) {
	s := serve(t, registry.Options{})
	s.image("known", "x", "x")
	for _, target := range []string{
		referrersURL("known", oci.Digest(digest256)), referrersURL("known", oci.Digest(digest512)),
		referrersURL("nobody/knows", oci.Digest(digest256)), referrersURL("known", oci.Digest(digest256)) + "?artifactType=a/b",
	} {
		index, a := s.referrers(target)
		if len(index.Manifests) != 0 || a.get("Link") != "" {
			t.Errorf("GET %s = %s, Link %q", target, a.body, a.get("Link"))
		}
	}
	s.want(s.get("/v2/known/referrers/sha256:short"), http.StatusBadRequest, "DIGEST_INVALID")
	s.want(s.get("/v2/known/referrers/latest"), http.StatusBadRequest, "DIGEST_INVALID")
}

func TestReferrersFilter(t *testing.T) {
	s := serve(t, registry.Options{})
	subject := s.image("app", "1", "layer")
	odd := "a type/with spaces, commas & \"quotes\" #%/ü"
	sbom := s.attach("app", subject, "application/sbom", map[string]string{"k": "<&>\u2028", "": "empty"})
	longer := s.attach("app", subject, "application/sbom+json", nil) // begins like the other
	strange := s.attach("app", subject, odd, nil)
	other := s.image("app", "2", "other layer")
	s.attach("app", other, "application/sbom", nil)
	s.attach("elsewhere", subject, "application/sbom", nil)

	s.wantReferrers("app", subject.Digest, "", sbom, longer, strange)
	s.wantReferrers("app", subject.Digest, "?artifactType=application/sbom", sbom)
	s.wantReferrers("app", subject.Digest, "?artifactType=application/sbom%2Bjson", longer)
	s.wantReferrers("app", subject.Digest, "?artifactType="+url.QueryEscape(odd), strange)
	s.wantReferrers("app", subject.Digest, "?artifactType=application")
	s.wantReferrers("app", subject.Digest, "?artifactType=application/sbom%23")
	s.wantReferrers("app", subject.Digest, "?artifactType=", sbom, longer, strange)

	for query, want := range map[string]string{"": "", "?artifactType=": "", "?artifactType=application/sbom": "artifactType", "?artifactType=none": "artifactType"} {
		if _, a := s.referrers(referrersURL("app", subject.Digest) + query); a.get("OCI-Filters-Applied") != want {
			t.Errorf("referrers%s: OCI-Filters-Applied %q, want %q", query, a.get("OCI-Filters-Applied"), want)
		}
	}
}

// What a list calls a referrer follows from its kind (spec, "Listing Referrers").
func TestReferrersDescriptors(t *testing.T) {
	s := serve(t, registry.Options{})
	subject := s.image("app", "1", "layer")
	config := s.blob("app", []byte("{}"))
	config.MediaType = "application/vnd.config"

	byConfig := s.put("app", "", oci.MediaTypeImage, referrerOf(config, subject, "", nil))
	byConfig.ArtifactType = config.MediaType
	index := v1.Index{Versioned: specs.Versioned{SchemaVersion: 2}, Manifests: []v1.Descriptor{}, Subject: &subject}
	plain := s.put("app", "", oci.MediaTypeIndex, encode(index))
	index.ArtifactType, index.Annotations = "application/list", map[string]string{"a": "b"}
	typed := s.put("app", "", oci.MediaTypeIndex, encode(index))
	typed.ArtifactType, typed.Annotations = index.ArtifactType, index.Annotations

	s.wantReferrers("app", subject.Digest, "", byConfig, plain, typed)
	s.wantReferrers("app", subject.Digest, "?artifactType=application/vnd.config", byConfig)
	s.wantReferrers("app", subject.Digest, "?artifactType=application/list", typed)
}

func TestReferrersOfAllKinds(t *testing.T) {
	s := serve(t, registry.Options{})
	image := s.image("app", "1", "layer")
	index := s.put("app", "all", oci.MediaTypeIndex, indexOf(image))
	signature := s.attach("app", image, "application/signature", nil)
	timestamp := s.attach("app", signature, "application/timestamp", nil)
	ofIndex := s.attach("app", index, "application/signature", nil)
	s.wantReferrers("app", image.Digest, "", signature)
	s.wantReferrers("app", signature.Digest, "", timestamp)
	s.wantReferrers("app", timestamp.Digest, "")
	s.wantReferrers("app", index.Digest, "", ofIndex)

	// Of a subject known by its sha512, by a referrer known by its own.
	strong := image
	strong.Digest = oci.SHA512.Sum(imageOf(describe("", []byte("{}")), describe("", nil)))
	body := referrerOf(s.blob("app", []byte("{}")), strong, "application/x", nil)
	d := oci.SHA512.Sum(body)
	a := s.tryPut("app", string(d), oci.MediaTypeImage, body)
	s.want(a, http.StatusCreated, "")
	if got := a.get("OCI-Subject"); got != string(strong.Digest) {
		t.Errorf("OCI-Subject %q, want %q", got, strong.Digest)
	}
	s.wantReferrers("app", strong.Digest, "", v1.Descriptor{
		MediaType: oci.MediaTypeImage, Digest: d, Size: int64(len(body)), ArtifactType: "application/x"})
}

// A referrer is a manifest like others: it leaves the list when it is deleted,
// and pushed twice it is listed once.
func TestReferrersComeAndGo(t *testing.T) {
	s := serve(t, registry.Options{})
	subject := s.image("app", "1", "layer")
	a := s.attach("app", subject, "a/a", nil)
	b := s.attach("app", subject, "b/b", nil)
	s.attach("app", subject, "b/b", nil)
	s.wantReferrers("app", subject.Digest, "", a, b)
	s.want(s.delete(manifestURL("app", string(a.Digest))), http.StatusAccepted, "")
	s.wantReferrers("app", subject.Digest, "", b)
	s.want(s.delete(manifestURL("app", string(subject.Digest))), http.StatusAccepted, "")
	s.wantReferrers("app", subject.Digest, "", b)
	s.want(s.delete(manifestURL("app", string(b.Digest))), http.StatusAccepted, "")
	s.wantReferrers("app", subject.Digest, "")
}

// Above 4 MiB a list has pages, and no sooner: there are clients that do not
// follow links. A filter comes before the pages and goes along.
func TestReferrersPages(t *testing.T) {
	s := serve(t, registry.Options{})
	subject := v1.Descriptor{MediaType: oci.MediaTypeImage, Digest: oci.Digest(digest256), Size: 7}
	target, only := referrersURL("app", subject.Digest), "?artifactType=application/big%2Bjson"
	attach := func(artifactType string, n int) oci.Digest {
		big := fmt.Sprint(n, strings.Repeat("x", 240<<10))
		return s.attach("app", subject, artifactType, map[string]string{"big": big}).Digest
	}
	all := map[oci.Digest]bool{attach("application/other", 0): true}
	for n := range 16 {
		all[attach("application/big+json", n)] = true
	}
	for _, fits := range []bool{true, false} { // with 17 of 240 KiB, and with 18
		_, a := s.referrers(target)
		if fits != (a.get("Link") == "") || len(a.body) > 4<<20 {
			t.Fatalf("with %d: %d bytes, Link %q", len(all), len(a.body), a.get("Link"))
		}
		all[attach("application/big+json", len(all))] = true
	}
	all[attach("application/big+json", len(all))] = true
	if got := s.walkReferrers(target, 2); !maps.Equal(got, all) {
		t.Errorf("the pages have %d of %d referrers", len(got), len(all))
	}
	if got := s.walkReferrers(target+only, 2); len(got) != len(all)-1 {
		t.Errorf("the pages have %d referrers of one type, want %d", len(got), len(all)-1)
	}
	if index, a := s.referrers(target + "?artifactType=application/other"); len(index.Manifests) != 1 || a.get("Link") != "" {
		t.Errorf("the other type has %d, Link %q", len(index.Manifests), a.get("Link"))
	}
}

// walkReferrers follows the links and returns whom it met, each once.
func (s *server) walkReferrers(target string, pages int) map[oci.Digest]bool {
	s.Helper()
	met, filtered := map[oci.Digest]bool{}, strings.Contains(target, "artifactType")
	for n := 0; target != ""; n++ {
		index, a := s.referrers(target)
		for _, d := range index.Manifests {
			if met[d.Digest] {
				s.Errorf("%s is on two pages", d.Digest)
			}
			met[d.Digest] = true
		}
		if target = s.next(a); (target == "") != (n == pages-1) {
			s.Fatalf("page %d of %d links to %q", n+1, pages, target)
		}
		if filtered != (a.get("OCI-Filters-Applied") != "") {
			s.Errorf("page %d: OCI-Filters-Applied %q", n+1, a.get("OCI-Filters-Applied"))
		}
	}
	return met
}

func TestReferrersCursor(t *testing.T) {
	s := serve(t, registry.Options{})
	subject := s.image("app", "1", "layer")
	s.attach("app", subject, "a/b", nil)
	for _, next := range []string{"%", "!", "a", "====", "../..", "%00", "_w", "__79", strings.Repeat("A", 4000), strings.Repeat("A", 100_000)} {
		a := s.get(referrersURL("app", subject.Digest) + "?next=" + url.QueryEscape(next))
		if a.status != http.StatusBadRequest || a.codes(t) != "UNSUPPORTED" {
			t.Errorf("?next=%.20s = %d %.100s, want 400 UNSUPPORTED", next, a.status, a.body)
		}
	}
}

// The descriptor of a referrer carries its annotations, so those have a limit
// although the manifest would fit.
func TestReferrersAnnotationsTooLarge(t *testing.T) {
	s := serve(t, registry.Options{})
	subject := s.image("app", "1", "layer")
	body := referrerOf(s.blob("app", []byte("{}")), subject, "a/b", map[string]string{"big": strings.Repeat("x", 300<<10)})
	s.want(s.tryPut("app", "", oci.MediaTypeImage, body), http.StatusNotFound, "MANIFEST_UNKNOWN") // no reference at all
	s.want(s.tryPut("app", "x", oci.MediaTypeImage, body), http.StatusRequestEntityTooLarge, "SIZE_INVALID")
	s.wantReferrers("app", subject.Digest, "")
	if slices.Contains(firsts(s.names("/v2/app/tags/list")), "x") {
		t.Error("a manifest that was refused has a tag")
	}
}

func firsts(names []string, _ string) []string { return names }
