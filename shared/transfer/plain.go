package transfer

import (
	"context"
	"fmt"
	"net/http"

	"github.com/berthregistry/berth/shared/oci"
)

// maxSessions is how often an upload is begun anew because the registry no longer
// knows it.
const maxSessions = 3

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
	places := r.engine.streams
	if isHeld(from) { // it may not wait for a stream
		places = r.engine.sends
	}
	return in(ctx, places, func() error {
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
	return !isRefusal(err) || isPassing(err)
}

// begin goes on with an upload, or begins one.
func (p *plainPush) begin(ctx context.Context) (err error) {
	if begun, ok := p.r.takeOpen(p.d.Digest); ok {
		p.session = begun
	} else if before, ok := p.note.read(p.r.base); ok {
		p.session = before
		if p.r.engine.again(ctx, "go on with an upload", func() error { return p.ask(ctx) }) == nil {
			if p.offset == 0 { // it counts a request whole or not at all
				p.shrink(p.d.Size / 2)
			}
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
