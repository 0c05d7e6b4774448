package mirror

import (
	"context"
	"errors"
	"fmt"

	"oras.land/oras-go/v2/errdef"
	"oras.land/oras-go/v2/registry/remote/errcode"

	"github.com/berthregistry/berth/shared/oci"
)

// A run does what a walk has found to be done.
type run struct {
	*walk
	tally   *tally
	planned Plan
	put     int // manifests
}

func newRun(w *walk) *run { return &run{walk: w, tally: &tally{Watcher: w.o.Watcher}} }

func (r *run) run(ctx context.Context) error {
	if p, ok := r.to.(Preparer); ok && !r.o.DryRun {
		if err := p.Prepare(ctx, r.everything()); err != nil {
			return err
		}
	}
	standing, err := r.to.Standing(ctx, r.blobs, nil)
	if err != nil {
		return fmt.Errorf("ask what is there: %w", err)
	}
	r.planned = r.plan(standing)
	r.tally.Planned(r.planned)
	settled := r.tally.Settled
	if r.o.DryRun {
		settled = r.tally.count // it is not so yet
	}
	for _, d := range r.blobs {
		if how, ok := standing[d.Digest]; ok {
			settled(d, how)
		}
	}
	if r.o.DryRun {
		return nil
	}
	// A crash from here on leaves blobs, and later manifests, that no tag shows. The
	// next run finds them.
	if err := r.moveBlobs(ctx, r.planned.Move); err != nil {
		return err
	}
	return r.place(ctx)
}

func (r *run) moveBlobs(ctx context.Context, blobs []oci.Descriptor) error {
	return r.each(ctx, len(blobs), func(ctx context.Context, i int) error {
		d := blobs[i]
		source, err := r.from.Blob(ctx, d)
		if err != nil {
			return fmt.Errorf("open blob %s: %w", d.Digest, err)
		}
		defer source.Close()
		return r.to.PutBlob(ctx, d, source, r.tally) // which says what it was about
	})
}

// place puts manifests. Where something refers to images, it is there before a
// tag shows them.
func (r *run) place(ctx context.Context) error {
	late := r.refers()
	for _, wave := range r.waves() {
		err := r.each(ctx, len(wave), func(ctx context.Context, i int) error {
			n := wave[i]
			if n.root && late {
				return r.putManifest(ctx, n, nil)
			}
			return r.putManifest(ctx, n, n.tags)
		})
		if err != nil {
			return err
		}
		r.put += len(wave)
	}
	if !late {
		return nil
	}
	// A crash here leaves images that only their digests show.
	return r.each(ctx, len(r.order), func(ctx context.Context, i int) error {
		if n := r.order[i]; n.root && !n.there && len(n.tags) > 0 {
			return r.putManifest(ctx, n, n.tags)
		}
		return nil
	})
}

// refers says whether anything refers to an image.
func (r *run) refers() bool {
	for _, n := range r.order {
		if !n.root && (n.subject != nil || len(n.tags) > 0) {
			return true
		}
	}
	return false
}

func (r *run) putManifest(ctx context.Context, n *node, tags []string) error {
	raw, err := r.keep.get(ctx, r.from, n.Descriptor)
	if err != nil {
		return fmt.Errorf("read %s: %w", n.Digest, err)
	}
	if err := r.to.PutManifest(ctx, n.Descriptor, raw, tags); err != nil {
		err = fmt.Errorf("put manifest %s: %w", n.Digest, err)
		if n.left > 0 && isMissing(err) {
			return &SparseError{Index: n.Digest, Left: n.left, Err: err}
		}
		return err
	}
	r.tally.Placed(n.Descriptor, tags)
	if !n.root || len(tags) > 0 {
		r.keep.drop(n.Digest)
	}
	return nil
}

// A SparseError is a registry's refusal of an index of which only some
// platforms were copied.
type SparseError struct {
	Index oci.Digest
	Left  int // entries that were not copied
	Err   error
}

func (e *SparseError) Error() string {
	return fmt.Sprintf("%v; the registry wants all that the index lists, and %d of that was not copied", e.Err, e.Left)
}

func (e *SparseError) Unwrap() error { return e.Err }

// isMissing says whether a registry refused a manifest for what it lists and
// the registry lacks. Some have other words for it.
func isMissing(err error) bool {
	said, ok := errors.AsType[*errcode.ErrorResponse](err)
	return ok && (said.StatusCode == 400 || said.StatusCode == 404) || errors.Is(err, errdef.ErrNotFound)
}
