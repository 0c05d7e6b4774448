package main

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/berthregistry/berth/shared/oci"
	"github.com/berthregistry/berth/shared/registry"
)

// pushSigned pushes an index of two images, with an SBOM each, and a signature of
// all but the images. Of these eight manifests three have no referrers.
func pushSigned(t *testing.T, url, repo, tag string) {
	t.Helper()
	attach := func(artifactType string, subject oci.Descriptor, size int) oci.Descriptor {
		return pushManifest(t, url, repo, "", v1.MediaTypeImageManifest, artifact(t, url, repo, artifactType, subject, size))
	}
	index, amd64 := pushIndexOf(t, url, repo, tag)
	var listed v1.Index
	if err := json.Unmarshal(manifestAt(t, url, repo, tag), &listed); err != nil {
		t.Fatal(err)
	}
	attach("application/vnd.cncf.notary.signature", index, 10)
	for i, d := range listed.Manifests {
		d = oci.Descriptor{MediaType: d.MediaType, Digest: d.Digest, Size: d.Size}
		sbom := attach("application/spdx+json", d, 20+i)
		attach("application/vnd.cncf.notary.signature", sbom, 30+i)
	}
	if amd64.Digest != listed.Manifests[0].Digest {
		t.Fatal("this is another index")
	}
}

// What the registry says to be absent is not asked for, and the last line says
// how much that was.
func TestCopyDoesNotAskForWhatIsAbsent(t *testing.T) {
	alone(t)
	for mode, c := range map[registry.HeaderMode]struct {
		asked int
		says  string
	}{
		registry.HeaderAlways:    {5, "; 3 requests for referrers were not needed"},
		registry.HeaderOnRequest: {5, "; 3 requests for referrers were not needed"},
		registry.HeaderOff:       {8, "mounted: 0)\n"},
	} {
		from, to := open(t, registry.Rules{ReferrersHeader: mode}), open(t, registry.Rules{ReferrersHeader: mode})
		pushSigned(t, from.URL, "app", "1")
		from.since()
		berth(t, "", "copy", "--referrers", from.host()+"/app:1", to.host()+"/app").wants(t, 0, c.says)
		asked := 0
		for _, request := range from.since() {
			if strings.Contains(request, "/referrers/") {
				asked++
			}
		}
		if asked != c.asked {
			t.Errorf("header %s: referrers were asked for %d times, want %d", mode, asked, c.asked)
		}
		hasAll(t, to.URL, "app", "1")
	}
}

// Programs are told as well, and a dry run spares as much.
func TestCopySaysWhatItSpared(t *testing.T) {
	alone(t)
	r := open(t, registry.Rules{ReferrersHeader: registry.HeaderAlways})
	pushSigned(t, r.URL, "app", "1")
	got := berth(t, "", "copy", "--json", "--referrers", "--dry-run", r.host()+"/app:1", r.host()+"/other").wants(t, 0)
	var last struct{ Spared int }
	lines := strings.Split(strings.TrimSpace(got.out), "\n")
	if err := json.Unmarshal([]byte(lines[len(lines)-1]), &last); err != nil || last.Spared != 3 {
		t.Errorf("got %d, %v, want 3 spared in %s", last.Spared, err, got.out)
	}
}

// The drawing is for programs, and what was spared is said beside it.
func TestTreeSaysWhatItSpared(t *testing.T) {
	alone(t)
	r := open(t, registry.Rules{ReferrersHeader: registry.HeaderOnRequest})
	pushSigned(t, r.URL, "app", "1")
	for _, format := range []string{"tree", "json", "dot"} {
		r.since()
		got := berth(t, "", "tree", "--format", format, r.host()+"/app:1").wants(t, 0)
		if want := "3 requests for referrers were not needed\n"; got.err != want || strings.Contains(got.out, want) {
			t.Errorf("%s: got %q on standard error, want %q there alone", format, got.err, want)
		}
		if asked := slices.DeleteFunc(r.since(), func(s string) bool { return !strings.Contains(s, "/referrers/") }); len(asked) != 5 {
			t.Errorf("%s: got %d requests for referrers, want 5", format, len(asked))
		}
	}
}
