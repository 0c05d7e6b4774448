package main

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"maps"
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

// An elsewhere is a registry of another make: it knows what the distribution spec
// of 2021 demands, and no more. There are no ranges, no mounts, no single POST,
// no list of referrers.
type elsewhere struct {
	t        *testing.T
	headless bool // it does not say digests

	mu        sync.Mutex
	blobs     map[oci.Digest][]byte
	manifests map[string][]byte // by digest and by tag
	uploads   map[string][]byte
}

func newElsewhere(t *testing.T) *elsewhere {
	return &elsewhere{t: t, blobs: map[oci.Digest][]byte{}, manifests: map[string][]byte{}, uploads: map[string][]byte{}}
}

func (e *elsewhere) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return // the client went away
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	rest := strings.TrimPrefix(r.URL.Path, "/v2/app/")
	name := rest[strings.LastIndex(rest, "/")+1:]
	switch {
	case rest == "tags/list":
		tags := slices.DeleteFunc(slices.Sorted(maps.Keys(e.manifests)), func(s string) bool { return strings.Contains(s, ":") })
		_ = json.NewEncoder(w).Encode(map[string]any{"name": "app", "tags": tags})
	case strings.HasPrefix(rest, "blobs/uploads/"):
		e.upload(w, r, name, body)
	case strings.HasPrefix(rest, "blobs/"):
		e.serve(w, r, e.blobs[oci.Digest(name)], "application/octet-stream")
	case strings.HasPrefix(rest, "manifests/"):
		e.manifest(w, r, name, body)
	default:
		http.NotFound(w, r)
	}
}

func (e *elsewhere) serve(w http.ResponseWriter, r *http.Request, body []byte, mediaType string) {
	if body == nil {
		http.NotFound(w, r)
		return
	}
	w.Header().Set("Content-Type", mediaType)
	w.Header().Set("Content-Length", fmt.Sprint(len(body)))
	if r.Method == http.MethodGet {
		_, _ = w.Write(body)
	}
}

func (e *elsewhere) upload(w http.ResponseWriter, r *http.Request, id string, body []byte) {
	switch r.Method {
	case http.MethodPost:
		id = fmt.Sprint("upload", len(e.uploads))
		e.uploads[id] = []byte{}
	case http.MethodPatch:
		e.uploads[id] = append(e.uploads[id], body...)
	case http.MethodPut:
		all := append(e.uploads[id], body...)
		d := oci.SHA256.Sum(all)
		if string(d) != r.URL.Query().Get("digest") {
			http.Error(w, `{"errors":[{"code":"DIGEST_INVALID","message":"no"}]}`, http.StatusBadRequest)
			return
		}
		e.blobs[d] = all
		w.WriteHeader(http.StatusCreated)
		return
	}
	w.Header().Set("Location", "/v2/app/blobs/uploads/"+id)
	w.Header().Set("Range", fmt.Sprintf("0-%d", max(0, len(e.uploads[id])-1)))
	w.WriteHeader(http.StatusAccepted)
}

func (e *elsewhere) manifest(w http.ResponseWriter, r *http.Request, name string, body []byte) {
	switch {
	case r.Method == http.MethodPut:
		m, err := oci.ParseManifest(r.Header.Get("Content-Type"), body)
		if err != nil {
			e.t.Error(err)
		}
		for _, c := range m.Children {
			if e.blobs[c.Digest] == nil && e.manifests[string(c.Digest)] == nil {
				http.Error(w, `{"errors":[{"code":"MANIFEST_BLOB_UNKNOWN","message":"lacks something"}]}`, http.StatusBadRequest)
				return
			}
		}
		e.manifests[name], e.manifests[string(oci.SHA256.Sum(body))] = body, body
		w.WriteHeader(http.StatusCreated)
	default:
		raw := e.manifests[name]
		m, _ := oci.ParseManifest("", raw)
		if !e.headless {
			w.Header().Set("Docker-Content-Digest", string(oci.SHA256.Sum(raw)))
		}
		e.serve(w, r, raw, m.MediaType)
	}
}

