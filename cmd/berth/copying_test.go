package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/berthregistry/berth/shared/oci"
	"github.com/berthregistry/berth/shared/registry"
)

// A meter is a registry behind one who notes what it is asked.
type meter struct {
	*httptest.Server
	mu    sync.Mutex
	asked []string
}

func metered(t *testing.T, registry http.Handler) *meter {
	t.Helper()
	var m meter
	m.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		m.mu.Lock()
		m.asked = append(m.asked, r.Method+" "+r.URL.Path)
		m.mu.Unlock()
		registry.ServeHTTP(w, r)
	}))
	t.Cleanup(m.Close)
	return &m
}

func (m *meter) host() string { return strings.TrimPrefix(m.URL, "http://") }

// since returns what was asked since the last time.
func (m *meter) since() []string {
	m.mu.Lock()
	defer m.mu.Unlock()
	asked := m.asked
	m.asked = nil
	return asked
}

// open is a berth serve that everybody may push to.
func open(t *testing.T, rules registry.Rules) *meter {
	t.Helper()
	return metered(t, newRegistry(t, rules).Config.Handler)
}

// sparse lets indexes be without what they list.
var sparse = registry.Rules{Indexes: registry.IndexRule{AllowMissing: true, AllowUnnamed: true}}

// alone keeps the user's own credentials and notes out of a test.
func alone(t *testing.T) {
	t.Helper()
	for _, name := range []string{"DOCKER_CONFIG", "XDG_CACHE_HOME", "XDG_CONFIG_HOME", "XDG_RUNTIME_DIR", "HOME"} {
		t.Setenv(name, t.TempDir())
	}
	t.Setenv("REGISTRY_AUTH_FILE", "")
}

// manifestAt returns the bytes of a manifest.
func manifestAt(t *testing.T, url, repo, ref string) []byte {
	t.Helper()
	resp, body := call(t, "GET", url+"/v2/"+repo+"/manifests/"+ref, "", nil)
	want(t, resp, body, http.StatusOK)
	return body
}

// hasAll fails unless an image is in a repository with all its blobs.
func hasAll(t *testing.T, url, repo, ref string) {
	t.Helper()
	m, err := oci.ParseManifest("", manifestAt(t, url, repo, ref))
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range m.Children {
		if c.Kind == oci.ChildManifest {
			hasAll(t, url, repo, string(c.Digest))
			continue
		}
		resp, body := call(t, "GET", url+"/v2/"+repo+"/blobs/"+string(c.Digest), "", nil)
		want(t, resp, body, http.StatusOK)
		if got := oci.AlgorithmOf(c.Digest).Sum(body); got != c.Digest {
			t.Errorf("blob %s is %s", c.Digest, got)
		}
	}
}

// Into files of each format and from there into another registry, an image stays
// what it is.
func TestPullAndPush(t *testing.T) {
	alone(t)
	from, to := open(t, sparse), open(t, sparse)
	index, amd64 := pushIndexOf(t, from.URL, "team/app", "1")
	for _, c := range []struct {
		dst, src string
		digest   oci.Digest
	}{
		{"layout", "layout", index.Digest},
		{"app.tar", "app.tar", index.Digest},
		{"docker-archive:docker.tar --platform linux/amd64", "docker.tar", amd64.Digest},
	} {
		t.Chdir(t.TempDir())
		berth(t, "", append([]string{"pull", from.host() + "/team/app:1"}, strings.Fields(c.dst)...)...).
			wants(t, 0, "pulled team/app:1 "+string(c.digest), "there already: 0")
		if left, _ := filepath.Glob("*.partial*"); len(left) > 0 {
			t.Errorf("%s: %q is left", c.dst, left)
		}
		repo := "copy/" + strings.ReplaceAll(c.src, ".", "-")
		berth(t, "", "push", c.src, to.host()+"/"+repo).wants(t, 0, "pushed "+repo+":1 "+string(c.digest))
		if got := oci.SHA256.Sum(manifestAt(t, to.URL, repo, "1")); got != c.digest {
			t.Errorf("%s: got %s, want %s", c.src, got, c.digest)
		}
		hasAll(t, to.URL, repo, "1")
		berth(t, "", "push", c.src, to.host()+"/"+repo+":1").wants(t, 0, repo+":1 "+string(c.digest))
	}
}

