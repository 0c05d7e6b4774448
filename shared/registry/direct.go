package registry

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/google/uuid"

	"github.com/berthregistry/berth/shared/blobs"
	"github.com/berthregistry/berth/shared/direct"
	"github.com/berthregistry/berth/shared/oci"
	"github.com/berthregistry/berth/shared/table"
)

// Direct transfer: the bytes of a large blob go straight from the client to the
// blob store, and are nobody's there before they have been verified.
//
// What a client sends lies under a key of its own and is marked as unverified,
// so that the store's broom removes what is never finished. To finish is, in this
// order: all parts are there; the upload is claimed for one digest; the parts are
// joined; the object is verified; its mark is taken away; the blob is published.
// Each step can be done again, and two who do them at once do no harm.

// Attributes of direct upload items, beside those of plain ones.
const (
	attrMultipart = "multipart" // what the store calls the parts, none if the blob is one PUT
	attrPartSize  = "partSize"
	attrBegun     = "begun"    // Unix seconds
	attrName      = "name"     // of who began it, none for nobody in particular: see Rights.By
	attrRemember  = "remember" // 1: who has sent it is to be remembered
	attrVerified  = "verified" // bytes read again
	attrChecking  = "checking" // the state of the hash over these
	attrLease     = "lease"    // Unix milliseconds until which somebody verifies
	attrFound     = "found"    // on a failed one: what it hashes to, none if its bytes were lost
)

// measures are the sizes that direct uploads go by, in bytes. They are fields of
// the registry only so that tests can be about little.
type measures struct {
	small int64 // a blob up to that is sent in one POST
	part  int64 // the part size where more are not needed
	least int64 // of a part, but the last
	span  int64 // read at once to verify
	unit  int64 // part sizes are multiples of it
}

var usualMeasures = measures{small: 4 << 20, part: 16 << 20, least: direct.MinPart, span: 8 << 20, unit: 1 << 20}

// partSize is how large the parts of a blob are best: so that they are few, and
// never more than there can be. A size below 0 is not known.
func (m measures) partSize(size int64) int64 {
	needed := (size + direct.MaxNumber - 1) / direct.MaxNumber
	return max(m.part, (needed+m.unit-1)/m.unit*m.unit)
}

// A delivery is a direct upload item, read.
type delivery struct {
	repo, id  string
	version   string // of its item, "" while there is none
	state     direct.State
	by        string     // whose it is, see Registry.sender
	name      string     // of who began it, as what it becomes will say
	remember  bool       // who it is by has sent it, and that matters
	digest    oci.Digest // "" while it is not known
	size      int64      // -1 while it is not known
	partSize  int64
	object    string
	multipart string
	begun     time.Time
	verified  int64
	checking  []byte // the state of the hash over as much
	lease     time.Time
	found     oci.Digest
	expires   time.Time

	// What one request knows beside the item:
	store blobs.Direct // where the bytes are
	parts []blobs.Part // those that were there a moment ago, if they were listed
	mine  bool         // the lease is its own
}

// TakesDirect says whether clients can send bytes straight to the blob store.
func (r *Registry) TakesDirect() bool {
	_, ok := r.blobs.(blobs.Direct)
	return ok
}

// direct is the blob store. Errors: oci.ErrUnsupported.
func (r *Registry) direct() (blobs.Direct, error) {
	if store, ok := r.blobs.(blobs.Direct); ok {
		return store, nil
	}
	return nil, oci.ErrUnsupported.With(nil, "this registry takes no bytes past itself")
}

// deliveryID is the id of the upload of a blob by the caller: who begins again,
// on whatever machine, goes on with it. To others it leads nowhere; those who do
// not say who they are are one. What has no digest yet gets an id that nobody
// can ask for again.
func (r *Registry) deliveryID(d oci.Digest) string {
	if d == "" {
		id := uuid.New()
		return hex.EncodeToString(id[:])
	}
	return oci.SHA256.Sum([]byte(string(d) + "\n" + r.sender())).Encoded()[:2*len(uuid.UUID{})]
}

// delivery reads a direct upload of the caller's. Errors: oci.ErrUploadUnknown,
// oci.ErrDenied, oci.ErrUnsupported.
func (r *Registry) delivery(ctx context.Context, repo, id string) (delivery, error) {
	if err := r.rights.mayUpload(repo); err != nil {
		return delivery{}, err
	}
	d, err := r.anyDelivery(ctx, repo, id)
	if err == nil && d.by != r.sender() {
		err = unknownUpload(id)
	}
	return d, err
}

