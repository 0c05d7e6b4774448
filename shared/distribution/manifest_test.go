package distribution_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"

	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/berthregistry/berth/shared/oci"
	"github.com/berthregistry/berth/shared/registry"
)

// wantManifest holds what is served under ref to what was pushed.
func (s *server) wantManifest(repo, ref, mediaType string, d oci.Digest, body []byte) {
	s.Helper()
	for _, a := range []answer{s.get(manifestURL(repo, ref)), s.head(manifestURL(repo, ref))} {
		s.want(a, http.StatusOK, "")
		for name, want := range map[string]string{
			"Content-Type": mediaType, "Content-Length": strconv.Itoa(len(body)),
			"Docker-Content-Digest": string(d), "Etag": `"` + string(d) + `"`,
		} {
			if got := a.get(name); got != want {
				s.Errorf("%.20s: %s %q, want %q", ref, name, got, want)
			}
		}
	}
	if a := s.get(manifestURL(repo, ref)); !bytes.Equal(a.body, body) {
		s.Errorf("%.20s: got %d bytes %.100q, want %d %.100q", ref, len(a.body), a.body, len(body), body)
	}
}

// Whatever the bytes are, the same come back: in an item, in a file, with
// fields that nobody knows, and with any white space.
func TestManifestExactBytes(t *testing.T) {
	s := serve(t, registry.Options{})
	config, layer := s.blob("app", []byte("{}")), s.blob("app", []byte("layer"))
	plain := string(imageOf(config, layer))
	with := func(more string) string { return plain[:len(plain)-1] + "," + more + "}" }
	for name, body := range map[string]string{
		"plain":         plain,
		"unknown":       with(`"unknown":{"a":[1,2.50,1e3,"\u0041",null]},"configs":"another","LAYER":[]`),
		"white-space":   "\n\t " + strings.ReplaceAll(plain, ",", " ,\r\n\t") + "\n\n",
		"escapes":       strings.ReplaceAll(with(`"annotations":{"k":"\u003c\/\u00e9é"}`), `"config"`, `"conf\u0069g"`),
		"just-in-item":  with(`"pad":"` + strings.Repeat("x", 256<<10-len(plain)-9) + `"`),
		"just-in-file":  with(`"pad":"` + strings.Repeat("x", 256<<10-len(plain)-8) + `"`),
		"almost-4-mib":  with(`"pad":"` + strings.Repeat("x", 4<<20-len(plain)-9) + `"`),
		"data-and-urls": strings.Replace(plain, `"size":2`, `"size":2,"data":"e30=","urls":["https://example.org/x"]`, 1),
	} {
		for _, d := range []oci.Digest{oci.SHA256.Sum([]byte(body)), oci.SHA512.Sum([]byte(body))} {
			a := s.tryPut("app", string(d)+"?tag="+name, oci.MediaTypeImage, []byte(body))
			s.want(a, http.StatusCreated, "")
			if got, want := a.get("Location"), manifestURL("app", string(d)); got != want || a.get("Docker-Content-Digest") != string(d) {
				t.Errorf("%s: Location %q, want %q", name, got, want)
			}
			s.wantManifest("app", string(d), oci.MediaTypeImage, d, []byte(body))
			s.wantManifest("app", name, oci.MediaTypeImage, d, []byte(body))
		}
	}
}

func TestManifestSizes(t *testing.T) {
	s := serve(t, registry.Options{Limits: registry.Limits{ManifestSize: 2000}})
	plain := string(indexOf())
	of := func(n int) []byte {
		return []byte(plain[:len(plain)-1] + `,"pad":"` + strings.Repeat("x", n-len(plain)-9) + `"}`)
	}
	s.put("app", "fits", oci.MediaTypeIndex, of(2000))
	s.want(s.do(http.MethodPut, manifestURL("app", "fits"), chunked(of(2000)), "Content-Type", oci.MediaTypeIndex), http.StatusCreated, "")
	a := s.tryPut("app", "large", oci.MediaTypeIndex, of(2001))
	s.want(a, http.StatusRequestEntityTooLarge, "SIZE_INVALID")
	if got := string(a.errors(t)[0].Detail); got != `{"limit":2000}` {
		t.Errorf("detail %s does not say the limit", got)
	}
	a = s.do(http.MethodPut, manifestURL("app", "large"), chunked(of(2001)), "Content-Type", oci.MediaTypeIndex)
	s.want(a, http.StatusRequestEntityTooLarge, "SIZE_INVALID")
	s.want(s.get(manifestURL("app", "large")), http.StatusNotFound, "MANIFEST_UNKNOWN")
}

