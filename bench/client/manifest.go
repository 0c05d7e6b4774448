package client

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"strings"
)

// A Manifest is the bytes of one.
type Manifest struct {
	MediaType string
	Digest    string
	Body      []byte
	Platform  string // OS/ARCH[/VARIANT] that an index says it is for; may be empty
}

const (
	mediaTypeImage  = "application/vnd.oci.image.manifest.v1+json"
	mediaTypeIndex  = "application/vnd.oci.image.index.v1+json"
	mediaTypeConfig = "application/vnd.oci.image.config.v1+json"
	mediaTypeLayer  = "application/vnd.oci.image.layer.v1.tar+gzip"
	mediaTypeEmpty  = "application/vnd.oci.empty.v1+json"
)

type descriptor struct {
	MediaType string `json:"mediaType"`
	Digest    string `json:"digest"`
	Size      int64  `json:"size"`
}

type image struct {
	SchemaVersion int               `json:"schemaVersion"`
	MediaType     string            `json:"mediaType"`
	ArtifactType  string            `json:"artifactType,omitempty"`
	Config        descriptor        `json:"config"`
	Layers        []descriptor      `json:"layers"`
	Subject       *descriptor       `json:"subject,omitempty"`
	Annotations   map[string]string `json:"annotations,omitempty"`
}

// Image returns the manifest of an image.
func Image(config Blob, layers ...Blob) Manifest {
	m := image{Config: config.as(mediaTypeConfig)}
	for _, l := range layers {
		m.Layers = append(m.Layers, l.as(mediaTypeLayer))
	}
	return m.encode()
}

// Index returns an image index that lists these images.
func Index(images ...Manifest) Manifest {
	index := struct {
		SchemaVersion int      `json:"schemaVersion"`
		MediaType     string   `json:"mediaType"`
		Manifests     []listed `json:"manifests"`
	}{SchemaVersion: 2, MediaType: mediaTypeIndex}
	for _, m := range images {
		index.Manifests = append(index.Manifests, listed{m.descriptor(), platformOf(m.Platform)})
	}
	body, _ := json.Marshal(index) // nothing in it can fail
	return Manifest{MediaType: mediaTypeIndex, Digest: digest(body), Body: body}
}

// listed is an image of an index.
type listed struct {
	descriptor
	Platform *platform `json:"platform,omitempty"`
}

type platform struct {
	OS           string `json:"os"`
	Architecture string `json:"architecture"`
	Variant      string `json:"variant,omitempty"`
}

// platformOf splits OS/ARCH[/VARIANT].
func platformOf(name string) *platform {
	system, rest, ok := strings.Cut(name, "/")
	if !ok {
		return nil
	}
	architecture, variant, _ := strings.Cut(rest, "/")
	return &platform{system, architecture, variant}
}

// Artifact returns the manifest of an artifact that is attached to a subject.
// Its config is Empty. The note makes it unlike others with the same layer.
func Artifact(subject Manifest, artifactType, note string, layer Blob) Manifest {
	return image{
		ArtifactType: artifactType,
		Config:       Empty().as(mediaTypeEmpty),
		Layers:       []descriptor{layer.as(artifactType)},
		Subject:      new(subject.descriptor()),
		Annotations:  map[string]string{"org.opencontainers.image.created": "2026-01-01T00:00:00Z", "note": note},
	}.encode()
}

// Empty is the config of artifacts: the two bytes {}.
func Empty() Blob {
	return Blob{Digest: digest([]byte("{}")), Size: 2, head: []byte("{}")}
}

func (m Manifest) descriptor() descriptor {
	return descriptor{m.MediaType, m.Digest, int64(len(m.Body))}
}

func (b Blob) as(mediaType string) descriptor { return descriptor{mediaType, b.Digest, b.Size} }

func (m image) encode() Manifest {
	m.SchemaVersion, m.MediaType = 2, mediaTypeImage
	body, err := json.Marshal(m)
	if err != nil {
		panic(fmt.Sprintf("encode manifest: %v", err)) // strings and numbers only
	}
	return Manifest{MediaType: m.MediaType, Digest: digest(body), Body: body}
}

func digest(b []byte) string {
	sum := sha256.Sum256(b)
	return "sha256:" + hex.EncodeToString(sum[:])
}