// pushIndexOf pushes an index of two platforms, with one layer of several parts.
func pushIndexOf(t *testing.T, url, repo, tag string) (index, amd64 oci.Descriptor) {
	t.Helper()
	config := func(arch string) oci.Descriptor {
		raw := fmt.Appendf(nil, `{"os":"linux","architecture":%q,"rootfs":{"type":"layers","diff_ids":[]}}`, arch)
		return oci.Descriptor{MediaType: v1.MediaTypeImageConfig, Digest: pushBlob(t, url, repo, raw), Size: int64(len(raw))}
	}
	var entries []oci.Descriptor
	for i, arch := range []string{"amd64", "arm64"} {
		m := image(t, url, repo, 6<<20, 1000+i)
		m.Config = config(arch)
		d := pushManifest(t, url, repo, "", v1.MediaTypeImageManifest, m)
		d.Platform = &v1.Platform{OS: "linux", Architecture: arch}
		entries = append(entries, d)
	}
	index = pushManifest(t, url, repo, tag, v1.MediaTypeImageIndex, v1.Index{
		Versioned: versioned, MediaType: v1.MediaTypeImageIndex, Manifests: entries,
	})
	return index, entries[0]
}

// Two hundred images that are there already: a request for each, and not three.
func TestPushOfWhatIsThere(t *testing.T) {
	alone(t)
	t.Chdir(t.TempDir())
	from, to := open(t, registry.Rules{}), open(t, registry.Rules{})
	const images = 200
	for i := range images {
		pushManifest(t, from.URL, "app", fmt.Sprint(i), v1.MediaTypeImageManifest, image(t, from.URL, "app", 100, 200+i))
	}
	berth(t, "", "pull", "--all", from.host()+"/app", "layout").wants(t, 0, "pulled 200 images to layout")
	berth(t, "", "push", "--all", "layout", to.host()+"/app").wants(t, 0, "pushed 200 images to "+to.host()+"/app")
	to.since()
	berth(t, "", "push", "--all", "layout", to.host()+"/app").wants(t, 0, "200 of them there already", "is there already")
	if got := len(to.since()); got > images {
		t.Errorf("%d requests, want %d", got, images)
	}
	berth(t, "", "push", "layout:17", to.host()+"/app:17").wants(t, 0, "is there already")
	if got := to.since(); len(got) != 1 {
		t.Errorf("one image that is there: asked %q", got)
	}
	berth(t, "", "push", "layout:17", to.host()+"/app:other").wants(t, 0, "there already: 3")
	for _, asked := range to.since() {
		if strings.Contains(asked, "/blobs/uploads") {
			t.Errorf("a blob that is there was sent: %s", asked)
		}
	}
}

func TestCopyInOneRegistryMounts(t *testing.T) {
	alone(t)
	r := open(t, registry.Rules{})
	pushIndexOf(t, r.URL, "team/app", "1")
	r.since()
	dry := berth(t, "", "copy", "--dry-run", r.host()+"/team/app:1", r.host()+"/release/app:2")
	dry.wants(t, 0, "would copy release/app:2 ", "0 B in 0 blobs and 3 manifests", "to be mounted: 5")
	for _, asked := range r.since() {
		if !strings.HasPrefix(asked, "GET ") && !strings.HasPrefix(asked, "HEAD ") {
			t.Errorf("a dry run asked %s", asked)
		}
	}
	berth(t, "", "copy", r.host()+"/team/app:1", r.host()+"/release/app:2").wants(t, 0, "copied release/app:2 ", "mounted: 5")
	for _, asked := range r.since() {
		if strings.HasPrefix(asked, "PATCH ") || strings.HasPrefix(asked, "GET ") && strings.Contains(asked, "/blobs/") {
			t.Errorf("bytes were moved: %s", asked)
		}
	}
	hasAll(t, r.URL, "release/app", "2")
	berth(t, "", "copy", "--json", "--from", "team/app", r.host()+"/release/app:2", r.host()+"/third/app").wants(t, 0, `"mounted":5`)
}