func TestManifestContentType(t *testing.T) {
	s := serve(t, registry.Options{})
	config := s.blob("app", []byte("{}"))
	untyped := func(body []byte) []byte {
		return bytes.Replace(bytes.Replace(body, []byte(`"mediaType":"`+oci.MediaTypeImage+`",`), nil, 1),
			[]byte(`"mediaType":"`+oci.MediaTypeIndex+`",`), nil, 1)
	}
	docker := bytes.Replace(imageOf(config), []byte(oci.MediaTypeImage), []byte(oci.MediaTypeDockerImage), 1)
	for i, c := range []struct {
		sent string
		body []byte
		want string // "" for a refusal
	}{
		{oci.MediaTypeImage, imageOf(config), oci.MediaTypeImage},
		{oci.MediaTypeImage + "; charset=utf-8", imageOf(config), oci.MediaTypeImage},
		{oci.MediaTypeImage + " ;q=1;x", untyped(imageOf(config)), oci.MediaTypeImage},
		{"", imageOf(config), oci.MediaTypeImage},
		{"", untyped(imageOf(config)), oci.MediaTypeImage},
		{"", untyped(indexOf()), oci.MediaTypeIndex},
		{"", indexOf(), oci.MediaTypeIndex},
		{"application/json", indexOf(), oci.MediaTypeIndex},
		{"application/octet-stream", imageOf(config), oci.MediaTypeImage},
		{oci.MediaTypeDockerImage, docker, oci.MediaTypeDockerImage},
		{oci.MediaTypeDockerImage, untyped(imageOf(config)), oci.MediaTypeDockerImage},
		{oci.MediaTypeDockerList, untyped(indexOf()), oci.MediaTypeDockerList},
		{oci.MediaTypeIndex, imageOf(config), ""},
		{oci.MediaTypeIndex, untyped(imageOf(config)), ""},
		{oci.MediaTypeImage, indexOf(), ""},
		{oci.MediaTypeDockerImage, imageOf(config), ""},
		{"text/plain", imageOf(config), ""},
		{"application/vnd.docker.distribution.manifest.v1+json", []byte(`{"schemaVersion":1}`), ""},
		{"application/vnd.docker.distribution.manifest.v1+prettyjws", []byte(`{"schemaVersion":1}`), ""},
		{"", []byte(`{"schemaVersion":1,"mediaType":"application/vnd.docker.distribution.manifest.v1+json"}`), ""},
	} {
		repo := fmt.Sprintf("app%d", i) // a manifest keeps the type that it first had
		s.blob(repo, []byte("{}"))
		a := s.tryPut(repo, "x", c.sent, c.body)
		if c.want == "" {
			if a.status != http.StatusBadRequest || a.codes(t) != "MANIFEST_INVALID" {
				t.Errorf("%q sent as %q = %d %s", c.body, c.sent, a.status, a.body)
			}
			continue
		}
		if got := s.get(manifestURL(repo, "x")).get("Content-Type"); a.status != http.StatusCreated || got != c.want {
			t.Errorf("%q sent as %q = %d, served as %q, want %q", c.body, c.sent, a.status, got, c.want)
		}
	}
}

// Errors about a manifest are for people: no name of ours in them, no end.
func TestManifestInvalid(t *testing.T) {
	s := serve(t, registry.Options{})
	config := s.blob("app", []byte("{}"))
	plain := string(imageOf(config))
	long := strings.Repeat("x", 1<<20)
	for name, body := range map[string]string{
		"nothing":           "",
		"cut":               plain[:len(plain)-2],
		"a list":            "[]",
		"a word":            `"sha256"`,
		"junk":              "\x00\x01" + long,
		"behind":            plain + plain,
		"layers":            strings.Replace(plain, `"layers":[]`, `"layers":{"a":1}`, 1),
		"size":              strings.Replace(plain, `"size":2`, `"size":"2"`, 1),
		"large size":        strings.Replace(plain, `"size":2`, `"size":99999999999999999999`, 1),
		"another size":      strings.Replace(plain, `"size":2`, `"size":3`, 1),
		"digest":            strings.Replace(plain, "sha256:", "sha256:"+long, 1),
		"media type":        strings.Replace(plain, oci.MediaTypeImage, long, 1),
		"annotations":       plain[:len(plain)-1] + `,"annotations":{"a":["` + long + `"]}}`,
		"subject":           plain[:len(plain)-1] + `,"subject":"` + long + `"}`,
		"twice":             plain[:len(plain)-1] + `,"layers":[]}`,
		"twice in config":   strings.Replace(plain, `"size":2`, `"size":2,"size":2`, 1),
		"twice, by escapes": plain[:len(plain)-1] + `,"l\u0061yers":[]}`,
		"deep":              plain[:len(plain)-1] + `,"x":` + strings.Repeat("[", 20_000) + strings.Repeat("]", 20_000) + "}",
		"os":                strings.Replace(string(indexOf(config)), `"size":2`, `"size":2,"platform":{"os":"`+long+`","architecture":"x"}`, 1),
		"os is no text":     strings.Replace(string(indexOf(config)), `"size":2`, `"size":2,"platform":{"os":7,"architecture":"x"}`, 1),
	} {
		a := s.tryPut("app", "x", "", []byte(body))
		if a.status != http.StatusBadRequest || a.codes(t) != "MANIFEST_INVALID" {
			t.Errorf("%s = %d %.300s, want 400 MANIFEST_INVALID", name, a.status, a.body)
		}
		for _, ours := range []string{"Go value", "oci.", "json:", "struct"} {
			if bytes.Contains(a.body, []byte(ours)) {
				t.Errorf("%s: the answer talks of %q: %.300s", name, ours, a.body)
			}
		}
	}
	s.want(s.get("/v2/app/tags/list?n=1"), http.StatusOK, "")
}

