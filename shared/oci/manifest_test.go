package oci_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/berthregistry/berth/shared/oci"
)

const (
	digestA = "sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
	digestB = "sha256:bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"
	digestC = "sha256:cccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccc"
)

func descriptor(mediaType, digest string, more string) string {
	return fmt.Sprintf(`{"mediaType":%q,"digest":%q,"size":7%s}`, mediaType, digest, more)
}

func image(more string) string {
	return `{"schemaVersion":2,"config":` + descriptor("application/vnd.test.config", digestA, "") +
		`,"layers":[` + descriptor("application/vnd.test.layer", digestB, "") + `]` + more + `}`
}

func TestParseImage(t *testing.T) {
	m, err := oci.ParseManifest(oci.MediaTypeImage+"; charset=utf-8", []byte(image(`,"annotations":{"a":"b"},"unknown":[1]`)))
	if err != nil {
		t.Fatal(err)
	}
	if m.MediaType != oci.MediaTypeImage || m.ArtifactType != "application/vnd.test.config" || m.Annotations["a"] != "b" {
		t.Errorf("got %+v", m)
	}
	if len(m.Children) != 2 || m.Children[0].Digest != digestA || m.Children[1].Kind != oci.ChildBlob || m.Subject != nil {
		t.Errorf("got children %+v", m.Children)
	}
}

func TestParseArtifactType(t *testing.T) {
	for _, c := range []struct{ mediaType, body, want string }{
		{oci.MediaTypeImage, image(`,"artifactType":"application/x"`), "application/x"},
		{oci.MediaTypeImage, image(`,"artifactType":""`), "application/vnd.test.config"},
		{oci.MediaTypeIndex, `{"schemaVersion":2,"manifests":[],"artifactType":"application/y"}`, "application/y"},
		{oci.MediaTypeIndex, `{"schemaVersion":2,"manifests":[]}`, ""},
	} {
		m, err := oci.ParseManifest(c.mediaType, []byte(c.body))
		if err != nil || m.ArtifactType != c.want {
			t.Errorf("artifact type of %s = %q, %v, want %q", c.body, m.ArtifactType, err, c.want)
		}
	}
}

func TestParseIndexKinds(t *testing.T) {
	body := `{"schemaVersion":2,"manifests":[` +
		descriptor(oci.MediaTypeImage, digestA, `,"platform":{"os":"linux","architecture":"arm","variant":"v7"}`) + `,` +
		descriptor(oci.MediaTypeIndex, digestB, "") + `,` +
		descriptor("application/vnd.buildkit.layer", digestC, "") + `,` +
		descriptor(oci.MediaTypeImage, digestA, "") + `]}`
	m, err := oci.ParseManifest("", []byte(body))
	if err != nil {
		t.Fatal(err)
	}
	if m.MediaType != oci.MediaTypeIndex || len(m.Children) != 3 {
		t.Fatalf("got %+v", m)
	}
	want := []oci.ChildKind{oci.ChildManifest, oci.ChildManifest, oci.ChildEither}
	for i, c := range m.Children {
		if c.Kind != want[i] {
			t.Errorf("child %d is of kind %d, want %d", i, c.Kind, want[i])
		}
	}
	if p := oci.PlatformString(m.Children[0].Platform); p != "linux/arm/v7" {
		t.Errorf("platform %q", p)
	}
}

func TestParsePlatformsOfOneChild(t *testing.T) {
	on := func(arch string) string {
		return descriptor(oci.MediaTypeImage, digestA, `,"platform":{"os":"linux","architecture":"`+arch+`"}`)
	}
	m, err := oci.ParseManifest(oci.MediaTypeIndex, []byte(`{"schemaVersion":2,"manifests":[`+
		on("amd64")+`,`+on("arm64")+`,`+on("amd64")+`,`+descriptor("a/b", digestA, "")+`]}`))
	if err != nil || len(m.Children) != 1 {
		t.Fatalf("got %+v, %v", m, err)
	}
	c := m.Children[0]
	if got, want := fmt.Sprintf("%q", c.Platforms), `["linux/amd64" "linux/arm64" ""]`; got != want {
		t.Errorf("got platforms %s, want %s", got, want)
	}
	if c.Kind != oci.ChildManifest {
		t.Errorf("got kind %d, want that of a manifest", c.Kind)
	}
}

func TestParseForeignLayers(t *testing.T) {
	const foreign = "application/vnd.oci.image.layer.nondistributable.v1.tar+gzip"
	body := `{"schemaVersion":2,"config":` + descriptor("a/b", digestA, "") + `,"layers":[` + descriptor(foreign, digestB, "") + `]}`
	m, err := oci.ParseManifest(oci.MediaTypeImage, []byte(body))
	if err != nil || !m.Children[1].Optional {
		t.Errorf("got %+v, %v, want an optional layer", m, err)
	}
	twice := strings.Replace(body, foreign+`","digest":"`+digestB, foreign+`","digest":"`+digestA, 1)
	m, err = oci.ParseManifest(oci.MediaTypeImage, []byte(twice))
	if err != nil || len(m.Children) != 1 || m.Children[0].Optional {
		t.Errorf("got %+v, %v, want one child that is needed as config", m, err)
	}
}

