package mirror

import (
	"context"
	"net/http"
	"sync"

	"golang.org/x/sync/errgroup"
	"oras.land/oras-go/v2/registry"
	"oras.land/oras-go/v2/registry/remote"

	"github.com/berthregistry/berth/shared/oci"
	"github.com/berthregistry/berth/shared/transfer"
)

// Unchanged returns a target for a dry run: what is there is asked for one by
// one, and nothing is mounted or begun.
func (r *Remote) Unchanged() Target { return unchanged{r} }

type unchanged struct{ *Remote }

// Standing implements Target. Mounted is what could be.
func (u unchanged) Standing(ctx context.Context, blobs, manifests []oci.Descriptor) (transfer.Standing, error) {
	standing := transfer.Standing{}
	var mu sync.Mutex
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(defaultParallel)
	ask := func(d oci.Descriptor, look func(context.Context, oci.Descriptor) (transfer.Way, error)) {
		group.Go(func() error {
			way, err := look(ctx, d)
			mu.Lock()
			defer mu.Unlock()
			if way != "" {
				standing[d.Digest] = way
			}
			return err
		})
	}
	for _, d := range blobs {
		ask(d, u.blob)
	}
	for _, d := range manifests {
		ask(d, func(ctx context.Context, d oci.Descriptor) (transfer.Way, error) {
			return wayIf(ctx, u.Repo.Manifests(), d, transfer.There)
		})
	}
	return standing, group.Wait()
}

// blob looks for a blob in the repository, then in those it may be mounted from.
func (u unchanged) blob(ctx context.Context, d oci.Descriptor) (transfer.Way, error) {
	way, err := wayIf(ctx, u.Repo.Blobs(), d, transfer.There)
	for _, name := range u.From {
		if way != "" || err != nil {
			break
		}
		other := &remote.Repository{Client: u.Repo.Client, Reference: u.Repo.Reference, PlainHTTP: u.Repo.PlainHTTP}
		other.Reference.Repository = name
		way, err = wayIf(ctx, other.Blobs(), d, transfer.Mounted)
	}
	return way, err
}

// wayIf returns a way if a store has something. A registry that does not say has
// not.
func wayIf(ctx context.Context, in registry.BlobStore, d oci.Descriptor, way transfer.Way) (transfer.Way, error) {
	there, err := in.Exists(ctx, d)
	if isRefusal(err, http.StatusMethodNotAllowed) {
		return "", nil
	}
	if !there {
		return "", err
	}
	return way, err
}