func TestManifestDigestParameter(t *testing.T) {
	s := serve(t, registry.Options{})
	body := indexOf()
	for ref, want := range map[string]string{
		digest256: "DIGEST_INVALID", digest512: "DIGEST_INVALID", "sha256:short": "DIGEST_INVALID", ".x": "MANIFEST_UNKNOWN",
		"blake3:" + digest256[7:]: "DIGEST_INVALID", "x@" + digest256: "DIGEST_INVALID",
	} {
		a := s.tryPut("app", ref, oci.MediaTypeIndex, body)
		if a.status != http.StatusBadRequest && a.status != http.StatusNotFound || a.codes(t) != want {
			t.Errorf("PUT as %s = %d %s, want %s", ref, a.status, a.body, want)
		}
	}
}

func TestManifestTags(t *testing.T) {
	s := serve(t, registry.Options{})
	body := indexOf()
	for _, d := range []oci.Digest{oci.SHA256.Sum(body), oci.SHA512.Sum(body)} {
		a := s.tryPut("app", string(d)+"?tag=a&tag=b&tag=A&tag=a", oci.MediaTypeIndex, body)
		s.want(a, http.StatusCreated, "")
		echoed := strings.Split(strings.ReplaceAll(strings.Join(a.header.Values("OCI-Tag"), ","), " ", ""), ",")
		for _, tag := range []string{"a", "b", "A"} {
			if !slices.Contains(echoed, tag) {
				t.Errorf("OCI-Tag %q lacks %s", echoed, tag)
			}
			s.wantManifest("app", tag, oci.MediaTypeIndex, d, body)
		}
	}
	if a := s.tryPut("app", "c", oci.MediaTypeIndex, body); a.header.Values("OCI-Tag") != nil {
		t.Errorf("OCI-Tag %q without a tag parameter", a.header.Values("OCI-Tag"))
	}
	a := s.tryPut("app", "d?tag=e", oci.MediaTypeIndex, body) // a tag, and one more
	s.want(a, http.StatusCreated, "")
	s.wantManifest("app", "d", oci.MediaTypeIndex, oci.SHA256.Sum(body), body)
	s.wantManifest("app", "e", oci.MediaTypeIndex, oci.SHA256.Sum(body), body)

	for _, bad := range []string{"", ".x", "a/b", "a%00", "a,b", strings.Repeat("x", 129), digest256} {
		a := s.tryPut("app", "new?tag=good&tag="+bad, oci.MediaTypeIndex, body)
		s.want(a, http.StatusBadRequest, "NAME_INVALID")
	}
	s.want(s.get(manifestURL("app", "good")), http.StatusNotFound, "MANIFEST_UNKNOWN")
	s.want(s.get(manifestURL("app", "new")), http.StatusNotFound, "MANIFEST_UNKNOWN")
}

func TestManifestTooManyTags(t *testing.T) {
	s := serve(t, registry.Options{Limits: registry.Limits{TagsPerPush: 12}})
	query := func(n int) string {
		var tags []string
		for i := range n {
			tags = append(tags, fmt.Sprintf("tag=t%d", i))
		}
		return strings.Join(tags, "&")
	}
	body := indexOf()
	d := string(oci.SHA256.Sum(body))
	s.want(s.tryPut("app", d+"?"+query(13), oci.MediaTypeIndex, body), http.StatusRequestURITooLong, "UNSUPPORTED")
	s.want(s.get("/v2/app/tags/list"), http.StatusNotFound, "NAME_UNKNOWN")
	a := s.tryPut("app", d+"?"+query(12), oci.MediaTypeIndex, body)
	s.want(a, http.StatusCreated, "")
	if got := a.header.Values("OCI-Tag"); len(got) != 12 {
		t.Errorf("OCI-Tag %q", got)
	}
}

