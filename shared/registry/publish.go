package registry

import (
	"context"
	"fmt"
	"slices"

	"github.com/berthregistry/berth/shared/oci"
	"github.com/berthregistry/berth/shared/table"
)

// An arrival is an upload whose bytes are all here, and right.
type arrival struct {
	repo   string
	digest oci.Digest
	blob   newBlob
	// ready is done before the blob becomes visible, perhaps several times. Nil
	// if there is nothing to do.
	ready func(context.Context) error
	// last makes the upload done, and what else goes with it.
	last []table.Action
	// overtaken says whether another request published the same upload as the
	// same blob. It fails if anything else happened to the upload.
	overtaken func(context.Context) (bool, error)
}

// arrives is a plain upload that is a blob now.
func (r *Registry) arrives(u upload, b newBlob) arrival {
	return arrival{
		repo: u.repo, digest: u.digest, blob: b,
		last:      slices.Concat(r.done(u), r.remember(u.repo, node{Digest: u.digest})),
		overtaken: func(ctx context.Context) (bool, error) { return r.overtaken(ctx, u) },
	}
}

// publish makes the bytes of an upload a blob and the upload done, as one. If
// the blob is here already, because it was pushed twice at once, the first copy
// stays and this one goes.
func (r *Registry) publish(ctx context.Context, a arrival) error {
	ctx, cancel := settle(ctx)
	defer cancel()
	var p publication
	tried := false
	err := decide(ctx, func() (err error) {
		if tried {
			if ended, err := a.overtaken(ctx); ended || err != nil {
				p = publication{}
				return err
			}
		}
		tried = true
		if p, err = r.publication(ctx, a.repo, a.digest, a.blob); err != nil {
			return err
		}
		if p.spare == "" && a.ready != nil {
			if err := a.ready(ctx); err != nil {
				return err
			}
		}
		if actions := slices.Concat(p.actions, a.last); len(actions) > 0 {
			return r.commit(ctx, actions...)
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("publish blob: %w", err)
	}
	// A crash here leaves an object that no item names, or an item that counts
	// nothing.
	r.discard(ctx, p.spare)
	r.reap(ctx, p.replaced)
	return nil
}

// overtaken says whether another request published the same upload as the same
// blob. An upload that anything else happened to is not known any more.
func (r *Registry) overtaken(ctx context.Context, u upload) (bool, error) {
	if u.single {
		return false, nil
	}
	now, err := r.load(ctx, u.repo, u.id)
	switch {
	case err != nil:
		return false, err
	case now.ended == done.Str() && now.digest == u.digest:
		return true, nil
	case now.version != u.version:
		return false, unknownUpload(u.id)
	}
	return false, nil
}

// done marks an upload as finished, if there is anything to mark.
func (r *Registry) done(u upload) []table.Action {
	if u.single {
		return nil
	}
	return []table.Action{r.end(u, done)}
}

// discard removes an object that no item names. Failing that, the collector
// will find it.
func (r *Registry) discard(ctx context.Context, object string) {
	if object != "" {
		_ = r.blobs.Delete(ctx, object)
	}
}

// reap removes an object that no blob item names any more. Whoever mounts adds
// to the count, and finds no item once it is gone, so the bytes are nobody's
// when they are deleted. What the client asked for is done before; a crash or a
// failure before the first step leaves an item at zero, before the second an
// object without an item. Both are the collector's.
func (r *Registry) reap(ctx context.Context, object string) {
	if object == "" {
		return
	}
	if err := r.commit(ctx, table.Delete(objectItemKey(object)).When(table.Equals(table.N(attrRefs, 0)))); err == nil {
		r.discard(ctx, object)
	}
}