func TestParseManifestRefuses(t *testing.T) {
	for name, c := range map[string]struct{ mediaType, body string }{
		"nothing":             {oci.MediaTypeImage, ``},
		"null":                {oci.MediaTypeImage, `null`},
		"a list":              {oci.MediaTypeImage, `[]`},
		"trailing bytes":      {oci.MediaTypeImage, image("") + "x"},
		"version 1":           {oci.MediaTypeImage, strings.Replace(image(""), `n":2`, `n":1`, 1)},
		"Docker schema 1":     {"application/vnd.docker.distribution.manifest.v1+prettyjws", `{"schemaVersion":1}`},
		"another type":        {"application/vnd.other+json", image("")},
		"two types":           {oci.MediaTypeImage, image(`,"mediaType":"` + oci.MediaTypeIndex + `"`)},
		"both in one":         {oci.MediaTypeImage, image(`,"manifests":[]`)},
		"index of no list":    {oci.MediaTypeIndex, `{"schemaVersion":2}`},
		"image of no config":  {oci.MediaTypeImage, `{"schemaVersion":2,"layers":[]}`},
		"config in capitals":  {oci.MediaTypeImage, strings.Replace(image(""), `"config"`, `"Config"`, 1)},
		"digest in capitals":  {oci.MediaTypeImage, strings.Replace(image(""), `"digest"`, `"Digest"`, 1)},
		"no size":             {oci.MediaTypeImage, strings.Replace(image(""), `"size":7`, `"sizes":7`, 1)},
		"negative size":       {oci.MediaTypeImage, strings.Replace(image(""), `"size":7`, `"size":-7`, 1)},
		"size is a fraction":  {oci.MediaTypeImage, strings.Replace(image(""), `"size":7`, `"size":7.5`, 1)},
		"blake3":              {oci.MediaTypeImage, strings.Replace(image(""), `"sha256:`, `"blake3:`, 1)},
		"a member twice":      {oci.MediaTypeImage, image(`,"layers":[]`)},
		"twice, one escaped":  {oci.MediaTypeImage, image(`,"l\u0061yers":[]`)},
		"twice below":         {oci.MediaTypeImage, strings.Replace(image(""), `"size":7`, `"size":7,"size":7`, 1)},
		"no object":           {oci.MediaTypeImage, `7`},
		"no end":              {oci.MediaTypeImage, `{"schemaVersion":2`},
		"a comma too many":    {oci.MediaTypeImage, `{"schemaVersion":2,}`},
		"no media type":       {oci.MediaTypeImage, strings.Replace(image(""), `"application/vnd.test.layer"`, `""`, 1)},
		"subject of no sense": {oci.MediaTypeImage, image(`,"subject":{}`)},
		"sizes that disagree": {oci.MediaTypeIndex, `{"schemaVersion":2,"manifests":[` + descriptor("a/b", digestA, "") +
			`,` + strings.Replace(descriptor("a/b", digestA, ""), "7", "8", 1) + `]}`},
		"layers in capitals too": {oci.MediaTypeImage, image(`,"Layers":[]`)},
		"digest as ſ would fold": {oci.MediaTypeImage, strings.Replace(image(""), `"size":7`, `"size":7,"\u017fize":8`, 1)},
		"too many children": {oci.MediaTypeImage, `{"schemaVersion":2,"config":` + descriptor("a/b", digestA, "") + `,"layers":[` +
			strings.Repeat(descriptor("a/b", digestA, "")+",", oci.MaxChildren) + descriptor("a/b", digestA, "") + `]}`},
		"a long artifact type": {oci.MediaTypeImage,
			image(`,"artifactType":"` + strings.Repeat("x", 256) + `"`)},
		"a long platform": {oci.MediaTypeIndex, `{"schemaVersion":2,"manifests":[` + descriptor("a/b", digestA,
			`,"platform":{"os":"`+strings.Repeat("x", 255)+`","architecture":"y"}`) + `]}`},
	} {
		if _, err := oci.ParseManifest(c.mediaType, []byte(c.body)); !errors.Is(err, oci.ErrManifestInvalid) {
			t.Errorf("%s: got %v, want MANIFEST_INVALID", name, err)
		}
	}
}

func FuzzParseManifest(f *testing.F) {
	f.Add(oci.MediaTypeImage, []byte(image(`,"subject":`+descriptor("a/b", digestC, ""))))
	f.Add(oci.MediaTypeIndex, []byte(`{"schemaVersion":2,"manifests":[`+descriptor(oci.MediaTypeImage, digestA, "")+`]}`))
	f.Add("", []byte(`{"schemaVersion":2,"config":null,"layers":[null]}`))
	f.Fuzz(func(t *testing.T, mediaType string, body []byte) {
		m, err := oci.ParseManifest(mediaType, body)
		if err != nil {
			if !errors.Is(err, oci.ErrManifestInvalid) {
				t.Fatalf("got %v, want MANIFEST_INVALID", err)
			}
			return
		}
		seen := map[oci.Digest]bool{}
		for _, c := range m.Children {
			if _, err := oci.ParseDigest(string(c.Digest)); err != nil || seen[c.Digest] || c.Size < 0 || c.Kind == 0 {
				t.Fatalf("child %+v of %s", c, body)
			}
			seen[c.Digest] = true
		}
	})
}
