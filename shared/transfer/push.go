package transfer

import (
	"context"
	"errors"
	"fmt"

	"github.com/berthregistry/berth/shared/oci"
)

// Push brings a blob to the repository, and goes on with what an earlier attempt
// brought, also of another process. When it returns nil the registry has the
// blob. A blob whose bytes are not those of its digest is an error that wraps
// oci.ErrDigestInvalid, or the registry's own with that code. The Watcher may be nil.
func (r *Repository) Push(ctx context.Context, d oci.Descriptor, from Source, w Watcher) (Way, error) {
	if _, err := oci.ParseDigest(string(d.Digest)); err != nil {
		return "", err
	}
	w = orSilent(w)
	way, err := r.push(r.pushing(ctx), d, from, w)
	if err != nil {
		return "", fmt.Errorf("push %s: %w", d.Digest, err)
	}
	w.Settled(d, way)
	return way, nil
}

func (r *Repository) push(ctx context.Context, d oci.Descriptor, from Source, w Watcher) (Way, error) {
	if d.Size <= r.engine.sizes.small {
		return r.pushSmall(ctx, d, from, w)
	}
	way, err := r.pushDirect(ctx, d, from, w)
	if errors.Is(err, errNoDirect) {
		way, err = Plain, r.pushPlain(ctx, d, from, w)
	}
	return way, err
}
