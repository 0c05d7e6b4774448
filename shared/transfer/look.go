package transfer

import (
	"context"
	"fmt"
	"net/http"
	"sync"

	"golang.org/x/sync/errgroup"
	"oras.land/oras-go/v2/registry/remote/auth"

	"github.com/berthregistry/berth/shared/oci"
)

// standPlain asks for each by itself.
func (r *Repository) standPlain(ctx context.Context, blobs, manifests []oci.Descriptor, from []string) (Standing, error) {
	out, mu := Standing{}, sync.Mutex{}
	work, ctx := errgroup.WithContext(ctx)
	work.SetLimit(r.engine.parallel)
	stand := func(d oci.Descriptor, look func() (Way, error)) {
		work.Go(func() error {
			way, err := look()
			if err != nil {
				return fmt.Errorf("look for %s: %w", d.Digest, err)
			}
			if way != "" {
				mu.Lock()
				out[d.Digest] = way
				mu.Unlock()
			}
			return nil
		})
	}
	for _, d := range manifests {
		stand(d, func() (Way, error) { return r.look(ctx, "manifests/"+string(d.Digest)) })
	}
	for _, d := range blobs {
		stand(d, func() (Way, error) { return r.lookOrMount(ctx, d.Digest, from) })
	}
	return out, work.Wait()
}

func (r *Repository) lookOrMount(ctx context.Context, d oci.Digest, from []string) (Way, error) {
	way, err := r.look(ctx, "blobs/"+string(d))
	if way != "" || err != nil {
		return way, err
	}
	for _, other := range from {
		if way, err = r.mount(ctx, d, other); way != "" || err != nil {
			return way, err
		}
	}
	return "", nil
}

// acceptManifests is what a HEAD of a manifest accepts: whichever there is.
const acceptManifests = "application/vnd.oci.image.index.v1+json, application/vnd.oci.image.manifest.v1+json, " +
	"application/vnd.docker.distribution.manifest.list.v2+json, application/vnd.docker.distribution.manifest.v2+json, */*"

// look returns There or nothing.
func (r *Repository) look(ctx context.Context, path string) (way Way, err error) {
	err = r.engine.again(ctx, "look", func() error {
		resp, err := r.lookBy(ctx, http.MethodHead, path)
		if refusedWith(err, http.StatusMethodNotAllowed) {
			resp, err = r.lookBy(ctx, http.MethodGet, path)
		}
		if refusedWith(err, http.StatusNotFound) {
			return nil
		}
		if err != nil {
			return err
		}
		discard(resp)
		way = There
		return nil
	})
	return way, err
}

// lookBy asks for something, and does not want to have it.
func (r *Repository) lookBy(ctx context.Context, method, path string) (*http.Response, error) {
	c := call{method: method, url: r.at(path), header: map[string]string{"Accept": acceptManifests}}
	if method == http.MethodGet {
		c.header["Range"] = "bytes=0-0" // which nothing satisfies of what is empty
	}
	resp, _, err := r.doOn(ctx, c, http.StatusOK, http.StatusPartialContent, http.StatusRequestedRangeNotSatisfiable)
	return resp, err
}

// has says whether the blob is there, as far as can be told.
func (r *Repository) has(ctx context.Context, d oci.Digest) bool {
	way, err := r.look(ctx, "blobs/"+string(d))
	return err == nil && way == There
}

// mount returns Mounted, or nothing and then keeps the upload that has begun.
func (r *Repository) mount(ctx context.Context, d oci.Digest, from string) (way Way, err error) {
	if !oci.ValidName(from) || from == r.repo.Reference.Repository {
		return "", nil
	}
	other := r.repo.Reference
	other.Repository = from
	ctx = auth.AppendRepositoryScope(ctx, other, auth.ActionPull)
	at := withQuery(withQuery(r.at("blobs/uploads/"), "mount", string(d)), "from", from)
	err = r.engine.again(ctx, "mount a blob", func() error {
		resp, err := r.do(ctx, call{method: http.MethodPost, url: at}, http.StatusCreated, http.StatusAccepted)
		if err != nil {
			return err
		}
		discard(resp)
		if resp.StatusCode == http.StatusCreated {
			way = Mounted
			return nil
		}
		begun, err := readSession(resp, at)
		if err == nil {
			r.mu.Lock()
			r.open[d] = begun
			r.mu.Unlock()
		}
		return err
	})
	if isNotMountable(err) {
		return "", nil
	}
	return way, err
}

// isNotMountable says whether a blob, though it cannot be mounted, may still be
// pushed.
func isNotMountable(err error) bool {
	return refusedWith(err, http.StatusBadRequest, http.StatusUnauthorized, http.StatusForbidden, http.StatusNotFound, http.StatusMethodNotAllowed)
}
