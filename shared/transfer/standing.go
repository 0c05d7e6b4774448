package transfer

import (
	"context"
	"errors"
	"slices"

	"oras.land/oras-go/v2/registry/remote/auth"

	"github.com/berthregistry/berth/shared/direct"
	"github.com/berthregistry/berth/shared/oci"
)

// Standing says which of these the repository has, and has it mount blobs from the
// other repositories of its registry where it can. What it leaves out is to be
// pushed; for that it may have begun uploads, which Push goes on with. A
// registry that knows direct transfer is asked once for up to 100 blobs.
func (r *Repository) Standing(ctx context.Context, blobs, manifests []oci.Descriptor, from []string) (Standing, error) {
	for _, d := range append(blobs[:len(blobs):len(blobs)], manifests...) {
		if _, err := oci.ParseDigest(string(d.Digest)); err != nil {
			return nil, err
		}
	}
	ctx = r.pushing(ctx)
	out, err := r.standDirect(ctx, blobs, manifests, from)
	if errors.Is(err, errNoDirect) {
		return r.standPlain(ctx, blobs, manifests, from)
	}
	return out, err
}

// standDirect asks about all of them, up to 100 at once.
func (r *Repository) standDirect(ctx context.Context, blobs, manifests []oci.Descriptor, from []string) (Standing, error) {
	wanted := make([]direct.Wanted, len(blobs))
	for i, d := range blobs {
		wanted[i] = direct.Wanted{Digest: d.Digest, Size: d.Size}
	}
	names := make([]oci.Digest, len(manifests))
	for i, d := range manifests {
		names[i] = d.Digest
	}
	out := Standing{}
	for len(wanted) > 0 || len(names) > 0 {
		var b direct.Begin
		b.Blobs, wanted = cut(wanted, direct.MaxBlobs)
		b.Manifests, names = cut(names, direct.MaxBlobs)
		begun, err := r.beginFrom(ctx, b, from)
		if errors.Is(err, errNoSource) {
			from = nil
			begun, err = r.beginFrom(ctx, b, nil)
		}
		if err != nil {
			return nil, err
		}
		r.note(begun, out)
	}
	return out, nil
}

// beginFrom is begin of blobs that may be mounted from other repositories, which
// takes a login for those.
func (r *Repository) beginFrom(ctx context.Context, b direct.Begin, from []string) (direct.Begun, error) {
	from = r.sources(from)
	for _, other := range from {
		ref := r.repo.Reference
		ref.Repository = other
		ctx = auth.AppendRepositoryScope(ctx, ref, auth.ActionPull)
	}
	b.Blobs = slices.Clone(b.Blobs)
	for i := range b.Blobs {
		if len(from) == 1 { // of several, the registry finds the one
			b.Blobs[i].From = from[0]
		}
	}
	return r.begin(ctx, b)
}

// sources are the other repositories that can be named.
func (r *Repository) sources(from []string) (out []string) {
	for _, name := range from {
		if len(out) < direct.MaxSources && oci.ValidName(name) && name != r.repo.Reference.Repository {
			out = append(out, name)
		}
	}
	return out
}

func cut[T any](from []T, n int) (head, rest []T) {
	n = min(n, len(from))
	return from[:n], from[n:]
}

// note keeps the uploads that have begun, and says what is there.
func (r *Repository) note(begun direct.Begun, out Standing) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, b := range begun.Blobs {
		switch b.State {
		case direct.Present:
			out[b.Digest] = There
		case direct.Mounted:
			out[b.Digest] = Mounted
		case direct.Upload:
			r.begun[b.Digest] = b
		}
	}
	for _, m := range begun.Manifests {
		if m.Present {
			out[m.Digest] = There
		}
	}
}
