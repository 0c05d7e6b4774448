package main

import (
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/berthregistry/berth/shared/oci"
	"github.com/berthregistry/berth/shared/registry"
)

// A testRegistry is berth serve's handler behind a counter.
type testRegistry struct {
	*httptest.Server
	listings atomic.Int64 // of referrers asked for
}

// host is what images are named after.
func (r *testRegistry) host() string { return strings.TrimPrefix(r.URL, "http://") }

func newRegistry(t *testing.T, rules registry.Rules) *testRegistry {
	t.Helper()
	log := slog.New(slog.DiscardHandler)
	d, err := openData(t.TempDir(), log)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { d.close(log) })
	s, err := new(serve).server(d, registry.Options{Rules: func(string) registry.Rules { return rules }}, guard{}, log)
	if err != nil {
		t.Fatal(err)
	}
	var r testRegistry
	r.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		if strings.Contains(req.URL.Path, "/referrers/") {
			r.listings.Add(1)
		}
		s.handler.ServeHTTP(w, req)
	}))
	t.Cleanup(r.Close)
	return &r
}

// berthTree runs the command and returns what it prints, with host for the
// registry's address.
func berthTree(t *testing.T, host, rest string, flags ...string) string {
	t.Helper()
	t.Setenv("DOCKER_CONFIG", t.TempDir())
	var out, log strings.Builder
	args := append([]string{"tree", host + rest}, flags...)
	if status := run(args, terminal{out: &out, err: &log}); status != 0 {
		t.Fatalf("berth tree %s: exit status %d: %s", rest, status, log.String())
	}
	return strings.ReplaceAll(out.String(), host, "registry.test")
}

// golden compares with a file in testdata, which BERTH_TEST_UPDATE=1 rewrites.
func golden(t *testing.T, name, got string) {
	t.Helper()
	file := filepath.Join("testdata", name)
	if os.Getenv("BERTH_TEST_UPDATE") == "1" {
		if err := os.WriteFile(file, []byte(got), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("%s:\n got\n%s\nwant\n%s", name, got, want)
	}
}

// pushIndex pushes an index of three platforms, of which one is not there, and
// an attestation.
func pushIndex(t *testing.T, url, repo, tag string) (index, amd64 oci.Descriptor) {
	t.Helper()
	amd64 = pushManifest(t, url, repo, "", v1.MediaTypeImageManifest, image(t, url, repo, 3<<20, 40<<10))
	amd64.Platform = &v1.Platform{OS: "linux", Architecture: "amd64"}
	arm := pushManifest(t, url, repo, "", v1.MediaTypeImageManifest, image(t, url, repo, 3<<20, 50<<10, 7))
	arm.Platform = &v1.Platform{OS: "linux", Architecture: "arm", Variant: "v7"}
	attestation := pushManifest(t, url, repo, "", v1.MediaTypeImageManifest, image(t, url, repo, 900))
	attestation.Platform = &v1.Platform{OS: "unknown", Architecture: "unknown"}
	attestation.Annotations = map[string]string{"vnd.docker.reference.type": "attestation-manifest"}
	missing := oci.Descriptor{
		MediaType: v1.MediaTypeImageManifest, Digest: oci.SHA256.Sum([]byte("elsewhere")), Size: 500,
		Platform: &v1.Platform{OS: "linux", Architecture: "s390x"},
	}
	index = pushManifest(t, url, repo, tag, v1.MediaTypeImageIndex, v1.Index{
		Versioned: versioned, MediaType: v1.MediaTypeImageIndex, Manifests: []v1.Descriptor{amd64, arm, missing, attestation},
	})
	amd64.Platform = nil
	return index, amd64
}

func TestTreeOfASparseIndex(t *testing.T) {
	r := newRegistry(t, registry.Rules{
		Indexes:         registry.IndexRule{AllowMissing: true, AllowUnnamed: true},
		ReferrersHeader: registry.HeaderAlways,
	})
	const repo = "team/app"
	index, amd64 := pushIndex(t, r.URL, repo, "1")
	sbom := pushManifest(t, r.URL, repo, "", v1.MediaTypeImageManifest, artifact(t, r.URL, repo, "application/spdx+json", amd64, 20<<10))
	for subject, artifactType := range map[*oci.Descriptor]string{
		&sbom:  "application/vnd.dev.sigstore.bundle.v0.3+json",
		&index: "application/vnd.cncf.notary.signature",
	} {
		pushManifest(t, r.URL, repo, "", v1.MediaTypeImageManifest, artifact(t, r.URL, repo, artifactType, *subject, 2000))
	}

	golden(t, "sparse-index.txt", berthTree(t, r.host(), "/team/app:1"))
	// Seven manifests are here, and three have referrers.
	if got, want := r.listings.Load(), int64(3); got != want {
		t.Errorf("referrers were asked for %d times, want %d: the header says where there are none", got, want)
	}
	golden(t, "sparse-index-digests.txt", berthTree(t, r.host(), "/team/app:1", "--digests"))
}

func TestTreeOfAnImage(t *testing.T) {
	for mode, listings := range map[registry.HeaderMode]int64{
		registry.HeaderAlways: 0, registry.HeaderAbsentOnly: 0, registry.HeaderOnRequest: 0,
		registry.HeaderOff: 1,
	} {
		r := newRegistry(t, registry.Rules{ReferrersHeader: mode})
		d := pushManifest(t, r.URL, "app", "latest", v1.MediaTypeImageManifest, image(t, r.URL, "app", 1))
		for _, name := range []string{"", ":latest", "@" + string(d.Digest), ":latest@" + string(d.Digest)} {
			r.listings.Store(0)
			got := berthTree(t, r.host(), "/app"+name)
			want := "registry.test/app" + name + "\nimage  " + short(string(d.Digest)) + "  1 layer  400 B\n"
			if got != want {
				t.Errorf("app%s:\n got %q\nwant %q", name, got, want)
			}
			if got := r.listings.Load(); got != listings {
				t.Errorf("header %s: referrers were asked for %d times, want %d", mode, got, listings)
			}
		}
	}
}

// A cache of BuildKit lists blobs in an index; an index may hold indexes, and
// an entry twice.
func TestTreeOfOddEntries(t *testing.T) {
	r := newRegistry(t, registry.Rules{ReferrersHeader: registry.HeaderAlways})
	blob := oci.Descriptor{MediaType: v1.MediaTypeImageLayerGzip, Digest: pushBlob(t, r.URL, "cache", make([]byte, 5000)), Size: 5000}
	inner := pushManifest(t, r.URL, "cache", "", v1.MediaTypeImageIndex, v1.Index{
		Versioned: versioned, MediaType: v1.MediaTypeImageIndex, Manifests: []v1.Descriptor{blob},
	})
	pushManifest(t, r.URL, "cache", "x", v1.MediaTypeImageIndex, v1.Index{
		Versioned: versioned, MediaType: v1.MediaTypeImageIndex, Manifests: []v1.Descriptor{inner, inner, blob},
	})
	golden(t, "odd-entries.txt", berthTree(t, r.host(), "/cache:x"))
}

// A registry that lies: each artifact is about the next, the last about the
// first, and the type is meant for the terminal.
func TestTreeOfReferrersInARing(t *testing.T) {
	body := func(n int) ([]byte, oci.Descriptor) {
		raw, _ := json.Marshal(v1.Manifest{
			Versioned: versioned, MediaType: v1.MediaTypeImageManifest, ArtifactType: fmt.Sprint("type/", n),
		})
		return raw, oci.Descriptor{
			MediaType: v1.MediaTypeImageManifest, Digest: oci.SHA256.Sum(raw), Size: int64(len(raw)),
			ArtifactType: fmt.Sprintf("type/%d\x1b[2J", n),
		}
	}
	byDigest := map[string]int{}
	for n := range 3 {
		_, d := body(n)
		byDigest[string(d.Digest)] = n
	}
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		n := byDigest[req.URL.Path[strings.LastIndex(req.URL.Path, "/")+1:]] // a tag is the first
		if strings.Contains(req.URL.Path, "/manifests/") {
			raw, d := body(n)
			w.Header().Set("Content-Type", d.MediaType)
			w.Header().Set("Docker-Content-Digest", string(d.Digest))
			_, _ = w.Write(raw)
			return
		}
		_, next := body((n + 1) % 3)
		w.Header().Set("Content-Type", v1.MediaTypeImageIndex)
		_ = json.NewEncoder(w).Encode(v1.Index{Versioned: versioned, MediaType: v1.MediaTypeImageIndex, Manifests: []v1.Descriptor{next}})
	}))
	defer s.Close()
	golden(t, "ring.txt", berthTree(t, strings.TrimPrefix(s.URL, "http://"), "/app:1"))
}