func TestCopyOfAPlatform(t *testing.T) {
	alone(t)
	from, whole, mirrors := open(t, registry.Rules{}), open(t, registry.Rules{}), open(t, sparse)
	index, amd64 := pushIndexOf(t, from.URL, "team/app", "1")
	signature := pushManifest(t, from.URL, "team/app", "", v1.MediaTypeImageManifest,
		artifact(t, from.URL, "team/app", "application/vnd.cncf.notary.signature", index, 300))
	cosign := pushManifest(t, from.URL, "team/app", strings.Replace(string(index.Digest), ":", "-", 1)+".sig",
		v1.MediaTypeImageManifest, image(t, from.URL, "team/app", 400))
	args := []string{"copy", "--platform", "linux/amd64", "--referrers", from.host() + "/team/app:1"}

	berth(t, "", append(args, whole.host()+"/app")...).wants(t, 1, "MANIFEST_BLOB_UNKNOWN", "indexes: {platforms: [linux/amd64]}")
	berth(t, "", append(args, mirrors.host()+"/app")...).wants(t, 0, "copied app:1 "+string(index.Digest), "left out: 1 entry of the index")
	for _, d := range []oci.Descriptor{index, amd64, signature, cosign} {
		manifestAt(t, mirrors.URL, "app", string(d.Digest))
	}
	tags, _ := call(t, "GET", mirrors.URL+"/v2/app/manifests/"+strings.Replace(string(index.Digest), ":", "-", 1)+".sig", "", nil)
	if got := tags.Header.Get("Docker-Content-Digest"); got != string(cosign.Digest) {
		t.Errorf("cosign's tag: got %s, want %s", got, cosign.Digest)
	}
	_, list := call(t, "GET", mirrors.URL+"/v2/app/referrers/"+string(index.Digest), "", nil)
	if !bytes.Contains(list, []byte(signature.Digest)) {
		t.Errorf("referrers: got %s, want %s in it", list, signature.Digest)
	}
	berth(t, "", "copy", "--platform", "plan9/mips", from.host()+"/team/app:1", mirrors.host()+"/app").
		wants(t, 1, "nothing for plan9/mips, but for linux/amd64, linux/arm64")
}

// A digest stays that of the algorithm that it was made with, also behind a tag.
func TestCopyOfAnotherAlgorithm(t *testing.T) {
	alone(t)
	from, to := open(t, registry.Rules{}), open(t, registry.Rules{})
	raw, err := json.Marshal(image(t, from.URL, "app", 100))
	if err != nil {
		t.Fatal(err)
	}
	d := oci.SHA512.Sum(raw)
	resp, body := call(t, "PUT", from.URL+"/v2/app/manifests/"+string(d)+"?tag=1", v1.MediaTypeImageManifest, raw)
	want(t, resp, body, http.StatusCreated)
	for _, says := range []string{"copied app:1 " + string(d), "is there already"} {
		berth(t, "", "copy", from.host()+"/app:1", to.host()+"/app").wants(t, 0, says)
	}
	resp, body = call(t, "GET", to.URL+"/v2/app/manifests/1", "", nil)
	want(t, resp, body, http.StatusOK)
	if got := resp.Header.Get("Docker-Content-Digest"); got != string(d) {
		t.Errorf("got %s, want %s", got, d)
	}
	berth(t, "", "copy", from.host()+"/app:1", metered(t, newElsewhere(t)).host()+"/app").wants(t, 1, string(d))
}

