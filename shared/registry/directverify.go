package registry

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"time"

	"github.com/berthregistry/berth/shared/blobs"
	"github.com/berthregistry/berth/shared/direct"
	"github.com/berthregistry/berth/shared/oci"
	"github.com/berthregistry/berth/shared/table"
)

const (
	// checkpoint is how often a verification that reads an object keeps how far it
	// is, and says that it is still at it.
	checkpoint = 30 * time.Second
	// leaseLife is how long a verification that says nothing is left alone. Who
	// takes over too soon, clocks being what they are, only does work twice: the
	// one of the two that is slower changes nothing.
	leaseLife = 2 * time.Minute
	// keepTime is how long a checkpoint may take.
	keepTime = 5 * time.Second
)

// storeTime is what the store gets to join the parts, and as long again to sum the
// object: about as long as it would take to read it slowly. It does both without
// a word.
func (d delivery) storeTime() time.Duration {
	const slow = 50 << 20 // bytes a second
	return min(3*time.Minute, 20*time.Second+time.Duration(d.size/slow)*time.Second)
}

// stepLife is the lease for both.
func (d delivery) stepLife() time.Duration { return 2*d.storeTime() + 20*time.Second }

// pursue verifies an upload that is claimed, or sees to it that it is verified.
func (r *Registry) pursue(ctx context.Context, d delivery) (delivery, error) {
	if r.verifiesHere(d) {
		var err error
		if d, err = r.verifyDelivery(ctx, d); err != nil || d.state != direct.Verifying {
			return d, err
		}
	}
	return d, r.delegate(ctx, d)
}

// verifiesHere says whether who completes an upload verifies it as well.
func (r *Registry) verifiesHere(d delivery) bool { return r.later == nil || d.size <= r.inline }

// delegate has somebody else verify an upload, unless somebody does. Two who are
// told at once find out by the lease.
func (r *Registry) delegate(ctx context.Context, d delivery) error {
	if r.later == nil || d.lease.After(r.now()) {
		return nil
	}
	if err := r.later(ctx, d.repo, d.id); err != nil {
		return fmt.Errorf("start verification: %w", err)
	}
	return nil
}

// VerifyDirect verifies an upload that is complete, and publishes or removes it.
// It can be called again at any time, and twice at once: whoever comes second
// leaves it to the first, unless that has stopped, and goes on from its checkpoint.
// A little before the deadline of ctx it keeps how far it is, has itself called
// again by Options.Verify if there is one, and returns nil. So it does where there
// is nothing to verify.
//
// It asks for nobody's rights: it only ends what CompleteDirect has accepted.
func (r *Registry) VerifyDirect(ctx context.Context, repo, id string) error {
	d, err := r.anyDelivery(ctx, repo, id)
	if errors.Is(err, oci.ErrUploadUnknown) || err == nil && d.state != direct.Verifying {
		return nil
	}
	if err != nil {
		return err
	}
	before := d.verified
	d, err = r.verifyDelivery(ctx, d)
	if errors.Is(err, oci.ErrUploadUnknown) {
		return nil // it was aborted meanwhile
	}
	if err != nil {
		return err
	}
	if d.state == direct.Verifying && d.verified > before {
		return r.delegate(ctx, d)
	}
	return nil
}

// errElsewhere ends a verification whose upload somebody else has changed.
var errElsewhere = errors.New("somebody else goes on with the upload")

// verifyDelivery verifies an upload, unless somebody else does, and returns what
// has become of it.
func (r *Registry) verifyDelivery(ctx context.Context, d delivery) (delivery, error) {
	if d.lease.After(r.now()) && !d.mine {
		return d, nil
	}
	v := verification{r, d}
	switch err := v.run(ctx); {
	case errors.Is(err, errElsewhere):
		return r.anyDelivery(ctx, d.repo, d.id)
	case err != nil:
		return d, err
	}
	return v.delivery, nil
}

// A verification is one run of it. The delivery is as the table has it: each write
// depends on the one before.
type verification struct {
	*Registry
	delivery
}

// run takes the lease, finds out what the object hashes to, and ends the upload.
func (v *verification) run(ctx context.Context) error {
	if !v.mine {
		if err := v.keep(ctx, v.stepLife()); err != nil {
			return err
		}
	}
	work, cancel := ahead(ctx)
	defer cancel()
	found, err := v.find(work)
	switch {
	case errors.Is(err, errElsewhere):
		return err
	case errors.Is(err, blobs.ErrUploadLost):
		return v.fail(ctx, "")
	case err != nil:
		return v.stop(ctx, work, err)
	case found != v.digest:
		return v.fail(ctx, found)
	}
	return v.succeed(ctx)
}

// ahead returns a context that ends so long before ctx does that there is time to
// write down how far things are.
func ahead(ctx context.Context) (context.Context, context.CancelFunc) {
	end, ok := ctx.Deadline()
	if !ok {
		return context.WithCancel(ctx)
	}
	return context.WithDeadline(ctx, end.Add(-min(10*time.Second, time.Until(end)/5)))
}

