package client

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
)

// Tagged is an image that a layout holds under a tag. The blobs are those that the
// manifest names.
type Tagged struct {
	Tag      string
	Manifest Manifest
	Blobs    []Blob
}

// WriteLayout writes images to a folder, as the image layout of OCI.
func WriteLayout(dir string, images ...Tagged) error {
	if err := os.MkdirAll(filepath.Join(dir, "blobs", "sha256"), 0o777); err != nil {
		return fmt.Errorf("write a layout: %w", err)
	}
	var entries []entry
	for _, im := range images {
		for _, b := range im.Blobs {
			if err := writeFile(blobFile(dir, b.Digest), b.Open()); err != nil {
				return err
			}
		}
		m := im.Manifest
		if err := writeFile(blobFile(dir, m.Digest), bytes.NewReader(m.Body)); err != nil {
			return err
		}
		entries = append(entries, entry{
			m.descriptor(),
			map[string]string{"org.opencontainers.image.ref.name": im.Tag},
		})
	}
	index, err := json.Marshal(map[string]any{"schemaVersion": 2, "mediaType": mediaTypeIndex, "manifests": entries})
	if err != nil {
		return fmt.Errorf("write a layout: %w", err)
	}
	if err := writeFile(filepath.Join(dir, "index.json"), bytes.NewReader(index)); err != nil {
		return err
	}
	return writeFile(filepath.Join(dir, "oci-layout"), strings.NewReader(`{"imageLayoutVersion":"1.0.0"}`))
}

// entry is one of a layout's index.
type entry struct {
	descriptor
	Annotations map[string]string `json:"annotations"`
}

func blobFile(dir, digest string) string {
	return filepath.Join(dir, "blobs", "sha256", strings.TrimPrefix(digest, "sha256:"))
}

func writeFile(name string, from io.Reader) error {
	f, err := os.Create(name)
	if err != nil {
		return fmt.Errorf("write a layout: %w", err)
	}
	defer f.Close()
	if _, err := io.Copy(f, from); err != nil {
		return fmt.Errorf("write a layout: %w", err)
	}
	return f.Close()
}