// To a registry of another make and back, with what refers to an image: there it
// is found by a tag only.
func TestAnyRegistryWillDo(t *testing.T) {
	for _, headless := range []bool{false, true} {
		alone(t)
		t.Chdir(t.TempDir())
		from, back := open(t, registry.Rules{}), open(t, registry.Rules{})
		index, amd64 := pushIndexOf(t, from.URL, "app", "1")
		var signed []oci.Descriptor
		for i, subject := range []oci.Descriptor{index, amd64, index} {
			signed = append(signed, pushManifest(t, from.URL, "app", "", v1.MediaTypeImageManifest,
				artifact(t, from.URL, "app", "application/vnd.cncf.notary.signature", subject, 300+i)))
		}
		other := newElsewhere(t)
		other.headless = headless
		m := metered(t, other)

		berth(t, "", "copy", "--referrers", from.host()+"/app:1", m.host()+"/app").wants(t, 0, "copied app:1 "+string(index.Digest), "direct: 0")
		list := other.manifests[strings.Replace(string(index.Digest), ":", "-", 1)]
		for _, d := range []oci.Descriptor{signed[0], signed[2]} {
			if !strings.Contains(string(list), string(d.Digest)) {
				t.Errorf("the list of referrers lacks %s: %s", d.Digest, list)
			}
		}
		berth(t, "", "copy", "--referrers", from.host()+"/app:1", m.host()+"/app").wants(t, 0, "is there already")
		berth(t, "", "pull", "--referrers", m.host()+"/app:1", "layout").wants(t, 0, string(index.Digest))
		berth(t, "", "push", "--referrers", "layout", back.host()+"/app").wants(t, 0, string(index.Digest))
		hasAll(t, back.URL, "app", "1")
		for _, d := range signed {
			manifestAt(t, back.URL, "app", string(d.Digest))
		}
		berth(t, "", "copy", "--all", m.host()+"/app", back.host()+"/all").wants(t, 0, "copied 1 image to")
	}
}

// Credentials are those of docker login, then those of podman login.
func TestCopyLogsIn(t *testing.T) {
	other := newElsewhere(t)
	guarded := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if user, password, _ := r.BasicAuth(); user != "me" || password != "secret" {
			w.Header().Set("Www-Authenticate", `Basic realm="test"`)
			http.Error(w, `{"errors":[{"code":"UNAUTHORIZED","message":"who are you"}]}`, http.StatusUnauthorized)
			return
		}
		other.ServeHTTP(w, r)
	}))
	defer guarded.Close()
	alone(t)
	host := strings.TrimPrefix(guarded.URL, "http://")
	from := open(t, registry.Rules{})
	pushIndexOf(t, from.URL, "app", "1")
	push := []string{"push", from.host() + "/app:1", host + "/app"}
	berth(t, "", push...).wants(t, 1, "to log in: berth login "+host)

	auths := func(password string) []byte {
		login := base64.StdEncoding.EncodeToString([]byte("me:" + password))
		return fmt.Appendf(nil, `{"auths":{%q:{"auth":%q}}}`, host, login)
	}
	for _, file := range []string{
		filepath.Join(os.Getenv("HOME"), ".config", "containers", "auth.json"),
		filepath.Join(os.Getenv("XDG_RUNTIME_DIR"), "containers", "auth.json"),
		filepath.Join(t.TempDir(), "auth.json"),
		filepath.Join(os.Getenv("DOCKER_CONFIG"), "config.json"),
	} {
		t.Setenv("XDG_CONFIG_HOME", "")
		if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, auths("secret"), 0o600); err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(file, "containers") {
			t.Setenv("REGISTRY_AUTH_FILE", file)
		}
		if strings.Contains(file, "config.json") {
			t.Setenv("REGISTRY_AUTH_FILE", filepath.Join(t.TempDir(), "none"))
		}
		got := berth(t, "", push...)
		got.wants(t, 0, "app:1")
		if strings.Contains(got.out+got.err, "secret") {
			t.Errorf("the password is printed: %s%s", got.out, got.err)
		}
		if err := os.WriteFile(file, auths("wrong"), 0o600); err != nil {
			t.Fatal(err)
		}
		berth(t, "", push...).wants(t, 1, "to log in: berth login "+host)
		if err := os.Remove(file); err != nil {
			t.Fatal(err)
		}
	}
}