// A registry is told which image requests are about, and nobody else is.
func TestCopyHints(t *testing.T) {
	alone(t)
	from := open(t, registry.Rules{})
	pushIndexOf(t, from.URL, "app", "latest")
	var mu sync.Mutex
	hints := map[string]int{}
	inner := newElsewhere(t)
	to := metered(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		hints[strings.Join(r.Header["Oci-Ref"], "|")]++
		mu.Unlock()
		inner.ServeHTTP(w, r)
	}))
	berth(t, "", "copy", from.host()+"/app", to.host()+"/app").wants(t, 0)
	if len(hints) != 1 || hints[to.host()+"/app:latest"] == 0 {
		t.Errorf("hints: got %v, want only %s/app:latest", hints, to.host())
	}
}

func TestJSONHasALinePerThing(t *testing.T) {
	alone(t)
	from, to := open(t, registry.Rules{}), open(t, registry.Rules{})
	index, _ := pushIndexOf(t, from.URL, "team/app", "1")
	got := berth(t, "", "push", "--json", from.host()+"/team/app:1", to.host()+"/app:2").wants(t, 0)
	var events []string
	var last map[string]any
	for line := range strings.Lines(got.out) {
		last = nil
		if err := json.Unmarshal([]byte(line), &last); err != nil {
			t.Fatalf("%s: %v", line, err)
		}
		events = append(events, last["event"].(string))
	}
	if want := []string{"plan", "blob", "blob", "blob", "blob", "blob", "manifest", "manifest", "manifest", "summary"}; !slices.Equal(events, want) {
		t.Errorf("events: got %q, want %q", events, want)
	}
	images := last["images"].([]any)[0].(map[string]any)
	if last["command"] != "push" || images["digest"] != string(index.Digest) || last["blobs"].(map[string]any)["plain"] != 5.0 {
		t.Errorf("summary: got %v", last)
	}

	got = berth(t, "", "push", "--json", from.host()+"/team/app:none", to.host()+"/app:2").wants(t, 1, "not found")
	if !strings.Contains(got.out, `"event":"summary"`) || !strings.Contains(got.out, `"error":"`) {
		t.Errorf("summary of a failure: got %s", got.out)
	}
}

func TestWhatCannotBeCopied(t *testing.T) {
	alone(t)
	t.Chdir(t.TempDir())
	r := open(t, registry.Rules{})
	pushIndexOf(t, r.URL, "app", "1")
	if err := os.WriteFile("text", []byte("no image"), 0o600); err != nil {
		t.Fatal(err)
	}
	for args, c := range map[string]struct {
		status int
		says   string
	}{
		"push HOST/app:1 ./layout":                            {2, "what writes files is berth pull"},
		"pull ./layout HOST/app":                              {2, "what reads files is berth push"},
		"copy ./layout HOST/app":                              {2, "what reads files is berth push"},
		"push ./layout HOST/App":                              {2, "read the reference"},
		"push --all ./layout:1 HOST/app":                      {2, "none can be named"},
		"push --platform arm64 ./layout HOST/app":             {2, "not a platform"},
		"push --from Bad HOST/app:1 HOST/app":                 {2, "not the name of a repository"},
		"push --jobs 0 HOST/app:1 HOST/app":                   {2, "--jobs"},
		"push ./layout HOST/app@sha256:" + fill:               {2, "an image keeps its digest"},
		"push ./nothing HOST/app:1":                           {1, "./nothing"},
		"push text HOST/app:1":                                {1, "text"},
		"pull HOST/app:2 ./layout":                            {1, "not found"},
		"pull HOST/other:1 ./layout":                          {1, "not found"},
		"pull --no-plain-http HOST/app:1 ./layout":            {1, "server gave HTTP response to HTTPS client"},
		"pull --plain-http 127.0.0.1:1/app:1 ./layout":        {1, "connection refused"},
		"pull HOST/app:1 ./no/such/folder/app.tar":            {1, "no such file or directory"},
		"pull HOST/app:1 docker-archive:x.tar --platform a/b": {1, "0 images for a/b"},
	} {
		t.Run(args, func(t *testing.T) {
			berth(t, "", strings.Fields(strings.ReplaceAll(args, "HOST", r.host()))...).wants(t, c.status, c.says)
		})
	}
}

const fill = "0000000000000000000000000000000000000000000000000000000000000000"
