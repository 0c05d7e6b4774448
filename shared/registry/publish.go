package registry

import (
	"context"
	"fmt"
	"slices"

	"github.com/berthregistry/berth/shared/table"
)

// publish makes the bytes of an upload a blob and the upload done, as one. If
// the blob is here already, because it was pushed twice at once, the first copy
// stays and this one goes.
func (r *Registry) publish(ctx context.Context, u upload, b newBlob) error {
	ctx, cancel := settle(ctx)
	defer cancel()
	var p publication
	tried := false
	err := decide(ctx, func() (err error) {
		if tried {
			if ended, err := r.overtaken(ctx, u); ended || err != nil {
				p = publication{}
				return err
			}
		}
		tried = true
		if p, err = r.publication(ctx, u.repo, u.digest, b); err != nil {
			return err
		}
		if actions := slices.Concat(p.actions, r.done(u), r.remember(u.repo, node{Digest: u.digest})); len(actions) > 0 {
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
