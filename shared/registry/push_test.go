package registry_test

import (
	"errors"
	"testing"

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
