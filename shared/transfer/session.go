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

// Sizes in bytes of the chunks that are tried.
const leastChunk, mostChunk = 64 << 10, 64 << 20

// maxSessions is how often an upload is begun anew because the registry no longer
// knows it.
const maxSessions = 3

// A session is an upload through a registry (spec, "Pushing a blob in chunks").
type session struct {
	at         *url.URL
	offset     int64 // how many bytes are there
	chunk      int64 // how many go into one request; 0 for all
	least      int64 // how many must
	foreseeing bool  // offset is what we think, and not what was said
}

// beginSession begins an upload.
func (r *Repository) beginSession(ctx context.Context) (s session, err error) {
	at := r.at("blobs/uploads/")
	err = r.engine.again(ctx, "begin an upload", func() error {
		resp, err := r.do(ctx, call{method: http.MethodPost, url: at}, http.StatusAccepted)
		if err != nil {
			return err
		}
		discard(resp)
		s, err = readSession(resp, at)
		return err
	})
	return s, err
}

// readSession reads where an upload is that has begun, and how it takes bytes
// (spec, and pull request 486 of it).
func readSession(resp *http.Response, asked *url.URL) (session, error) {
	at, err := follow(resp, asked)
	return session{at: at, chunk: header(resp, "OCI-Chunk-Max-Length"), least: header(resp, "OCI-Chunk-Min-Length")}, err
}

// header reads a header that is a number of bytes, 0 if there is none.
func header(resp *http.Response, name string) int64 {
	n, err := parsePosition(resp.Header.Get(name))
	if err != nil {
		return 0
	}
	return n
}

// A plainPush brings a blob through a registry.
type plainPush struct {
	r    *Repository
	d    oci.Descriptor
	from Source
	w    Watcher
	session
	moved int64 // what the Watcher has been told
	note  *note // nil if none is kept
}

// pushPlain sends a blob in one stream, or in chunks if the registry wants that, and
// goes on where the registry is after a cut.
func (r *Repository) pushPlain(ctx context.Context, d oci.Descriptor, from Source, w Watcher) error {
	return in(ctx, r.engine.streams, func() error {
		p := &plainPush{r: r, d: d, from: from, w: w}
		return p.run(ctx)
	})
}

func (p *plainPush) run(ctx context.Context) (err error) {
	p.note = p.r.engine.openNote(p.r.base, p.d.Digest)
	defer func() { p.note.close(err == nil || !worthKeeping(err)) }()
	for n := 1; ; n++ {
		if err = p.begin(ctx); err == nil {
			err = p.send(ctx)
		}
		if err == nil {
			err = p.finish(ctx)
		}
		if err == nil || n == maxSessions || !isLostUpload(err) {
			return err
		}
		p.session = session{}
		p.note.forget()
	}
}

// worthKeeping says whether another attempt may go on with the upload.
func worthKeeping(err error) bool {
	var r *refusal
	return !errors.As(err, &r) || r.passing()
}

// begin goes on with an upload, or begins one.
func (p *plainPush) begin(ctx context.Context) (err error) {
	if begun, ok := p.r.takeOpen(p.d.Digest); ok {
		p.session = begun
	} else if before, ok := p.note.read(p.r.base); ok {
		p.session = before
		if p.ask(ctx) == nil {
			return nil
		}
		p.session = session{} // the registry no longer has it
	}
	if p.session.at == nil {
		p.session, err = p.r.beginSession(ctx)
	}
	if err == nil {
		p.note.keep(p.session)
	}
	return err
}

// send sends what is not there yet.
func (p *plainPush) send(ctx context.Context) error {
	return p.r.engine.onwards(ctx, "send a blob", func() (bool, error) {
		before := p.offset
		err := p.sendAll(ctx)
		return p.offset > before, err
	})
}

func (p *plainPush) sendAll(ctx context.Context) error {
	if p.foreseeing {
		before := p.offset
		if err := p.ask(ctx); err != nil {
			return err
		}
		if p.offset == before {
			// It may count a request whole or not at all, as Berth does, or sit behind
			// a gateway that ends long ones.
			p.shrink(p.d.Size / 2)
		}
	}
	for p.tell(p.offset); p.offset < p.d.Size; p.tell(p.offset) {
		before := p.offset
		err := p.patch(ctx)
		if err == nil && p.offset <= before {
			err = fmt.Errorf("%w: the registry took bytes, and says that it has no more", errAnswer)
		}
		if err != nil {
			if err = p.recover(ctx, err); err != nil {
				return err
			}
		}
	}
	return nil
}

// recover finds out where to go on after a refusal of a chunk for its size or its
// place. Other errors are returned.
func (p *plainPush) recover(ctx context.Context, err error) error {
	p.foreseeing = true
	before := p.offset
	switch {
	case refusedWith(err, http.StatusRequestEntityTooLarge) && p.shrink(p.r.engine.sizes.chunk):
		return p.ask(ctx)
	case refusedWith(err, http.StatusRequestedRangeNotSatisfiable):
		if err := p.ask(ctx); err != nil {
			return err
		}
		if p.offset == before {
			return fmt.Errorf("%w: %w", errLost, err)
		}
		return nil
	}
	return err
}

// tell brings what the Watcher was told to n.
func (p *plainPush) tell(n int64) {
	if n != p.moved {
		p.w.Moved(p.d, n-p.moved)
		p.moved = n
	}
}

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

// abort gives up an upload.
func (p *plainPush) abort(ctx context.Context) error {
	resp, err := p.r.do(ctx, call{method: http.MethodDelete, url: p.at}, http.StatusNoContent, http.StatusOK, http.StatusAccepted, http.StatusNotFound)
	if err != nil {
		return fmt.Errorf("give up an upload: %w", err)
	}
	discard(resp)
	return nil
}
