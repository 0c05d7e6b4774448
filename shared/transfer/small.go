package transfer

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"slices"

	"oras.land/oras-go/v2/registry/remote/errcode"

	"github.com/berthregistry/berth/shared/oci"
)

var octets = map[string]string{"Content-Type": "application/octet-stream"}

// pushSmall sends a blob in one request (spec, "Single POST"). Registries need not
// know it: then it takes two more.
func (r *Repository) pushSmall(ctx context.Context, d oci.Descriptor, from Source, w Watcher) (Way, error) {
	p, release, err := r.engine.buffer(ctx, from, 0, d.Size)
	if err != nil {
		return "", err
	}
	defer release()
	if err := from.ReadPart(ctx, 0, p); err != nil {
		return "", err
	}
	return Plain, r.pushBytes(ctx, d, p, w)
}

// pushBytes is pushSmall of what has been read. Where even that is too large for one
// request it goes in chunks.
func (r *Repository) pushBytes(ctx context.Context, d oci.Descriptor, p []byte, w Watcher) error {
	err := r.pushAtOnce(ctx, d, p, w)
	if refusedWith(err, http.StatusRequestEntityTooLarge) {
		s := plainPush{r: r, d: d, from: &window{p: p}, w: w}
		err = s.run(ctx)
	}
	return err
}

// pushAtOnce sends the bytes in one request. An upload that had begun may be over by
// then, or have been ended by a request whose answer was lost.
func (r *Repository) pushAtOnce(ctx context.Context, d oci.Descriptor, p []byte, w Watcher) (err error) {
	for n := 1; ; n++ {
		begun, ok := r.takeOpen(d.Digest)
		if !ok {
			if begun, err = r.post(ctx, d, p, w); begun.at == nil || err != nil {
				return err
			}
		}
		err = r.engine.again(ctx, "put a blob", func() error {
			return in(ctx, r.engine.sends, func() error { return r.put(ctx, d, begun.at, p, w) })
		})
		if n == maxSessions || !isLostUpload(err) {
			return err
		}
	}
}

// post sends the bytes with a POST. If the registry wants them otherwise, it
// returns the upload that has begun.
func (r *Repository) post(ctx context.Context, d oci.Descriptor, p []byte, w Watcher) (begun session, err error) {
	moved := &tally{d: d, w: w}
	err = r.engine.again(ctx, "post a blob", func() error {
		return in(ctx, r.engine.sends, func() error {
			c := call{method: http.MethodPost, url: withQuery(r.at("blobs/uploads/"), "digest", string(d.Digest)), header: octets, body: bytesPayload(p, moved)}
			resp, err := r.do(ctx, c, http.StatusCreated, http.StatusAccepted)
			if err != nil {
				moved.settle(0)
				return err
			}
			discard(resp)
			if resp.StatusCode == http.StatusCreated {
				moved.settle(d.Size)
				return nil
			}
			moved.settle(0)
			begun, err = readSession(resp, c.url)
			return err
		})
	})
	if err != nil && isUnknownForm(err) {
		return r.beginSession(ctx)
	}
	return begun, err
}

// isUnknownForm says whether a registry may have refused the form of a request
// rather than what it was about.
func isUnknownForm(err error) bool {
	var r *refusal
	if !errors.As(err, &r) || r.passing() || r.status < 400 || r.status >= 500 {
		return false
	}
	about := []int{http.StatusUnauthorized, http.StatusForbidden, http.StatusRequestEntityTooLarge}
	return !slices.Contains(about, r.status) && !r.has(errcode.ErrorCodeDigestInvalid, errcode.ErrorCodeDenied)
}

// put ends an upload with these bytes.
func (r *Repository) put(ctx context.Context, d oci.Descriptor, at *url.URL, p []byte, w Watcher) error {
	moved := &tally{d: d, w: w}
	c := call{method: http.MethodPut, url: withQuery(at, "digest", string(d.Digest)), header: octets, body: bytesPayload(p, moved), wait: r.engine.pace.commit}
	resp, err := r.do(ctx, c, http.StatusCreated, http.StatusNoContent, http.StatusOK)
	if err != nil {
		moved.settle(0)
		return err
	}
	discard(resp)
	moved.settle(d.Size)
	return nil
}

// takeOpen returns the upload of a digest that has begun, once.
func (r *Repository) takeOpen(d oci.Digest) (session, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	s, ok := r.open[d]
	delete(r.open, d)
	return s, ok
}
