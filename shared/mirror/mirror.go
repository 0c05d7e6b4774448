// Package mirror copies images from one place to another: whole or for some
// platforms, with what refers to them, byte for byte.
package mirror

import (
	"context"

	"github.com/berthregistry/berth/shared/oci"
	"github.com/berthregistry/berth/shared/transfer"
)

// An Origin is where images are copied from: a repository, a folder, an archive.
type Origin interface {
	// Resolve returns the descriptor that a tag or digest stands for.
	Resolve(ctx context.Context, reference string) (oci.Descriptor, error)
	// Manifest returns the bytes of a manifest, verified. Errors: errdef.ErrNotFound.
	Manifest(ctx context.Context, d oci.Descriptor) ([]byte, error)
	// Referrers returns the manifests that refer to one.
	Referrers(ctx context.Context, subject oci.Descriptor) ([]oci.Descriptor, error)
	// Tags returns all tags, sorted.
	Tags(ctx context.Context) ([]string, error)
	// Blob opens a blob.
	Blob(ctx context.Context, d oci.Descriptor) (transfer.Source, error)
}

// A Target is where images are copied to.
type Target interface {
	// Standing says what of this is there already, or can be made to be without its bytes.
	Standing(ctx context.Context, blobs, manifests []oci.Descriptor) (transfer.Standing, error)
	// PutBlob brings one blob.
	PutBlob(ctx context.Context, d oci.Descriptor, from transfer.Source, w transfer.Watcher) error
	// PutManifest puts a manifest, whose children are there, and points tags at it.
	PutManifest(ctx context.Context, d oci.Descriptor, raw []byte, tags []string) error
}
