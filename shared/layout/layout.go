// Package layout keeps images in files: in the folder or the tar of an OCI
// image layout (image-spec, "OCI Image Layout"), and in the archives of `docker
// save`.
package layout

import (
	"context"
	"errors"
	"fmt"

	"github.com/berthregistry/berth/shared/oci"
	"github.com/berthregistry/berth/shared/transfer"
)

// A Format is how images are laid out in files.
type Format int

// The formats.
const (
	Folder        Format = iota + 1 // an OCI image layout
	OCIArchive                      // the same in a tar
	DockerArchive                   // the same, and what `docker load` looks for in one
)

// An Image is what a folder or an archive holds. It may be used by several
// goroutines at once.
type Image struct{}

// Open opens an OCI image layout, be it a folder or a tar, or an archive of
// `docker save`. Which it is, is found by looking inside.
func Open(path string) (*Image, error) { return nil, fmt.Errorf("open %s: %w", path, errors.ErrUnsupported) }

// Resolve returns the descriptor that a tag, a full name with a tag, or a
// digest stands for; that of the only image if the reference is empty. Errors:
// errdef.ErrNotFound.
func (i *Image) Resolve(ctx context.Context, reference string) (oci.Descriptor, error) {
	return oci.Descriptor{}, errors.ErrUnsupported
}

// Manifest returns the bytes of a manifest, verified. Errors: errdef.ErrNotFound.
func (i *Image) Manifest(ctx context.Context, d oci.Descriptor) ([]byte, error) {
	return nil, errors.ErrUnsupported
}

// Referrers returns the manifests that have subject as theirs.
func (i *Image) Referrers(ctx context.Context, subject oci.Descriptor) ([]oci.Descriptor, error) {
	return nil, errors.ErrUnsupported
}

// Tags returns all tags, sorted, each once.
func (i *Image) Tags(ctx context.Context) ([]string, error) { return nil, errors.ErrUnsupported }

// Blob opens a blob. Its bytes are not verified. Errors: errdef.ErrNotFound.
func (i *Image) Blob(ctx context.Context, d oci.Descriptor) (transfer.Source, error) {
	return nil, errors.ErrUnsupported
}

// Close ends the use of the files. Sources that are open can no more be read.
func (i *Image) Close() error { return nil }

// A Writer puts images into a folder or an archive. Its methods may be called
// by several goroutines at once, but for Create, Prepare, Commit and Close.
type Writer struct{}

// Create begins to write images at path.
func Create(path string, format Format) (*Writer, error) {
	return nil, fmt.Errorf("create %s: %w", path, errors.ErrUnsupported)
}

// SetName says by what name, such as registry.example.com/team/app, those who
// load the archive shall know the images. A docker-archive needs it for its
// tags. It is called before PutManifest.
func (w *Writer) SetName(repository string) error { return errors.ErrUnsupported }

// Prepare says which blobs and manifests will come: all of them, each with its
// size. It is called once, before Has, Sink and PutManifest.
func (w *Writer) Prepare(ctx context.Context, all []oci.Descriptor) error {
	return errors.ErrUnsupported
}

// Has says whether a blob or manifest is there, whole.
func (w *Writer) Has(d oci.Descriptor) bool { return false }

// Sink takes a blob, and goes on where an earlier attempt ended.
func (w *Writer) Sink(ctx context.Context, d oci.Descriptor) (transfer.Sink, error) {
	return nil, errors.ErrUnsupported
}

// PutManifest puts a manifest, whose children are there, and points tags at it.
func (w *Writer) PutManifest(ctx context.Context, d oci.Descriptor, raw []byte, tags []string) error {
	return errors.ErrUnsupported
}

// Commit makes what was put visible, for good. An archive has it once, at the
// end, when all that Prepare was told is there; a folder as often as one likes.
func (w *Writer) Commit() error { return errors.ErrUnsupported }

// Close ends the writing. What was not committed stays for the next attempt.
func (w *Writer) Close() error { return nil }