func TestTreeThatCannotBeDrawn(t *testing.T) {
	r := newRegistry(t, registry.Rules{})
	t.Setenv("DOCKER_CONFIG", t.TempDir())
	for args, says := range map[string]string{
		r.host() + "/app:1":                    "/app:1: ",
		r.host() + "/App:1":                    "read the reference",
		r.host():                               "read the reference",
		r.host() + "/app:1 --no-plain-http":    "server gave HTTP response to HTTPS client",
		"127.0.0.1:1/app:1 --plain-http --bad": "unknown flag",
	} {
		var log strings.Builder
		status := run(append([]string{"tree"}, strings.Fields(args)...), terminal{out: io.Discard, err: &log})
		if status == 0 || !strings.Contains(log.String(), says) {
			t.Errorf("berth tree %s: got status %d and %q, want %q in it", args, status, log.String(), says)
		}
	}
}

func TestPlainHTTPIsForThisMachine(t *testing.T) {
	yes, no := true, false
	for _, c := range []struct {
		host string
		flag *bool
		want bool
	}{
		{"127.0.0.1:5000", nil, true},
		{"localhost:5000", nil, true},
		{"localhost", nil, true},
		{"[::1]:5000", nil, true},
		{"127.0.0.1.example.org", nil, false},
		{"registry.example.org", nil, false},
		{"registry.example.org", &yes, true},
		{"127.0.0.1:5000", &no, false},
	} {
		if got := (&tree{PlainHTTP: c.flag}).plain(c.host); got != c.want {
			t.Errorf("plain HTTP with %s: got %v, want %v", c.host, got, c.want)
		}
	}
}

func TestHuman(t *testing.T) {
	for n, want := range map[int64]string{
		0: "0 B", 1023: "1023 B", 1024: "1.0 KiB", 1536: "1.5 KiB", 1<<20 - 1: "1.0 MiB", 1 << 20: "1.0 MiB",
		5 << 30: "5.0 GiB", 3 << 40: "3.0 TiB", 1 << 60: "1048576.0 TiB",
	} {
		if got := human(n); got != want {
			t.Errorf("human(%d) = %q, want %q", n, got, want)
		}
	}
}
