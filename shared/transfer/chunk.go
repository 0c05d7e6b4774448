package transfer

import (
	"context"
	"fmt"
	"net/http"
	"strconv"
)

// Sizes in bytes of the chunks that are tried.
const leastChunk, mostChunk = 64 << 10, 64 << 20

// patch sends one chunk, or all that is left.
func (p *plainPush) patch(ctx context.Context) error {
	size := p.d.Size - p.offset
	header := map[string]string{"Content-Type": "application/octet-stream"}
	if p.chunk > 0 {
		size = min(size, max(p.chunk, p.least))
	}
	if p.offset > 0 || size < p.d.Size {
		header["Content-Range"] = strconv.FormatInt(p.offset, 10) + "-" + strconv.FormatInt(p.offset+size-1, 10)
	}
	body, err := p.r.engine.streamPayload(ctx, p.d, p.from, p.offset, size, p.w)
	if err != nil {
		return err
	}
	c := call{method: http.MethodPatch, url: p.at, header: header, body: body, wait: p.r.engine.pace.commit}
	resp, err := p.r.do(ctx, c, http.StatusAccepted, http.StatusNoContent, http.StatusOK, http.StatusCreated)
	if err != nil {
		c.body.moved.settle(0)
		return err
	}
	c.body.moved.settle(size)
	p.moved += size
	return p.accept(resp, p.offset+size)
}

// accept reads how far the registry is; it may say nothing, which means all that
// was sent.
func (p *plainPush) accept(resp *http.Response, sent int64) (err error) {
	discard(resp)
	if resp.Header.Get("Location") != "" {
		if p.at, err = follow(resp, p.at); err != nil {
			return err
		}
		p.note.keep(p.session)
	}
	p.foreseeing = false
	p.offset = sent
	if v := resp.Header.Get("Range"); v != "" {
		if p.offset, err = parseReceived(v); err != nil {
			return err
		}
	}
	if p.offset > p.d.Size {
		return fmt.Errorf("%w: the registry has %d bytes of a blob of %d", errAnswer, p.offset, p.d.Size)
	}
	return nil
}

// ask asks how far the registry is.
func (p *plainPush) ask(ctx context.Context) error {
	resp, err := p.r.do(ctx, call{method: http.MethodGet, url: p.at}, http.StatusNoContent, http.StatusOK, http.StatusAccepted)
	if err != nil {
		return err
	}
	if resp.Header.Get("Range") == "" {
		discard(resp)
		return fmt.Errorf("%w: no Range of an upload", errAnswer)
	}
	return p.accept(resp, 0)
}

// shrink makes chunks smaller: this size at most, or else half of what they are. It
// says whether they can be.
func (p *plainPush) shrink(most int64) bool {
	if p.chunk > 0 {
		most = min(most, p.chunk/2)
	}
	if most < max(leastChunk, p.least) {
		return false
	}
	p.chunk = min(most, mostChunk)
	return true
}

// finish has the registry make a blob of the upload.
func (p *plainPush) finish(ctx context.Context) error {
	c := call{method: http.MethodPut, url: withQuery(p.at, "digest", string(p.d.Digest)), header: octets, wait: p.r.engine.pace.commit}
	sent := false
	return p.r.engine.again(ctx, "finish an upload", func() error {
		resp, err := p.r.do(ctx, c, http.StatusCreated, http.StatusNoContent, http.StatusOK)
		if err == nil {
			discard(resp)
			return nil
		}
		if sent && isLostUpload(err) && p.r.has(ctx, p.d.Digest) {
			return nil // it happened, and the answer was lost
		}
		sent = true
		return err
	})
}
