package main

import (
	"context"

	"github.com/berthregistry/berth/shared/layout"
	"github.com/berthregistry/berth/shared/mirror"
	"github.com/berthregistry/berth/shared/oci"
	"github.com/berthregistry/berth/shared/transfer"
)

// files are a target in a folder or an archive.
type files struct {
	*layout.Writer
	engine *transfer.Engine
}

var (
	_ mirror.Target   = files{}
	_ mirror.Preparer = files{}
)

// Standing implements mirror.Target. A manifest may be there without its blobs,
// where an earlier attempt was cut, so each blob is looked for.
func (f files) Standing(_ context.Context, blobs, _ []oci.Descriptor) (transfer.Standing, error) {
	standing := transfer.Standing{}
	for _, d := range blobs {
		if f.Has(d) {
			standing[d.Digest] = transfer.There
		}
	}
	return standing, nil
}

// PutBlob implements mirror.Target.
func (f files) PutBlob(ctx context.Context, d oci.Descriptor, from transfer.Source, w transfer.Watcher) error {
	sink, err := f.Sink(ctx, d)
	if err != nil {
		return err
	}
	return f.engine.Fetch(ctx, d, from, sink, w)
}

// nowhere is the target of a dry run that would write files: all would come.
type nowhere struct{ mirror.Target }

// Standing implements mirror.Target.
func (nowhere) Standing(context.Context, []oci.Descriptor, []oci.Descriptor) (transfer.Standing, error) {
	return transfer.Standing{}, nil
}
