package registry

import (
	"context"
	"errors"
	"fmt"

	"github.com/berthregistry/berth/shared/blobs"
	"github.com/berthregistry/berth/shared/direct"
	"github.com/berthregistry/berth/shared/oci"
	"github.com/berthregistry/berth/shared/table"
)

// CompleteDirect ends an upload all of whose parts are there. What is not too
// large it verifies and publishes before it returns: the state is done. Otherwise
// that is on its way elsewhere: the state is verifying. Asked again it says the
// same, and starts a verification that has stopped.
//
// Where parts are missing the upload stays open. Where the bytes are not those of
// the digest it is over, and they are gone; to begin is to begin anew.
//
// Errors: oci.ErrUploadUnknown, oci.ErrUploadInvalid, oci.ErrSizeInvalid,
// oci.ErrDigestInvalid, oci.ErrDenied, oci.ErrUnsupported.
func (r *Registry) CompleteDirect(ctx context.Context, repo, id string, c direct.Complete) (direct.Status, error) {
	ctx, cancel := unbroken(ctx)
	defer cancel()
	d, err := r.claimed(ctx, repo, id, c)
	if err != nil {
		return direct.Status{}, err
	}
	if d.state == direct.Verifying {
		if d, err = r.pursue(ctx, d); err != nil {
			return direct.Status{}, err
		}
	}
	if d.state == direct.Open {
		return direct.Status{}, unknownUpload(id) // it was aborted, and this is another
	}
	return d.status(), d.failure()
}

// failure is what a client is told of an upload that failed.
func (d delivery) failure() error {
	switch {
	case d.state != direct.Failed:
		return nil
	case d.found == "":
		return oci.ErrUploadInvalid.With(nil, "the upload lost its bytes, begin anew")
	}
	return wrongDigest(d.found, d.digest)
}

// claimed returns the upload as one that takes no more parts and ends as this
// digest, whether or not it did so before.
func (r *Registry) claimed(ctx context.Context, repo, id string, c direct.Complete) (d delivery, err error) {
	err = decide(ctx, func() error {
		if d, err = r.delivery(ctx, repo, id); err != nil {
			return err
		}
		if err := d.mayEndAs(c); err != nil || d.state != direct.Open {
			return err
		}
		d, err = r.claimDelivery(ctx, d, c)
		return err
	})
	return d, err
}

// mayEndAs fails if an upload was begun, or ended, as something else.
func (d delivery) mayEndAs(c direct.Complete) error {
	switch {
	case d.digest != "" && d.digest != c.Digest && d.state != direct.Open:
		return unknownUpload(d.id)
	case d.digest != "" && d.digest != c.Digest:
		return oci.ErrDigestInvalid.With(map[string]string{"digest": string(d.digest)}, "the upload was begun as %s, not %s", d.digest, c.Digest)
	case d.size >= 0 && d.size != c.Size:
		return oci.ErrSizeInvalid.With(map[string]int64{"size": d.size}, "the upload has %d bytes, not %d", d.size, c.Size)
	}
	return nil
}

// claimDelivery settles what an upload ends as, once all its parts are there, and
// takes the lease if this request goes on. A crash behind it leaves an upload that
// the same request, sent again, goes on with; so does a verification.
func (r *Registry) claimDelivery(ctx context.Context, d delivery, c direct.Complete) (_ delivery, err error) {
	d.digest, d.size, d.remember = c.Digest, c.Size, r.remembers()
	d.parts, err = r.allParts(ctx, d)
	if errors.Is(err, blobs.ErrUploadLost) {
		err = oci.ErrUploadUnknown.With(nil, "what was sent is lost, begin anew")
	}
	if err != nil {
		return d, err
	}
	set := []table.Attr{
		table.S(attrState, string(direct.Verifying)), table.S(attrDigest, string(d.digest)), table.N(attrSize, d.size),
	}
	if d.remember {
		set = append(set, table.N(attrRemember, 1))
	}
	if r.verifiesHere(d) {
		d.mine, d.lease = true, r.now().Add(d.stepLife())
		set = append(set, table.N(attrLease, d.lease.UnixMilli()))
	}
	d.state = direct.Verifying
	return r.advance(ctx, d, table.Update(deliveryKey(d.repo, d.id), set...).Until(r.until(d)))
}

// advance changes a direct upload that nobody has changed since it was read.
// Errors that table.LostRace knows mean that somebody has.
func (r *Registry) advance(ctx context.Context, d delivery, change table.Action) (delivery, error) {
	tx := table.Tx{Token: table.NewToken(), Actions: []table.Action{change.When(d.seen())}}
	if err := r.send(ctx, tx); err != nil {
		return d, fmt.Errorf("keep upload: %w", err)
	}
	d.version = tx.Token
	return d, nil
}

// allParts returns the parts of an upload, in order. It fails with
// oci.ErrUploadInvalid unless they make a blob of its size. Errors wrap
// blobs.ErrUploadLost where there are none any more.
func (r *Registry) allParts(ctx context.Context, d delivery) ([]blobs.Part, error) {
	var all []blobs.Part
	for after, more := 0, true; more; {
		var parts []blobs.Part
		var err error
		if parts, more, err = d.received(ctx, after); err != nil {
			return nil, err
		}
		if len(parts) == 0 {
			break
		}
		all, after = append(all, parts...), parts[len(parts)-1].Number
	}
	return all, d.addsUp(all, r.measures.least)
}

// mostMissing bounds the numbers of missing parts that an error names.
const mostMissing = 100

// A shortfall is the detail of an error about parts that do not make the blob.
type shortfall struct {
	Missing  []int `json:"missing,omitempty"` // the first numbers of them, if they have the size that is best
	Received int64 `json:"received"`          // bytes
	Size     int64 `json:"size"`
}

// addsUp fails unless these parts are all that the blob has.
func (d delivery) addsUp(parts []blobs.Part, least int64) error {
	s := shortfall{Size: d.size}
	next, left := 1, d.size
	for i, p := range parts {
		for ; next < p.Number; next++ {
			s.miss(next)
			left -= d.partSize
		}
		next = p.Number + 1
		left -= p.Size
		s.Received += p.Size
		if p.Size < least && i < len(parts)-1 {
			return oci.ErrUploadInvalid.With(map[string]int{"part": p.Number},
				"part %d has %d bytes; all but the last must have %d", p.Number, p.Size, least)
		}
	}
	for ; left > 0 && next <= direct.MaxNumber; left -= d.partSize {
		s.miss(next)
		next++
	}
	if s.Received != d.size || len(s.Missing) > 0 {
		return oci.ErrUploadInvalid.With(s, "the parts have %d bytes, the blob has %d", s.Received, s.Size)
	}
	return nil
}

func (s *shortfall) miss(number int) {
	if len(s.Missing) < mostMissing {
		s.Missing = append(s.Missing, number)
	}
}
