package registry_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"github.com/berthregistry/berth/shared/blobs"
	blobslocal "github.com/berthregistry/berth/shared/blobs/local"
	"github.com/berthregistry/berth/shared/oci"
	"github.com/berthregistry/berth/shared/registry"
	"github.com/berthregistry/berth/shared/table"
	tablelocal "github.com/berthregistry/berth/shared/table/local"
)

// stores opens the embedded pair, empty.
func stores(t testing.TB) (table.Store, blobs.Store) {
	t.Helper()
	dir := t.TempDir()
	tab, err := tablelocal.Open(filepath.Join(dir, "table"), slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := tab.Close(); err != nil {
			t.Error(err)
		}
	})
	obj, err := blobslocal.Open(filepath.Join(dir, "blobs"))
	if err != nil {
		t.Fatal(err)
	}
	return tab, obj
}

// A team is a registry and a repository in it, with words for what people do.
type team struct {
	testing.TB
	reg   *registry.Registry
	repo  string
	table table.Store
	blobs blobs.Store
}

func newTeam(t testing.TB, o registry.Options) team {
	t.Helper()
	tab, obj := stores(t)
	return newTeamOn(t, tab, obj, o)
}

func newTeamOn(t testing.TB, tab table.Store, obj blobs.Store, o registry.Options) team {
	return team{TB: t, reg: registry.New(tab, obj, o), repo: home, table: tab, blobs: obj}
}

// size and payload make blobs that no other test has.
var payloads atomic.Int64

func payload(size int) []byte {
	head := fmt.Appendf(nil, "payload %d %d ", payloads.Add(1), time.Now().UnixNano())
	return append(head, bytes.Repeat([]byte{'x'}, max(size-len(head), 0))...)
}

func describe(mediaType string, body []byte) oci.Descriptor {
	return oci.Descriptor{MediaType: mediaType, Digest: oci.SHA256.Sum(body), Size: int64(len(body))}
}

// pushBlob sends bytes by the longest way: POST, PATCH, PUT.
func (tm team) pushBlob(body []byte) (oci.Descriptor, error) {
	d := describe("application/vnd.test.layer", body)
	u, err := tm.reg.StartUpload(tm.Context(), tm.repo, "")
	if err != nil {
		return d, err
	}
	half := len(body) / 2
	if _, err := tm.reg.AppendUpload(tm.Context(), tm.repo, u.ID, 0, int64(half), bytes.NewReader(body[:half])); err != nil {
		return d, err
	}
	_, err = tm.reg.FinishUpload(tm.Context(), tm.repo, u.ID, int64(half), int64(len(body)-half), d.Digest, bytes.NewReader(body[half:]))
	return d, err
}

func (tm team) blob(size int) oci.Descriptor {
	tm.Helper()
	d, err := tm.pushBlob(payload(size))
	if err != nil {
		tm.Fatal(err)
	}
	return d
}

// An image is the JSON of an image manifest; more is merged into it.
func image(config oci.Descriptor, layers []oci.Descriptor, more map[string]any) []byte {
	m := map[string]any{"schemaVersion": 2, "mediaType": oci.MediaTypeImage, "config": config, "layers": layers}
	if layers == nil {
		m["layers"] = []any{}
	}
	for k, v := range more {
		m[k] = v
	}
	return marshal(m)
}

func index(children []oci.Descriptor, more map[string]any) []byte {
	m := map[string]any{"schemaVersion": 2, "mediaType": oci.MediaTypeIndex, "manifests": children}
	for k, v := range more {
		m[k] = v
	}
	return marshal(m)
}

func marshal(v any) []byte {
	raw, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return raw
}

// put pushes a manifest as a tag, or by digest if that is empty.
func (tm team) put(tag string, body []byte, tags ...string) (oci.Descriptor, error) {
	var head struct{ MediaType string }
	if err := json.Unmarshal(body, &head); err != nil {
		return oci.Descriptor{}, err
	}
	d := describe(head.MediaType, body)
	ref := oci.Reference{Tag: tag}
	if tag == "" {
		ref.Digest = d.Digest
	}
	_, err := tm.reg.PutManifest(tm.Context(), registry.ManifestPush{Repo: tm.repo, Ref: ref, Tags: tags, Body: body})
	return d, err
}

func (tm team) mustPut(tag string, body []byte, tags ...string) oci.Descriptor {
	tm.Helper()
	d, err := tm.put(tag, body, tags...)
	if err != nil {
		tm.Fatal(err)
	}
	return d
}

// image pushes a small image.
func (tm team) image(tag string) oci.Descriptor {
	tm.Helper()
	return tm.mustPut(tag, image(tm.blob(100), []oci.Descriptor{tm.blob(100)}, nil))
}

// referrer is a manifest that refers to subject; n makes it one of many.
func referrer(empty, subject oci.Descriptor, artifactType string, n int) []byte {
	return image(empty, nil, map[string]any{
		"artifactType": artifactType, "subject": subject, "annotations": map[string]string{"n": fmt.Sprint(n)},
	})
}

func (tm team) manifest(ref string) (registry.Manifest, error) {
	r, err := oci.ParseReference(ref)
	if err != nil {
		return registry.Manifest{}, err
	}
	return tm.reg.Manifest(tm.Context(), tm.repo, r)
}

func (tm team) presence(d oci.Digest) registry.Presence {
	tm.Helper()
	m, err := tm.manifest(string(d))
	if err != nil {
		tm.Fatal(err)
	}
	return m.Referrers
}

func (tm team) listed(subject oci.Digest, artifactType string) []oci.Descriptor {
	tm.Helper()
	var out []oci.Descriptor
	for from := ""; ; {
		page, err := tm.reg.Referrers(tm.Context(), tm.repo, subject, artifactType, from)
		if err != nil {
			tm.Fatal(err)
		}
		for _, raw := range page.Descriptors {
			var d oci.Descriptor
			if err := json.Unmarshal(raw, &d); err != nil {
				tm.Fatal(err)
			}
			out = append(out, d)
		}
		if from = page.Next; from == "" {
			return out
		}
	}
}

// serves checks that a blob has exactly these bytes.
func (tm team) serves(d oci.Digest, want []byte) {
	tm.Helper()
	b, err := tm.reg.Blob(tm.Context(), tm.repo, d)
	if err != nil {
		tm.Fatalf("blob %s: %v", d, err)
	}
	f, err := tm.reg.OpenBlob(tm.Context(), b)
	if err != nil {
		tm.Fatalf("open blob %s: %v", d, err)
	}
	defer f.Close()
	got, err := io.ReadAll(f)
	if err != nil || !bytes.Equal(got, want) {
		tm.Errorf("blob %s has %d bytes, %v, want the %d that were pushed", d, len(got), err, len(want))
	}
}
