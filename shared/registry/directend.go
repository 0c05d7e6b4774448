package registry

import (
	"context"
	"errors"

	"github.com/berthregistry/berth/shared/blobs"
	"github.com/berthregistry/berth/shared/direct"
	"github.com/berthregistry/berth/shared/oci"
	"github.com/berthregistry/berth/shared/table"
)

// succeed publishes what was verified.
//
// Where the blob is here already, the object was never anything but marked, and
// goes. Otherwise its mark is taken away first: a blob that is published before
// would be taken away by the broom if a crash came between. A crash between the
// two, as it is, leaves an object without a mark that only the upload names: the
// next request that goes on with it, or begins in its place, sees to it. If none
// comes for uploadLife, that object is the collector's.
func (v *verification) succeed(ctx context.Context) error {
	d := v.delivery
	d.verified = d.size
	a := arrival{
		repo: d.repo, digest: d.digest, blob: newBlob{size: d.size, object: d.object},
		ready:     func(ctx context.Context) error { return v.store.Keep(ctx, d.object) },
		last:      []table.Action{v.conclude(d, direct.Done, "")},
		overtaken: func(ctx context.Context) (bool, error) { return v.doneBy(ctx, d) },
	}
	if d.size == 0 {
		a.blob, a.ready = newBlob{}, nil
	}
	if d.remember {
		a.last = append(a.last, v.note(d.repo, node{Digest: d.digest}, d.by))
	}
	err := v.onBehalf(d.name).publish(ctx, a)
	switch {
	case errors.Is(err, blobs.ErrAbsent) || errors.Is(err, oci.ErrUploadUnknown):
		return errElsewhere // it was aborted, or begun anew
	case err != nil:
		return v.stop(ctx, ctx, err)
	}
	if d.size == 0 {
		v.abandon(ctx, d)
	}
	d.state = direct.Done
	v.delivery = d
	return nil
}

// doneBy says whether somebody else published the same upload.
func (r *Registry) doneBy(ctx context.Context, d delivery) (bool, error) {
	now, err := r.anyDelivery(ctx, d.repo, d.id)
	switch {
	case err != nil:
		return false, err
	case now.state == direct.Done && now.digest == d.digest:
		return true, nil
	case now.version != d.version:
		return false, unknownUpload(d.id)
	}
	return false, nil
}

// fail ends an upload whose bytes are those of another digest, or "" where they
// are lost. A crash behind the first step leaves an object that is marked.
func (v *verification) fail(ctx context.Context, found oci.Digest) error {
	ctx, cancel := settle(ctx)
	defer cancel()
	err := v.commit(ctx, v.conclude(v.delivery, direct.Failed, found))
	if table.LostRace(err) {
		return errElsewhere
	}
	if err != nil {
		return err
	}
	v.state, v.found = direct.Failed, found
	v.abandon(ctx, v.delivery)
	return nil
}
