// Package mirror copies images from one place to another: whole or for some
// platforms, with what refers to them, byte for byte.
package mirror

import (
	"context"
	"log/slog"

	"github.com/berthregistry/berth/shared/oci"
	"github.com/berthregistry/berth/shared/transfer"
)

// An Origin is where images are copied from: a repository, a folder, an archive.
type Origin interface {
	// Resolve returns the descriptor that a tag or digest stands for. Errors:
	// errdef.ErrNotFound.
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

// A Target is where images are copied to. One that is a Resolver is asked what
// its tags stand for, and one that is a Preparer is told of all that will come.
type Target interface {
	// Standing says what of this is there already, or can be made to be without its
	// bytes. An image manifest that is there is taken to have all its blobs.
	Standing(ctx context.Context, blobs, manifests []oci.Descriptor) (transfer.Standing, error)
	// PutBlob brings one blob, and tells the watcher how that went.
	PutBlob(ctx context.Context, d oci.Descriptor, from transfer.Source, w transfer.Watcher) error
	// PutManifest puts a manifest, whose children are there, and points tags at it.
	PutManifest(ctx context.Context, d oci.Descriptor, raw []byte, tags []string) error
}

// A Resolver knows what a tag stands for. Errors: errdef.ErrNotFound.
type Resolver interface {
	Resolve(ctx context.Context, reference string) (oci.Descriptor, error)
}

// A Preparer wants to know of every blob and manifest before the first comes.
type Preparer interface {
	Prepare(ctx context.Context, all []oci.Descriptor) error
}

// A Watcher is told how far a copy is. Its methods are called by several
// goroutines at once and do not block.
type Watcher interface {
	transfer.Watcher
	// Planned is called once, before anything is moved.
	Planned(p Plan)
	// Placed says that a manifest is there, and that these tags point at it.
	Placed(d oci.Descriptor, tags []string)
}

// An Image is what to copy, and as what.
type Image struct {
	Reference string   // a tag or digest of the origin
	Tags      []string // what is to point at it at the target; none if it is known by its digest only
}

// Options say what is copied.
type Options struct {
	// Images are copied, or if there are none, all tags of the origin.
	Images []Image
	// Platforms, as os/architecture[/variant], are those whose entries of an index are
	// copied; all if there are none. The index itself stays as it is.
	Platforms []string
	// Referrers has what refers to an image copied as well, and what refers to that.
	Referrers bool
	// Single has the target hold images only: of an index the one image of the
	// platform is copied, under its own digest. Without a platform it is the only
	// one, or that for Linux on this machine's architecture.
	Single bool
	// DryRun copies nothing. The target is asked what is there, and the watcher told
	// of the plan.
	DryRun bool
	// Parallel is how many blobs, and how many manifests, are under way at once: 8 if zero.
	Parallel int
	Watcher  Watcher
	Log      *slog.Logger
}

// Copy copies images. What is there already is left alone. It begins with the
// blobs, of all images side by side; then come manifests, each after all that it
// lists or refers to; tags come last. So an image that can be seen is whole,
// whenever a copy ends, and the next one goes on from there.
func Copy(ctx context.Context, from Origin, to Target, o Options) (Summary, error) {
	if o.Parallel == 0 {
		o.Parallel = defaultParallel
	}
	w := newWalk(from, to, o)
	if err := w.run(ctx); err != nil {
		return Summary{}, err
	}
	r := newRun(w)
	err := r.run(ctx)
	return r.summary(), err
}

const defaultParallel = 8
