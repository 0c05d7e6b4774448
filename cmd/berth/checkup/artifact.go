package checkup

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"

	"github.com/opencontainers/image-spec/specs-go"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/berthregistry/berth/shared/oci"
)

// The blobs of the artifact by name. Each has bytes that no other blob has, so
// that nobody else's can be deleted with it.
const (
	config = "config" // JSON
	plain  = "plain"  // UTF-8 that calls itself text
	small  = "small"  // all values of a byte, without a type
	inline = "inline" // what still fits an answer
	large  = "large"  // what does not
)

const (
	inlineSize = 4 << 20
	largeSize  = 5 << 20 // above the most that can be set as InlineLimit
)

// artifactType is that of the artifact and of its referrer.
const artifactType = "application/vnd.berth.probe.v1+json"

// A piece is a blob or a manifest that was pushed.
type piece struct {
	digest  oci.Digest
	content []byte
}

// An artifact is what is pushed, and what is to be removed again.
type artifact struct {
	blobs    map[string]piece // by name
	subject  piece            // the manifest that has the tag
	referrer piece            // a manifest about it

	// Everything that may be in the registry by now, as paths to delete, the
	// last first. It is noted before it is sent: an answer can be lost.
	traces []string
}

// newID returns a tag that nobody else has.
func newID() string { return "doctor-" + hex.EncodeToString(random(12)) }

func random(n int) []byte {
	out := make([]byte, n)
	_, _ = rand.Read(out) // never fails
	return out
}

const mayPush = "see the lines above, and that you may push to %s and delete there"

// push pushes blobs and a manifest of them.
func (v *visit) push(ctx context.Context) Finding {
	v.artifact.blobs = map[string]piece{}
	mark := "\n" + v.id
	requests := 0
	for _, b := range []struct {
		name, contentType string
		content           []byte
	}{
		{config, octetStream, []byte(`{"berth":"` + v.id + `"}`)},
		{plain, "text/plain", []byte(text + mark)},
		{small, "", append(octets[:len(octets):len(octets)], mark...)},
		{inline, octetStream, random(inlineSize)},
		{large, oci.MediaTypeImage, random(largeSize)},
	} {
		n, err := v.upload(ctx, b.name, b.contentType, b.content)
		if err != nil {
			return broken(fmt.Sprintf("%s blob: %v", b.name, err), mayPush, v.Repository)
		}
		requests += n
	}
	m, err := v.putManifest(ctx, v.id, v.image(v1.Descriptor{}))
	if err != nil {
		return broken("manifest: "+err.Error(), mayPush, v.Repository)
	}
	v.artifact.subject = m
	return ok("%s and a manifest, %d requests", plural(len(v.artifact.blobs), "blob"), requests+1)
}

// image is a manifest of all blobs, or of the config alone if it is about a
// subject. It has what JSON may have and few encoders write, so that one who
// reads and writes it again is found out.
func (v *visit) image(subject v1.Descriptor) []byte {
	m := v1.Manifest{
		Versioned: specs.Versioned{SchemaVersion: 2}, MediaType: oci.MediaTypeImage, ArtifactType: artifactType,
		Config: v.descriptor(config), Layers: []v1.Descriptor{},
		Annotations: map[string]string{"berth.probe": v.id + " é✓\u2028"},
	}
	if subject.Digest != "" {
		m.Subject = &subject
	} else {
		for _, name := range []string{plain, small, inline, large} {
			m.Layers = append(m.Layers, v.descriptor(name))
		}
	}
	raw, _ := json.MarshalIndent(m, "", "\t") // of plain values, which cannot fail
	return append(raw, "\r\n \n"...)
}

func (v *visit) descriptor(name string) v1.Descriptor {
	b := v.artifact.blobs[name]
	return v1.Descriptor{MediaType: octetStream, Digest: b.digest, Size: int64(len(b.content))}
}

// putManifest pushes a manifest under a tag, or under its digest if that is "".
func (v *visit) putManifest(ctx context.Context, tag string, body []byte) (piece, error) {
	m := piece{digest: oci.SHA256.Sum(body), content: body}
	ref := string(m.digest)
	v.artifact.leaves(v.manifestPath(ref))
	if tag != "" {
		ref = tag
		v.artifact.leaves(v.manifestPath(tag))
	}
	a, err := v.write(ctx, http.MethodPut, v.manifestPath(ref), body, "Content-Type", oci.MediaTypeImage)
	switch {
	case err != nil:
		return piece{}, err
	case a.status != http.StatusCreated:
		return piece{}, errors.New(a.String())
	case a.get("Docker-Content-Digest") != string(m.digest):
		return piece{}, fmt.Errorf("pushed as %s, taken as %q", m.digest, a.get("Docker-Content-Digest"))
	}
	return m, nil
}

func (v *visit) manifestPath(ref string) string { return "/v2/" + v.Repository + "/manifests/" + ref }

func (v *visit) blobPath(d oci.Digest) string { return "/v2/" + v.Repository + "/blobs/" + string(d) }

// leaves notes something to remove.
func (a *artifact) leaves(path string) { a.traces = append(a.traces, path) }
