package transfer

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strconv"

	"github.com/berthregistry/berth/shared/oci"
)

// get asks for a range, and returns an answer that begins there or, if ranges
// are not known, at the beginning.
func (b *remoteBlob) get(ctx context.Context, off, n int64) (*opened, error) {
	resp, err := b.fetch(ctx, off, n)
	if err != nil {
		return nil, err
	}
	start, err := b.begins(resp, off, n)
	if err != nil {
		_ = resp.Body.Close()
		return nil, err
	}
	if resp.StatusCode == http.StatusOK {
		b.mu.Lock()
		b.whole = b.whole || n < b.d.Size
		b.mu.Unlock()
	}
	return &opened{start, resp.Body}, nil
}

// begins returns where the body of an answer begins in the blob.
func (b *remoteBlob) begins(resp *http.Response, off, n int64) (int64, error) {
	if resp.StatusCode == http.StatusOK {
		if size := resp.ContentLength; size >= 0 && size != b.d.Size {
			return 0, oci.ErrSizeInvalid.With(nil, "%s should have %d bytes and has %d", b.d.Digest, b.d.Size, size)
		}
		return 0, nil
	}
	first, last, size, err := parseContentRange(resp.Header.Get("Content-Range"))
	if err != nil {
		return 0, err
	}
	if size >= 0 && size != b.d.Size {
		return 0, oci.ErrSizeInvalid.With(nil, "%s should have %d bytes and has %d", b.d.Digest, b.d.Size, size)
	}
	if first != off || last < first || last >= off+n {
		return 0, fmt.Errorf("%w: asked for bytes %d-%d, and was sent %d-%d", errAnswer, off, off+n-1, first, last)
	}
	return first, nil
}

// fetch sends a request to where the bytes are, as far as that is known.
func (b *remoteBlob) fetch(ctx context.Context, off, n int64) (*http.Response, error) {
	c := call{method: http.MethodGet, header: map[string]string{
		"Range":           "bytes=" + strconv.FormatInt(off, 10) + "-" + strconv.FormatInt(off+n-1, 10),
		"Accept-Encoding": "identity", // net/http would else decode what the store says is compressed
	}}
	b.mu.Lock()
	place, found := b.place, b.found
	b.mu.Unlock()
	if !found {
		return b.ask(ctx, c, nil)
	}
	resp, _, err := b.from(ctx, c, place)
	if place != nil && refusedWith(err, http.StatusBadRequest, http.StatusUnauthorized, http.StatusForbidden, http.StatusNotFound, http.StatusGone) {
		return b.ask(ctx, c, place) // what gave access has expired
	}
	return resp, err
}

// ask asks the registry where the bytes are, if nobody else has since it said old.
func (b *remoteBlob) ask(ctx context.Context, c call, old *url.URL) (*http.Response, error) {
	if err := b.asking.Acquire(ctx, 1); err != nil {
		return nil, context.Cause(ctx)
	}
	defer b.asking.Release(1)
	b.mu.Lock()
	place := b.place
	b.mu.Unlock()
	if place == old {
		place = nil
	}
	resp, at, err := b.from(ctx, c, place)
	if err == nil && place == nil {
		b.mu.Lock()
		b.place, b.found = at, true
		b.mu.Unlock()
	}
	return resp, b.patient(at, err)
}

// patient says of a new place that the store refuses at once to ask again, but not
// for long: it may not be its age. Whoever calls it is the one who asks.
func (b *remoteBlob) patient(at *url.URL, err error) error {
	if at == nil || !refusedWith(err, http.StatusUnauthorized, http.StatusForbidden) {
		b.refused = 0
		return err
	}
	err = fmt.Errorf("%w: %w", errExpired, err)
	if b.refused++; b.refused > renewals {
		return &final{err}
	}
	return err
}

// from asks for bytes at a place, and returns where it got an answer. Nil is the
// registry itself.
func (b *remoteBlob) from(ctx context.Context, c call, place *url.URL) (*http.Response, *url.URL, error) {
	if place != nil {
		c.url = place
		return b.r.engine.askOn(ctx, c, http.StatusOK, http.StatusPartialContent)
	}
	c.url = b.r.at("blobs/" + string(b.d.Digest))
	return b.r.doOn(b.r.pulling(ctx), c, http.StatusOK, http.StatusPartialContent)
}
