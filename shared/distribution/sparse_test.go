package distribution_test

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/berthregistry/berth/shared/oci"
	"github.com/berthregistry/berth/shared/registry"
)

// on puts a platform into a descriptor; "" is none.
func on(platform string, d v1.Descriptor) v1.Descriptor {
	if platform == "" {
		return d
	}
	parts := append(strings.Split(platform, "/"), "")
	d.Platform = &v1.Platform{OS: parts[0], Architecture: parts[1], Variant: parts[2]}
	return d
}

// elsewhere describes a manifest that was never pushed.
func elsewhere(name string) v1.Descriptor {
	return describe(oci.MediaTypeImage, []byte("not here: "+name))
}

func TestSparseIndexes(t *testing.T) {
	amd64 := registry.IndexRule{AllowMissing: true, Platforms: []string{"linux/amd64"}}
	loose := registry.IndexRule{AllowMissing: true, Platforms: []string{"linux/amd64", "linux/arm/v7"}, AllowUnnamed: true}
	for name, c := range map[string]struct {
		rule    registry.IndexRule
		missing []string // platforms of entries that are not here
		refused []string // those that are named in the refusal
	}{
		"all":                        {registry.IndexRule{}, []string{"linux/amd64", "linux/arm64", ""}, []string{"linux/amd64", "linux/arm64", ""}},
		"all and all is here":        {registry.IndexRule{}, nil, nil},
		"none":                       {registry.IndexRule{AllowMissing: true}, []string{"linux/amd64", "linux/arm64", ""}, nil},
		"amd64 is here":              {amd64, []string{"linux/arm64", "windows/amd64"}, nil},
		"amd64 is not":               {amd64, []string{"linux/amd64", "linux/arm64"}, []string{"linux/amd64"}},
		"a variant is the platform":  {amd64, []string{"linux/amd64/v3"}, []string{"linux/amd64/v3"}},
		"a name that begins alike":   {amd64, []string{"linux/amd64p32"}, nil},
		"unnamed must be here":       {amd64, []string{"", "linux/arm64"}, []string{""}},
		"unnamed need not":           {loose, []string{"", "linux/arm64"}, nil},
		"variant that is asked for":  {loose, []string{"linux/arm/v7", "linux/arm/v6"}, []string{"linux/arm/v7"}},
		"platform without a variant": {loose, []string{"linux/arm"}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			s := ruled(t, registry.Rules{Indexes: c.rule})
			entries := []v1.Descriptor{on("linux/s390x", s.image("app", "here", "layer"))}
			for _, platform := range c.missing {
				entries = append(entries, on(platform, elsewhere(platform)))
			}
			a := s.tryPut("app", "all", oci.MediaTypeIndex, indexOf(entries...))
			if len(c.refused) == 0 {
				s.want(a, http.StatusCreated, "")
				return
			}
			s.want(a, http.StatusBadRequest, strings.TrimSpace(strings.Repeat("MANIFEST_BLOB_UNKNOWN ", len(c.refused))))
			for i, e := range a.errors(t) {
				var detail struct{ Digest, Platform string }
				if err := json.Unmarshal(e.Detail, &detail); err != nil {
					t.Fatal(err)
				}
				if want := string(elsewhere(c.refused[i]).Digest); detail.Digest != want || detail.Platform != c.refused[i] {
					t.Errorf("error %d: %s %s, want %s and %q", i, e.Message, e.Detail, want, c.refused[i])
				}
			}
			s.want(s.get(manifestURL("app", "all")), http.StatusNotFound, "MANIFEST_UNKNOWN")
		})
	}
}