// An image that refers to more than one transaction holds comes whole.
func TestManifestManyLayers(t *testing.T) {
	s := serve(t, registry.Options{})
	config := s.blob("app", []byte("{}"))
	var layers []v1.Descriptor
	for i := range 300 {
		layers = append(layers, s.blob("app", fmt.Appendf(nil, "layer %d", i)))
	}
	body := imageOf(config, layers...)
	missing := describe("application/vnd.test.blob", []byte("not here"))
	a := s.tryPut("app", "less", oci.MediaTypeImage, imageOf(config, append(slices.Clone(layers), missing)...))
	s.want(a, http.StatusBadRequest, "MANIFEST_BLOB_UNKNOWN")
	d := s.put("app", "many", oci.MediaTypeImage, body)
	s.wantManifest("app", "many", oci.MediaTypeImage, d.Digest, body)
	for _, layer := range []v1.Descriptor{layers[0], layers[150], layers[299]} {
		s.want(s.delete("/v2/app/blobs/"+string(layer.Digest)), http.StatusMethodNotAllowed, "DENIED")
	}
	s.want(s.delete(manifestURL("app", string(d.Digest))), http.StatusAccepted, "")
	s.want(s.get(manifestURL("app", "many")), http.StatusNotFound, "MANIFEST_UNKNOWN")
	s.want(s.delete("/v2/app/blobs/"+string(layers[150].Digest)), http.StatusAccepted, "")
}

func TestManifestMissingChildren(t *testing.T) {
	s := serve(t, registry.Options{})
	here := s.blob("app", []byte("here"))
	s.blob("elsewhere", []byte("far"))
	config, far := describe("a/config", []byte("config")), describe("a/layer", []byte("far"))
	foreign := describe("application/vnd.docker.image.rootfs.foreign.diff.tar.gzip", []byte("foreign"))
	a := s.tryPut("app", "x", oci.MediaTypeImage, imageOf(config, here, far, foreign, far))
	s.want(a, http.StatusBadRequest, "MANIFEST_BLOB_UNKNOWN MANIFEST_BLOB_UNKNOWN")
	for i, want := range []v1.Descriptor{config, far} {
		var detail struct{ Digest oci.Digest }
		e := a.errors(t)[i]
		if err := json.Unmarshal(e.Detail, &detail); err != nil || detail.Digest != want.Digest {
			t.Errorf("error %d: detail %s, %v, want %s", i, e.Detail, err, want.Digest)
		}
		if !strings.Contains(e.Message, string(want.Digest)) {
			t.Errorf("error %d: %q does not name %s", i, e.Message, want.Digest)
		}
	}
	s.want(s.get(manifestURL("app", "x")), http.StatusNotFound, "MANIFEST_UNKNOWN")
	s.blob("app", []byte("config"))
	s.blob("app", []byte("far"))
	s.put("app", "x", oci.MediaTypeImage, imageOf(config, here, far, foreign, far))
}

// A list of all that is missing has an end, or no gateway would carry it.
func TestManifestManyMissingChildren(t *testing.T) {
	s := serve(t, registry.Options{})
	var layers []v1.Descriptor
	for i := range 1500 {
		layers = append(layers, describe("a/layer", fmt.Appendf(nil, "missing %d", i)))
	}
	a := s.tryPut("app", "x", oci.MediaTypeImage, imageOf(layers[0], layers...))
	if a.status != http.StatusBadRequest {
		t.Fatalf("PUT = %d", a.status)
	}
	errs := a.errors(t)
	if len(errs) != 1001 || errs[1000].Message != "and 500 more" || errs[1000].Code != "MANIFEST_BLOB_UNKNOWN" {
		t.Errorf("%d errors, the last is %+v", len(errs), errs[len(errs)-1])
	}
}

func TestManifestDelete(t *testing.T) {
	s := serve(t, registry.Options{})
	d := s.image("app", "1", "layer")
	other := s.image("app", "other", "another layer")
	s.image("app", "2", "layer")
	byDigest := manifestURL("app", string(d.Digest))

	s.want(s.delete(manifestURL("app", "1")), http.StatusAccepted, "")
	s.want(s.get(manifestURL("app", "1")), http.StatusNotFound, "MANIFEST_UNKNOWN")
	s.want(s.delete(manifestURL("app", "1")), http.StatusNotFound, "MANIFEST_UNKNOWN")
	s.want(s.get(byDigest), http.StatusOK, "")
	s.want(s.delete(byDigest), http.StatusAccepted, "")
	for _, ref := range []string{string(d.Digest), "2"} {
		s.want(s.get(manifestURL("app", ref)), http.StatusNotFound, "MANIFEST_UNKNOWN")
	}
	s.want(s.delete(byDigest), http.StatusNotFound, "MANIFEST_UNKNOWN")
	s.want(s.delete(manifestURL("nobody", digest256)), http.StatusNotFound, "MANIFEST_UNKNOWN")
	s.wantManifest("app", "other", oci.MediaTypeImage, other.Digest, imageOf(s.blob("app", []byte("{}")), s.blob("app", []byte("another layer"))))
}
