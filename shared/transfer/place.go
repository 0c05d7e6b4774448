package transfer

import (
	"context"
	"errors"
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
	switch {
	case found && place == nil:
		resp, _, err := b.fromRegistry(ctx, c)
		return resp, err
	case found:
		resp, _, err := b.fromStore(ctx, c, place)
		if refusedWith(err, http.StatusBadRequest, http.StatusUnauthorized, http.StatusForbidden, http.StatusNotFound, http.StatusGone) {
			return b.ask(ctx, c, place) // what gave access has expired
		}
		return resp, err
	}
	return b.ask(ctx, c, nil)
}

// ask asks the registry where the bytes are, if nobody else has since it said old.
func (b *remoteBlob) ask(ctx context.Context, c call, old *url.URL) (*http.Response, error) {
	if err := b.asking.Acquire(ctx, 1); err != nil {
		return nil, context.Cause(ctx)
	}
	defer b.asking.Release(1)
	b.mu.Lock()
	place, found := b.place, b.found
	b.mu.Unlock()
	if found && place != old {
		resp, _, err := b.fromStore(ctx, c, place)
		return resp, b.patient(err)
	}
	resp, place, err := b.fromRegistry(ctx, c)
	if err == nil {
		b.mu.Lock()
		b.place, b.found = place, true
		b.mu.Unlock()
	}
	return resp, b.patient(err)
}

// patient says of a new place that the store refuses at once to ask again, but not
// for long: it may not be its age. Whoever calls it is the one who asks.
func (b *remoteBlob) patient(err error) error {
	if !errors.Is(err, errExpired) {
		b.refused = 0
		return err
	}
	if b.refused++; b.refused > renewals {
		return &final{err}
	}
	return err
}

// fromRegistry returns the answer, and where it is from, which is nil for the
// registry.
func (b *remoteBlob) fromRegistry(ctx context.Context, c call) (*http.Response, *url.URL, error) {
	c.url = b.r.at("blobs/" + string(b.d.Digest))
	resp, err := b.r.do(b.r.pulling(ctx), c, orRedirect(http.StatusOK, http.StatusPartialContent)...)
	if err != nil || !isRedirect(resp.StatusCode) {
		return resp, nil, err
	}
	discard(resp)
	place, err := follow(resp, c.url)
	if err != nil {
		return nil, nil, err
	}
	return b.fromStore(ctx, c, place)
}

// fromStore goes where it is sent, and returns where it got an answer.
func (b *remoteBlob) fromStore(ctx context.Context, c call, place *url.URL) (*http.Response, *url.URL, error) {
	for range maxHops {
		c.url = place
		resp, err := b.r.engine.askStore(ctx, c, orRedirect(http.StatusOK, http.StatusPartialContent)...)
		if refusedWith(err, http.StatusUnauthorized, http.StatusForbidden) {
			err = fmt.Errorf("%w: %w", errExpired, err)
		}
		if err != nil || !isRedirect(resp.StatusCode) {
			return resp, place, err
		}
		discard(resp)
		if place, err = follow(resp, place); err != nil {
			return nil, nil, err
		}
	}
	return nil, nil, fmt.Errorf("%w: sent on more than %d times", errAnswer, maxHops)
}
