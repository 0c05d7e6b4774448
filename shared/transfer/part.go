package transfer

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"sync"

	"oras.land/oras-go/v2/registry/remote/errcode"

	"github.com/berthregistry/berth/shared/direct"
	"github.com/berthregistry/berth/shared/oci"
)

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
	return u.send(ctx, parcel{p: p, target: func(ctx context.Context, renew bool) (direct.Target, error) {
		if target == nil || renew {
			t, err := u.signer.sign(ctx, part)
			if err != nil {
				return t, err
			}
			target = &t
		}
		return *target, nil
	}})
}

// A parcel is bytes on their way to the store.
type parcel struct {
	p []byte
	// target says where they go; anew, if what it said is no longer good.
	target func(ctx context.Context, renew bool) (direct.Target, error)
	// fault is an error if the bytes are to blame for it that the store found them to
	// be others than it was told, and not the way there. Nil if they never are.
	fault func() error
}

// renewals is how often the URL of a part is asked for anew.
const renewals = 3

// Refusals of the store after which the same bytes are sent again.
var (
	errExpired = errors.New("the store refuses the URL")
	errDamaged = errors.New("the bytes were damaged on their way")
)

// damaged are the codes by which a store says that bytes are not those that were
// signed for.
var damaged = []string{"BadDigest", "InvalidDigest", "XAmzContentSHA256Mismatch", "XAmzContentChecksumMismatch", "IncompleteBody"}

// send sends a parcel, and asks where to anew when that is refused.
func (u *upload) send(ctx context.Context, c parcel) error {
	refused, renew := 0, false
	return u.r.engine.again(ctx, "send a part", func() error {
		t, err := c.target(ctx, renew)
		if err != nil {
			return err
		}
		renew = false
		err = in(ctx, u.r.engine.sends, func() error { return u.sendOnce(ctx, t, c.p) })
		switch {
		case refusedWith(err, http.StatusForbidden, http.StatusUnauthorized) || refusedAs(err, "ExpiredToken"):
			if refused++; refused <= renewals {
				renew = true
				err = fmt.Errorf("%w: %w", errExpired, err)
			}
		case refusedWith(err, http.StatusNotFound):
			err = fmt.Errorf("%w: %w", errLost, err)
		case refusedWith(err, http.StatusBadRequest):
			if c.fault != nil && c.fault() != nil {
				return c.fault()
			}
			if refusedAs(err, damaged...) {
				err = fmt.Errorf("%w: %w", errDamaged, err)
			}
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
	err = u.send(ctx, parcel{p, func(ctx context.Context, renew bool) (t direct.Target, err error) {
		if renew {
			target, err = u.renewed(ctx)
		}
		return target, err
	}, sync.OnceValue(func() error { return verify(u.d.Digest, p) })})
	if refusedWith(err, http.StatusPreconditionFailed) {
		u.moved.grow(u.d.Size, false) // somebody has sent it, or we have and the answer was lost
		return nil
	}
	return err
}

// verify says whether bytes are those of a digest.
func verify(d oci.Digest, p []byte) error {
	if found := oci.AlgorithmOf(d).Sum(p); found != d {
		return wrongBytes(d, found)
	}
	return nil
}

// isWrong says whether err is that the bytes of a blob are others.
func isWrong(err error) bool {
	return errors.Is(err, oci.ErrDigestInvalid) || refusedAs(err, errcode.ErrorCodeDigestInvalid)
}

// holds says whether a Source has the bytes of a blob.
func (e *Engine) holds(ctx context.Context, d oci.Descriptor, from Source) bool {
	if w, ok := from.(*window); ok {
		p, err := w.slice(0, d.Size)
		return err == nil && verify(d.Digest, p) == nil
	}
	algorithm := oci.AlgorithmOf(d.Digest)
	h := algorithm.Hash()
	r := e.read(ctx, from, 0, d.Size)
	defer r.close()
	for {
		p, err := r.next()
		if err != nil {
			return err == io.EOF && algorithm.Digest(h) == d.Digest
		}
		h.Write(p)
		r.release(p)
	}
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
