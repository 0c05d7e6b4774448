package layout

import (
	"bytes"
	"testing"

	"github.com/berthregistry/berth/shared/oci"
)

// FuzzAdd adds an image to an index.json: its tag stands for it, once, and
// nothing else is lost.
func FuzzAdd(f *testing.F) {
	added := oci.Descriptor{MediaType: oci.MediaTypeImage, Digest: oci.SHA256.Sum([]byte("added")), Size: 5}
	other := `{"mediaType":"x","digest":"` + string(oci.SHA256.Sum(nil)) + `","size":9223372036854775807,"y":[1,2]`
	f.Add([]byte(`{"schemaVersion":2,"x":{"y":null},"manifests":[` + other + `,"annotations":{"org.opencontainers.image.ref.name":"t"}},` + other + `}]}`))
	f.Add([]byte(`{"manifests":[{"mediaType":"` + added.MediaType + `","digest":"` + string(added.Digest) + `","size":5}]}`))
	f.Fuzz(func(t *testing.T, raw []byte) {
		x, err := parseIndex(raw)
		if err != nil {
			return
		}
		before := map[oci.Digest]bool{added.Digest: true}
		for _, e := range x.entries {
			before[e.descriptor.Digest] = true
		}
		for range 2 {
			if err := x.set(root{descriptor: added, tag: "t", name: "team/app:t"}); err != nil {
				t.Fatal(err)
			}
		}
		once, err := x.bytes()
		if err != nil {
			t.Fatal(err)
		}
		y, err := parseIndex(once)
		if err != nil {
			t.Fatalf("%s: %v", once, err)
		}
		if twice, err := y.bytes(); err != nil || !bytes.Equal(once, twice) {
			t.Errorf("got %s, error %v, want %s", twice, err, once)
		}
		wantAdded(t, y, added.Digest, before)
	})
}

func wantAdded(t *testing.T, x *index, added oci.Digest, all map[oci.Digest]bool) {
	t.Helper()
	tags := 0
	for _, e := range x.entries {
		delete(all, e.descriptor.Digest)
		if names := e.names(); len(names) > 0 && names[0] == "t" {
			tags++
			if e.descriptor.Digest != added {
				t.Errorf("the tag stands for %s", e.descriptor.Digest)
			}
		}
	}
	if tags != 1 || len(all) > 0 {
		t.Errorf("the tag is there %d times, and these are lost: %v", tags, all)
	}
}
