package registry_test

import (
	"errors"
	"testing"

	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/berthregistry/berth/shared/oci"
	"github.com/berthregistry/berth/shared/registry"
)

// TestOneTypePerManifest: bytes that do not say what they are become what the
// first push said, and no push is answered as if they were anything else.
func TestOneTypePerManifest(t *testing.T) {
	tm := newTeam(t, registry.Options{})
	body := marshal(map[string]any{"schemaVersion": 2, "config": tm.blob(100), "layers": []any{}})
	push := func(mediaType string) error {
		_, err := tm.reg.PutManifest(t.Context(), registry.ManifestPush{
			Repo: tm.repo, Ref: oci.Reference{Tag: "1"}, ContentType: mediaType, Body: body,
		})
		return err
	}
	for range 2 {
		if err := push(oci.MediaTypeImage); err != nil {
			t.Fatal(err)
		}
	}
	if err := push(oci.MediaTypeDockerImage); !errors.Is(err, oci.ErrManifestInvalid) {
		t.Errorf("the same bytes as another type: %v, want MANIFEST_INVALID", err)
	}
}

// TestOneChildForTwoPlatforms: whichever of its platforms is listed first, it
// must be here if one of them must.
func TestOneChildForTwoPlatforms(t *testing.T) {
	rules := registry.Rules{Indexes: registry.IndexRule{AllowMissing: true, Platforms: []string{"linux/arm64"}}}
	tm := newTeam(t, registry.Options{Rules: func(string) registry.Rules { return rules }})
	entry := func(arch string) oci.Descriptor {
		d := describe(oci.MediaTypeImage, []byte("nowhere"))
		d.Platform = &v1.Platform{OS: "linux", Architecture: arch}
		return d
	}
	for _, c := range []struct {
		archs  []string
		refuse bool
	}{{[]string{"amd64"}, false}, {[]string{"amd64", "arm64"}, true}, {[]string{"arm64", "amd64"}, true}} {
		var children []oci.Descriptor
		for _, a := range c.archs {
			children = append(children, entry(a))
		}
		if _, err := tm.put("", index(children, nil)); errors.Is(err, oci.ErrManifestBlobUnknown) != c.refuse {
			t.Errorf("an index for %v: %v, want it refused %v", c.archs, err, c.refuse)
		}
	}
}
