package transfer

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"sync"

	"golang.org/x/sync/errgroup"
	"oras.land/oras-go/v2/registry/remote/errcode"

	"github.com/berthregistry/berth/shared/direct"
	"github.com/berthregistry/berth/shared/oci"
)

// rounds is how often an upload is begun: another pusher may have ended it, and
// the registry may have lost it.
const rounds = 3

// errLost is an upload that is not there any more, or not as it should be.
var errLost = errors.New("the upload is gone")

// pushDirect brings a blob straight to the store. Errors: errNoDirect.
//
// Who has sent other bytes to the same upload, by the name that the registry
// knows us by, is not our fault: once, if ours are right, it is begun anew.
func (r *Repository) pushDirect(ctx context.Context, d oci.Descriptor, from Source, w Watcher) (Way, error) {
	doubted := false
	for n := 1; ; n++ {
		moved := &tally{d: d, w: w}
		way, err := r.pushRound(ctx, d, from, moved)
		if isWrong(err) && !doubted && r.engine.holds(ctx, d, from) {
			doubted, err = true, fmt.Errorf("%w: other bytes were sent to it: %w", errLost, err)
		}
		if !errors.Is(err, errLost) {
			return way, err
		}
		moved.settle(0)
		if n == rounds {
			return "", err
		}
		r.engine.log.InfoContext(ctx, "beginning an upload anew", "digest", d.Digest, "error", err)
	}
}

func (r *Repository) pushRound(ctx context.Context, d oci.Descriptor, from Source, moved *tally) (Way, error) {
	b, err := r.beginBlob(ctx, d)
	if err != nil {
		return "", err
	}
	switch b.State {
	case direct.Present:
		return There, nil
	case direct.Mounted:
		return Mounted, nil
	case direct.Small:
		return r.pushSmall(ctx, d, from, moved.w)
	}
	u := r.upload(d, *b.Upload, moved)
	switch {
	case u.status.State == direct.Done:
		return There, nil
	case u.status.State == direct.Verifying:
	case u.status.State != direct.Open:
		err = fmt.Errorf("%w: its state is %.20q", errLost, u.status.State)
	case u.status.Put != nil:
		err = u.putWhole(ctx, from)
	default:
		err = u.putParts(ctx, from)
	}
	if err != nil {
		return "", err
	}
	return Direct, u.complete(ctx, d)
}

// An upload is one to the store, in parts or in one.
type upload struct {
	r      *Repository
	d      oci.Descriptor // without a digest while that is not known
	status direct.Status
	signer signer
	moved  *tally
}

func (r *Repository) upload(d oci.Descriptor, s direct.Status, moved *tally) *upload {
	u := &upload{r: r, d: d, status: s, moved: moved}
	u.signer.ask = u.sign
	return u
}

// at returns the URL of the upload, or of something below it.
func (u *upload) at(rest string) *url.URL { return u.r.at(direct.Uploads + "/" + u.status.ID + rest) }

// isLostUpload says whether a registry does not know an upload any more.
func isLostUpload(err error) bool {
	return errors.Is(err, errLost) || refusedWith(err, http.StatusNotFound, http.StatusGone) || refusedAs(err, errcode.ErrorCodeBlobUploadUnknown)
}

func (u *upload) sign(ctx context.Context, s direct.Sign) (signed direct.Signed, err error) {
	err = u.r.engine.again(ctx, "sign parts", func() error { return u.r.ask(ctx, u.at("/parts"), s, &signed) })
	if isLostUpload(err) {
		err = fmt.Errorf("%w: %w", errLost, err)
	}
	return signed, err
}

// received returns the parts that are there, by number.
func (u *upload) received(ctx context.Context) (map[int]direct.Part, error) {
	out := map[int]direct.Part{}
	for {
		for _, p := range u.status.Received {
			out[p.Number] = p
		}
		next := u.status.Next
		if next == 0 {
			return out, nil
		}
		page, _, err := u.ask(ctx)
		if err != nil {
			return nil, err
		}
		if page.Next != 0 && page.Next <= next || page.Next > direct.MaxNumber || len(out) > direct.MaxNumber {
			return nil, fmt.Errorf("%w: pages of parts that do not end", errAnswer)
		}
		u.status.Received, u.status.Next = page.Received, page.Next
	}
}

// noneBehind gives up an upload that has parts behind the last that the blob has: who
// sent them had cut it otherwise, and parts cannot be taken back.
func (u *upload) noneBehind(ctx context.Context, there map[int]direct.Part) error {
	last := int(parts(u.d.Size, u.status.PartSize))
	for n := range there {
		if n > last {
			return errors.Join(fmt.Errorf("%w: it has part %d of %d", errLost, n, last), u.r.giveUp(ctx, u.at("")))
		}
	}
	return nil
}

// enter takes as many lanes as a blob has parts, until leave is called. A window may
// not wait for any.
func (e *Engine) enter(ctx context.Context, from Source, parts int64) (leave func(), err error) {
	if isHeld(from) {
		return func() {}, nil
	}
	lanes := min(parts, int64(e.parallel))
	if err := e.lanes.Acquire(ctx, lanes); err != nil {
		return nil, context.Cause(ctx)
	}
	return sync.OnceFunc(func() { e.lanes.Release(lanes) }), nil
}

// putParts sends the parts that are not there yet. The local bytes of those that
// are, are read: they must be the same.
//
// Blobs that could all keep the line busy go one after the other: what is sent
// first is verified while the next is sent. The next begins as soon as there
// is nothing left of the one before to begin with, whatever still is on its way.
func (u *upload) putParts(ctx context.Context, from Source) error {
	leave, err := u.r.engine.enter(ctx, from, parts(u.d.Size, u.status.PartSize))
	if err != nil {
		return err
	}
	defer leave()
	there, err := u.received(ctx)
	if err == nil {
		err = u.noneBehind(ctx, there)
	}
	if err != nil {
		return err
	}
	ranged := true
	if s, ok := from.(starter); ok {
		if ranged, err = s.start(ctx, 0, min(u.status.PartSize, u.d.Size)); err != nil {
			return err
		}
	}
	work, ctx := errgroup.WithContext(ctx)
	defer u.signer.work.Wait()
	for n, off := 1, int64(0); off < u.d.Size && ctx.Err() == nil; n, off = n+1, off+u.status.PartSize {
		size := min(u.status.PartSize, u.d.Size-off)
		p, release, err := u.r.engine.buffer(ctx, from, off, size)
		if err != nil {
			work.Go(func() error { return err })
			break
		}
		read := func() error { return from.ReadPart(ctx, off, p) }
		if !ranged { // in order, one after the other
			err := read()
			read = func() error { return err }
		}
		work.Go(func() error {
			defer release()
			if err := read(); err != nil {
				return err
			}
			return u.put(ctx, n, p, there[n])
		})
	}
	leave()
	return work.Wait()
}
