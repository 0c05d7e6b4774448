package main

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"testing"

	"github.com/opencontainers/image-spec/specs-go"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/berthregistry/berth/shared/oci"
)

// call sends a request and returns the answer, its body read.
func call(t testing.TB, method, url, contentType string, body []byte) (*http.Response, []byte) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, url, bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	if contentType != "" {
		req.Header.Set("Content-Type", contentType)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	got, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp, got
}

func want(t testing.TB, resp *http.Response, body []byte, status int) {
	t.Helper()
	if resp.StatusCode != status {
		t.Fatalf("%s %s: got %d, want %d: %s", resp.Request.Method, resp.Request.URL, resp.StatusCode, status, body)
	}
}

func pushBlob(t testing.TB, registry, repo string, blob []byte) oci.Digest {
	t.Helper()
	d := oci.SHA256.Sum(blob)
	resp, body := call(t, "POST", registry+"/v2/"+repo+"/blobs/uploads/?digest="+string(d), "application/octet-stream", blob)
	want(t, resp, body, http.StatusCreated)
	return d
}

// pushManifest pushes what marshals to a manifest and returns its descriptor.
func pushManifest(t testing.TB, registry, repo, ref, mediaType string, manifest any) oci.Descriptor {
	t.Helper()
	raw, err := json.Marshal(manifest)
	if err != nil {
		t.Fatal(err)
	}
	d := oci.SHA256.Sum(raw)
	if ref == "" {
		ref = string(d)
	}
	resp, body := call(t, "PUT", registry+"/v2/"+repo+"/manifests/"+ref, mediaType, raw)
	want(t, resp, body, http.StatusCreated)
	return oci.Descriptor{MediaType: mediaType, Digest: d, Size: int64(len(raw))}
}

var versioned = specs.Versioned{SchemaVersion: 2}

// image returns a manifest of layers of these sizes, all pushed.
func image(t testing.TB, registry, repo string, sizes ...int) v1.Manifest {
	t.Helper()
	m := v1.Manifest{Versioned: versioned, MediaType: v1.MediaTypeImageManifest}
	m.Config = v1.Descriptor{MediaType: v1.MediaTypeImageConfig, Digest: pushBlob(t, registry, repo, []byte("{}")), Size: 2}
	for i, size := range sizes {
		layer := bytes.Repeat([]byte{byte(i)}, size)
		m.Layers = append(m.Layers, v1.Descriptor{
			MediaType: v1.MediaTypeImageLayerGzip, Digest: pushBlob(t, registry, repo, layer), Size: int64(size),
		})
	}
	return m
}

// artifact is an image manifest about a subject.
func artifact(t testing.TB, registry, repo, artifactType string, subject oci.Descriptor, size int) v1.Manifest {
	t.Helper()
	m := image(t, registry, repo, size)
	m.ArtifactType, m.Config.MediaType, m.Subject = artifactType, v1.MediaTypeEmptyJSON, &subject
	return m
}