// keep writes down how far the verification is, and that it goes on for so long.
// A crash behind it leaves an upload that waits for as long, and is gone on with
// from there.
func (v *verification) keep(ctx context.Context, life time.Duration) error {
	end := time.UnixMilli(0)
	if life > 0 {
		end = v.now().Add(life)
	}
	set := []table.Attr{table.N(attrVerified, v.verified), table.N(attrLease, end.UnixMilli())}
	if v.checking != nil {
		set = append(set, table.B(attrChecking, v.checking))
	}
	// What ends the work does not end this: see ahead.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), keepTime)
	defer cancel()
	next, err := v.advance(ctx, v.delivery, table.Update(deliveryKey(v.repo, v.id), set...))
	switch {
	case table.LostRace(err):
		return errElsewhere
	case err != nil:
		return err
	}
	v.delivery = next
	v.lease = end
	return nil
}

// stop ends a run that could not finish, so that the next need not wait for the
// lease to be over. That there was no time is no failure, nor that the store takes
// more of it to join the parts. A store that does not answer is one, though its
// errors too say that time is over.
func (v *verification) stop(ctx, work context.Context, cause error) error {
	err := v.keep(ctx, 0)
	if work.Err() != nil || errors.Is(cause, errJoining) {
		return err
	}
	return errors.Join(cause, err)
}

// find returns the digest of what was sent, by the cheapest way there is. Errors
// wrap blobs.ErrUploadLost where it is not there any more.
func (v *verification) find(ctx context.Context) (oci.Digest, error) {
	if v.size == 0 {
		return oci.AlgorithmOf(v.digest).Sum(nil), nil // there need be no object
	}
	sum, err := v.assemble(ctx)
	if err != nil {
		return "", err
	}
	if oci.AlgorithmOf(v.digest) != oci.SHA256 {
		return v.read(ctx)
	}
	if sum == nil && v.checking == nil {
		if sum, err = v.sum(ctx); err != nil {
			return "", err
		}
	}
	if sum == nil {
		return v.read(ctx)
	}
	v.verified = v.size
	return oci.Digest(string(oci.SHA256) + ":" + hex.EncodeToString(sum)), nil
}

// assemble makes sure that there is an object, and returns its SHA-256 if the store
// knows it already.
func (v *verification) assemble(ctx context.Context) ([]byte, error) {
	size, sum, err := int64(0), []byte(nil), blobs.ErrAbsent
	if v.parts == nil || v.multipart == "" {
		size, sum, err = v.store.Stat(ctx, v.object)
	}
	if errors.Is(err, blobs.ErrAbsent) {
		if err := v.join(ctx); err != nil {
			return nil, err
		}
		size, sum, err = v.store.Stat(ctx, v.object)
	}
	switch {
	case errors.Is(err, blobs.ErrAbsent) || err == nil && size != v.size:
		return nil, errLost
	case err != nil:
		return nil, fmt.Errorf("look for object: %w", err)
	}
	return sum, nil
}

// errLost tells of an object that has gone, or is another.
var errLost = fmt.Errorf("object is gone: %w", blobs.ErrUploadLost)

// errJoining tells of parts that the store may still be joining.
var errJoining = errors.New("the store takes its time to join the parts")

// joins is how often parts are joined that were sent again meanwhile.
const joins = 3

// join makes the object of the parts. A join that happened and was not answered
// leaves the object, and no parts.
func (v *verification) join(ctx context.Context) error {
	if v.multipart == "" {
		return errLost
	}
	ctx, cancel := context.WithTimeout(ctx, v.storeTime())
	defer cancel()
	parts := v.parts
	for n := 1; ; n++ {
		if parts == nil {
			var err error
			parts, err = v.allParts(ctx, v.delivery)
			switch {
			case errors.Is(err, blobs.ErrUploadLost):
				return nil // whoever asks for the object next knows
			case errors.Is(err, oci.ErrUploadInvalid):
				return errLost // they were others when they were accepted
			case err != nil:
				return err
			}
		}
		err := v.store.Join(ctx, v.object, v.multipart, parts)
		if err != nil && ctx.Err() != nil {
			return errJoining
		}
		if !errors.Is(err, blobs.ErrUploadLost) || n == joins {
			return err
		}
		parts = nil
	}
}

// sum has the store compute the SHA-256, nil if it does not or takes too long.
func (v *verification) sum(ctx context.Context) ([]byte, error) {
	soon, cancel := context.WithTimeout(ctx, v.storeTime())
	defer cancel()
	sum, err := v.store.Sum(soon, v.object, v.size)
	switch {
	case errors.Is(err, blobs.ErrNoSum) || err != nil && soon.Err() != nil && ctx.Err() == nil:
		return nil, nil
	case errors.Is(err, blobs.ErrAbsent):
		return nil, errLost
	case err != nil:
		return nil, fmt.Errorf("sum object: %w", err)
	}
	return sum, nil
}