// anyDelivery reads a direct upload, whosever it is. Errors: oci.ErrUploadUnknown,
// oci.ErrUnsupported.
func (r *Registry) anyDelivery(ctx context.Context, repo, id string) (delivery, error) {
	if b, err := hex.DecodeString(id); err != nil || len(b) != len(uuid.UUID{}) || hex.EncodeToString(b) != id {
		return delivery{}, unknownUpload(id)
	}
	d, err := r.lastDelivery(ctx, repo, id)
	if err == nil && d.expires.Before(r.now()) {
		err = unknownUpload(id)
	}
	return d, err
}

// lastDelivery reads a direct upload, or what is left of it. It has no version
// where there is none. Errors: oci.ErrUnsupported.
func (r *Registry) lastDelivery(ctx context.Context, repo, id string) (delivery, error) {
	store, err := r.direct()
	if err != nil {
		return delivery{}, err
	}
	item, err := r.table.Get(ctx, deliveryKey(repo, id))
	if err != nil && !errors.Is(err, table.ErrAbsent) {
		return delivery{}, fmt.Errorf("read upload: %w", err)
	}
	return delivery{
		store: store, repo: repo, id: id,
		version:   item.Version,
		state:     direct.State(item.Str(attrState)),
		by:        item.Str(attrBy),
		name:      item.Str(attrName),
		remember:  item.Num(attrRemember) != 0,
		digest:    oci.Digest(item.Str(attrDigest)),
		size:      item.Num(attrSize),
		partSize:  item.Num(attrPartSize),
		object:    item.Str(attrObject),
		multipart: item.Str(attrMultipart),
		begun:     time.Unix(item.Num(attrBegun), 0),
		verified:  item.Num(attrVerified),
		checking:  item.Bin(attrChecking),
		lease:     time.UnixMilli(item.Num(attrLease)),
		found:     oci.Digest(item.Str(attrFound)),
		expires:   item.Expires,
	}, nil
}

// seen holds while the upload is as it was read.
func (d delivery) seen() table.Condition { return upload{version: d.version}.seen() }

// put replaces a direct upload that is as it was read. Of these attributes it
// writes those that say something.
func (d delivery) put(as direct.State, more ...table.Attr) table.Action {
	attrs := append([]table.Attr{
		table.S(attrState, string(as)), table.S(attrBy, d.by), table.S(attrName, d.name),
		table.S(attrDigest, string(d.digest)), table.N(attrSize, d.size), table.N(attrPartSize, d.partSize),
	}, more...)
	attrs = slices.DeleteFunc(attrs, func(a table.Attr) bool { return a.Kind == table.KindS && a.Str() == "" })
	return table.Put(deliveryKey(d.repo, d.id), attrs...).When(d.seen())
}

// deliver is the put of a direct upload that takes parts.
func (r *Registry) deliver(d delivery) table.Action {
	return d.put(direct.Open,
		table.S(attrObject, d.object), table.S(attrMultipart, d.multipart), table.N(attrBegun, d.begun.Unix())).Until(r.until(d))
}

// until is when an upload is over that somebody works on now. However long that
// is, it ends a day before the store's broom comes for what is still marked: by
// the time it was begun, which S3 takes for the age of an object made of parts.
func (r *Registry) until(d delivery) time.Time {
	now, last := r.now().Add(uploadLife), d.begun.Add(blobs.UploadLife)
	if last.Before(now) {
		return last
	}
	return now
}

// conclude is the put of a direct upload that is done or has failed. It names no
// object any more: whoever reads it cannot harm what was published.
func (r *Registry) conclude(d delivery, as direct.State, found oci.Digest) table.Action {
	return d.put(as, table.N(attrVerified, d.verified), table.S(attrFound, string(found))).Until(r.now().Add(doneLife))
}

// status says how far a direct upload is, but for its parts.
func (d delivery) status() direct.Status {
	s := direct.Status{
		ID: d.id, State: d.state, Digest: d.digest, Size: d.size, PartSize: d.partSize, Verified: d.verified, Found: d.found,
	}
	if d.size > 0 {
		s.Parts = int((d.size + d.partSize - 1) / d.partSize)
	}
	return s
}