// Whoever pulls a platform that was left out is told which index lists it.
func TestSparsePull(t *testing.T) {
	s := ruled(t, registry.Rules{Indexes: registry.IndexRule{AllowMissing: true}})
	arm, attestation := elsewhere("arm"), elsewhere("attestation")
	index := s.put("app", "all", oci.MediaTypeIndex, indexOf(on("linux/arm/v7", arm), attestation))
	for _, c := range []struct {
		digest   oci.Digest
		platform string
	}{{arm.Digest, "linux/arm/v7"}, {attestation.Digest, ""}} {
		a := s.get(manifestURL("app", string(c.digest)))
		s.want(a, http.StatusNotFound, "MANIFEST_UNKNOWN")
		var detail struct{ Digest, Index, Platform string }
		e := a.errors(t)[0]
		if err := json.Unmarshal(e.Detail, &detail); err != nil {
			t.Fatal(err)
		}
		if detail.Digest != string(c.digest) || detail.Index != string(index.Digest) || detail.Platform != c.platform {
			t.Errorf("detail %s", e.Detail)
		}
		if !strings.Contains(e.Message, string(index.Digest)) || !strings.Contains(e.Message, c.platform) {
			t.Errorf("message %q", e.Message)
		}
		s.want(s.head(manifestURL("app", string(c.digest))), http.StatusNotFound, "")
	}
	// It is another repository's business, and over when the index goes.
	for _, repo := range []string{"other", "app"} {
		a := s.get(manifestURL(repo, string(arm.Digest)))
		s.want(a, http.StatusNotFound, "MANIFEST_UNKNOWN")
		if told := strings.Contains(string(a.body), string(index.Digest)); told != (repo == "app") {
			t.Errorf("%s: %s", repo, a.body)
		}
	}
	s.want(s.delete(manifestURL("app", string(index.Digest))), http.StatusAccepted, "")
	if a := s.get(manifestURL("app", string(arm.Digest))); strings.Contains(string(a.body), string(index.Digest)) {
		t.Errorf("a deleted index is said to list it: %s", a.body)
	}
}

// An index becomes sparse by a deletion, and whole by a push.
func TestSparseByDeletion(t *testing.T) {
	s := serve(t, registry.Options{})
	image := s.image("app", "1", "layer")
	s.put("app", "all", oci.MediaTypeIndex, indexOf(on("linux/amd64", image)))
	s.want(s.delete(manifestURL("app", string(image.Digest))), http.StatusAccepted, "")
	s.want(s.get(manifestURL("app", "all")), http.StatusOK, "")
	if a := s.get(manifestURL("app", string(image.Digest))); !strings.Contains(string(a.body), "linux/amd64") {
		t.Errorf("got %s", a.body)
	}
	s.image("app", "1", "layer")
	s.want(s.get(manifestURL("app", string(image.Digest))), http.StatusOK, "")
}

func TestSparseImages(t *testing.T) {
	body := imageOf(describe("a/config", []byte("no config")), describe("a/layer", []byte("no layer")))
	s := ruled(t, registry.Rules{SparseImages: true})
	d := s.put("app", "1", oci.MediaTypeImage, body)
	s.wantManifest("app", "1", oci.MediaTypeImage, d.Digest, body)
	s = ruled(t, registry.Rules{Indexes: registry.IndexRule{AllowMissing: true}})
	s.want(s.tryPut("app", "1", oci.MediaTypeImage, body), http.StatusBadRequest, "MANIFEST_BLOB_UNKNOWN MANIFEST_BLOB_UNKNOWN")
}

// Indexes list more than images: indexes, nothing, and whatever BuildKit's
// cache puts there, which are blobs.
func TestIndexesOfAllKinds(t *testing.T) {
	s := serve(t, registry.Options{})
	image := s.image("app", "1", "layer")
	inner := s.put("app", "", oci.MediaTypeIndex, indexOf(image))
	empty := s.put("app", "empty", oci.MediaTypeIndex, indexOf())
	cache := s.blob("app", []byte("cache layer"))
	s.put("app", "all", oci.MediaTypeIndex, indexOf(inner, empty, image, cache))

	// A blob is no manifest, whatever a descriptor calls it.
	cache.MediaType = oci.MediaTypeImage
	s.want(s.tryPut("app", "x", oci.MediaTypeIndex, indexOf(cache)), http.StatusBadRequest, "MANIFEST_BLOB_UNKNOWN")
}
