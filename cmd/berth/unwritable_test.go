package main

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/berthregistry/berth/shared/registry"
)

// A folder that cannot be written to is an error like any other.
func TestPullToWhereNothingCanBe(t *testing.T) {
	alone(t)
	from := open(t, registry.Rules{})
	pushIndexOf(t, from.URL, "app", "1")
	folder := t.TempDir()
	for name, text := range map[string]string{"oci-layout": `{"imageLayoutVersion":"1.0.0"}`, "blobs": "not a folder"} {
		if err := os.WriteFile(filepath.Join(folder, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	berth(t, "", "pull", from.host()+"/app:1", folder).wants(t, 1, "not a directory")
}
