package transfer

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"

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
func (r *Repository) pushDirect(ctx context.Context, d oci.Descriptor, from Source, w Watcher) (Way, error) {
	for n := 1; ; n++ {
		moved := &tally{d: d, w: w}
		way, err := r.pushRound(ctx, d, from, moved)
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

// isLostUpload says whether a registry does not know an upload any more.
func isLostUpload(err error) bool {
	return errors.Is(err, errLost) || refusedWith(err, http.StatusNotFound, http.StatusGone) || refusedAs(err, errcode.ErrorCodeBlobUploadUnknown)
}

func (u *upload) sign(ctx context.Context, s direct.Sign) (signed direct.Signed, err error) {
	at := u.r.at(direct.Uploads + "/" + u.status.ID + "/parts")
	err = u.r.engine.again(ctx, "sign parts", func() error { return u.r.ask(ctx, http.MethodPost, at, s, &signed) })
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
		if page.Next != 0 && page.Next <= next {
			return nil, fmt.Errorf("%w: pages of parts that do not end", errAnswer)
		}
		u.status.Received, u.status.Next = page.Received, page.Next
	}
}

// putParts sends the parts that are not there yet. The local bytes of those that
// are, are read: they must be the same.
func (u *upload) putParts(ctx context.Context, from Source) error {
	there, err := u.received(ctx)
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
	return work.Wait()
}

// buffer returns a place for a part of a Source, and how to give it back. What is
// in memory already needs none.
func (e *Engine) buffer(ctx context.Context, from Source, off, n int64) (p []byte, release func(), err error) {
	if w, ok := from.(*window); ok {
		p, err = w.slice(off, n)
		return p, func() {}, err
	}
	p, err = e.budget.get(ctx, n)
	return p, func() { e.budget.put(p) }, err
}

// put sends a part, unless it is there.
func (u *upload) put(ctx context.Context, number int, p []byte, there direct.Part) error {
	sum := sha256.Sum256(p)
	part := direct.Part{Number: number, Size: int64(len(p)), SHA256: hex.EncodeToString(sum[:])}
	if part == there {
		u.moved.grow(int64(len(p)), false)
		return nil
	}
	var target *direct.Target
	return u.send(ctx, p, func(ctx context.Context, renew bool) (direct.Target, error) {
		if target == nil || renew {
			t, err := u.signer.sign(ctx, part)
			if err != nil {
				return t, err
			}
			target = &t
		}
		return *target, nil
	})
}

// renewals is how often the URL of a part is asked for anew.
const renewals = 3

// errExpired is a URL that is refused.
var errExpired = errors.New("the store refuses the URL")

// send sends bytes to where target says, and asks it anew when that is refused.
func (u *upload) send(ctx context.Context, p []byte, target func(ctx context.Context, renew bool) (direct.Target, error)) error {
	refused, renew := 0, false
	return u.r.engine.again(ctx, "send a part", func() error {
		t, err := target(ctx, renew)
		if err != nil {
			return err
		}
		renew = false
		err = in(ctx, u.r.engine.sends, func() error { return u.sendOnce(ctx, t, p) })
		switch {
		case refusedWith(err, http.StatusForbidden, http.StatusUnauthorized) || refusedAs(err, "ExpiredToken"):
			if refused++; refused <= renewals {
				renew = true
				err = fmt.Errorf("%w: %w", errExpired, err)
			}
		case refusedWith(err, http.StatusNotFound):
			err = fmt.Errorf("%w: %w", errLost, err)
		}
		return err
	})
}

func (u *upload) sendOnce(ctx context.Context, t direct.Target, p []byte) error {
	moved := &tally{d: u.moved.d, w: u.moved.w}
	c, err := u.r.putCall(t, bytesPayload(p, moved))
	if err != nil {
		return err
	}
	resp, err := u.r.engine.askStore(ctx, c, http.StatusOK, http.StatusCreated, http.StatusNoContent)
	if err != nil {
		moved.settle(0)
		return err
	}
	discard(resp)
	moved.settle(int64(len(p)))
	u.moved.grow(int64(len(p)), true)
	return nil
}

// putWhole sends a blob that is one part. The store holds it to its digest, so
// that nothing needs to be hashed here: only when it is refused is it looked
// whose fault that is.
func (u *upload) putWhole(ctx context.Context, from Source) error {
	if len(u.status.Received) > 0 {
		u.moved.grow(u.d.Size, false)
		return nil
	}
	p, release, err := u.r.engine.buffer(ctx, from, 0, u.d.Size)
	if err != nil {
		return err
	}
	defer release()
	if err := from.ReadPart(ctx, 0, p); err != nil {
		return err
	}
	target := *u.status.Put
	err = u.send(ctx, p, func(ctx context.Context, renew bool) (t direct.Target, err error) {
		if renew {
			target, err = u.renewed(ctx)
		}
		return target, err
	})
	if refusedWith(err, http.StatusPreconditionFailed) {
		u.moved.grow(u.d.Size, false) // somebody has sent it, or we have and the answer was lost
		return nil
	}
	if refusedWith(err, http.StatusBadRequest) {
		if found := oci.AlgorithmOf(u.d.Digest).Sum(p); found != u.d.Digest {
			return wrongBytes(u.d.Digest, found)
		}
	}
	return err
}

// wrongBytes is about a blob that is not what its descriptor says.
func wrongBytes(want, found oci.Digest) error {
	return oci.ErrDigestInvalid.With(map[string]oci.Digest{"digest": want, "found": found}, "the bytes of %s are those of %s", want, found)
}

// renewed begins again, which says where the blob goes.
func (u *upload) renewed(ctx context.Context) (direct.Target, error) {
	b, err := u.r.beginBlob(ctx, u.d)
	if err != nil {
		return direct.Target{}, err
	}
	if b.Upload == nil || b.Upload.Put == nil || b.Upload.ID != u.status.ID {
		return direct.Target{}, fmt.Errorf("%w: %s", errLost, b.State)
	}
	return *b.Upload.Put, nil
}
