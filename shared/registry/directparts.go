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

// SignParts says where parts of an upload go. What s holds is well formed. Errors:
// oci.ErrUploadUnknown, oci.ErrUploadInvalid, oci.ErrDenied, oci.ErrUnsupported.
func (r *Registry) SignParts(ctx context.Context, repo, id string, s direct.Sign) (direct.Signed, error) {
	d, err := r.delivery(ctx, repo, id)
	if err == nil && d.state != direct.Open {
		err = unknownUpload(id)
	}
	if err != nil {
		return direct.Signed{}, err
	}
	out := direct.Signed{Parts: make([]direct.Target, len(s.Parts))}
	for i, p := range s.Parts {
		if out.Parts[i], err = r.target(ctx, d, p); err != nil {
			return direct.Signed{}, err
		}
	}
	return out, r.renew(ctx, d)
}

// renewal is how much longer an upload must come to live for that to be written
// down: most are over before, and cost no write.
const renewal = time.Hour

// renew makes an upload that is in use live longer.
func (r *Registry) renew(ctx context.Context, d delivery) error {
	end := r.until(d)
	if end.Before(d.expires.Add(renewal)) {
		return nil
	}
	err := r.commit(ctx, table.Update(deliveryKey(d.repo, d.id)).Until(end).When(d.seen()))
	if table.LostRace(err) {
		return nil // somebody else has renewed it, or it is over
	}
	return err
}

// target says where a part goes. It makes no call.
func (r *Registry) target(ctx context.Context, d delivery, p direct.Part) (direct.Target, error) {
	sum, err := hex.DecodeString(p.SHA256)
	if err != nil {
		return direct.Target{}, oci.ErrUploadInvalid.With(nil, "part %d has no SHA-256", p.Number)
	}
	t := direct.Target{Number: p.Number, Expires: r.now().Add(r.partLife)}
	var header map[string][]string
	switch {
	case d.multipart != "" && d.size >= 0 && p.Size > d.size:
		return direct.Target{}, oci.ErrUploadInvalid.With(map[string]int{"part": p.Number}, "part %d is larger than the blob", p.Number)
	case d.multipart != "":
		part := blobs.Part{Number: p.Number, Size: p.Size, SHA256: sum}
		t.URL, header, err = d.store.PartURL(ctx, d.object, d.multipart, part, r.partLife)
	case p.Number != 1 || p.Size != d.size || p.SHA256 != d.digest.Encoded():
		return direct.Target{}, oci.ErrUploadInvalid.With(map[string]int{"part": p.Number}, "the upload has one part, which is the blob")
	default:
		t.URL, header, err = d.store.MarkedURL(ctx, d.object, d.size, sum, r.partLife)
	}
	if err != nil {
		return direct.Target{}, fmt.Errorf("sign part: %w", err)
	}
	t.Header = make(map[string]string, len(header))
	for name, values := range header {
		t.Header[name] = values[0] // there are no more
	}
	return t, nil
}

// DirectStatus says how far an upload is, with the parts that have a higher number
// than after. Errors: oci.ErrUploadUnknown, also where what was sent is lost: begin
// anew; oci.ErrDenied, oci.ErrUnsupported.
func (r *Registry) DirectStatus(ctx context.Context, repo, id string, after int) (direct.Status, error) {
	d, err := r.delivery(ctx, repo, id)
	if err != nil {
		return direct.Status{}, err
	}
	s := d.status()
	if d.state != direct.Open {
		return s, nil
	}
	parts, more, err := d.received(ctx, after)
	if errors.Is(err, blobs.ErrUploadLost) {
		return r.settled(ctx, repo, id)
	}
	s.Received, s.Next = page(parts, more, direct.PageParts)
	return s, err
}

// settled is the status of an upload that had no parts any more: it was completed
// since it was read, or they are lost.
func (r *Registry) settled(ctx context.Context, repo, id string) (direct.Status, error) {
	d, err := r.delivery(ctx, repo, id)
	if err == nil && d.state == direct.Open {
		err = unknownUpload(id)
	}
	if err != nil {
		return direct.Status{}, err
	}
	return d.status(), nil
}

// received returns parts of an upload that are in the blob store, and whether
// there are more. Errors wrap blobs.ErrUploadLost.
func (d delivery) received(ctx context.Context, after int) ([]blobs.Part, bool, error) {
	if d.multipart != "" {
		parts, more, err := d.store.Parts(ctx, d.object, d.multipart, after)
		if err != nil {
			err = fmt.Errorf("list parts: %w", err)
		}
		return parts, more, err
	}
	size, _, err := d.store.Stat(ctx, d.object)
	switch {
	case errors.Is(err, blobs.ErrAbsent) || err == nil && after > 0:
		return nil, false, nil
	case err != nil:
		return nil, false, fmt.Errorf("look for upload: %w", err)
	}
	sum, err := hex.DecodeString(d.digest.Encoded()) // the store took nothing else
	return []blobs.Part{{Number: 1, Size: size, SHA256: sum}}, false, err
}

// page is what a status says of parts: at most so many, and where the next page
// begins if there are more.
func page(parts []blobs.Part, more bool, most int) ([]direct.Part, int) {
	if len(parts) > most {
		parts, more = parts[:most], true
	}
	var out []direct.Part
	for _, p := range parts {
		out = append(out, direct.Part{Number: p.Number, Size: p.Size, SHA256: hex.EncodeToString(p.SHA256)})
	}
	if !more || len(out) == 0 {
		return out, 0
	}
	return out, out[len(out)-1].Number
}

// AbortDirect gives an upload up, also while it is verified. Errors:
// oci.ErrUploadUnknown, oci.ErrDenied, oci.ErrUnsupported.
func (r *Registry) AbortDirect(ctx context.Context, repo, id string) error {
	ctx, cancel := settle(ctx)
	defer cancel()
	return decide(ctx, func() error {
		d, err := r.delivery(ctx, repo, id)
		if err == nil && d.state != direct.Open && d.state != direct.Verifying {
			err = unknownUpload(id)
		}
		if err != nil {
			return err
		}
		// From here on nobody can publish it: whoever verifies it finds that it has
		// gone. A crash behind this leaves bytes that are marked, unless somebody
		// was just about to publish them.
		if err := r.commit(ctx, table.Delete(deliveryKey(repo, id)).When(d.seen())); err != nil {
			return err
		}
		r.abandon(ctx, d)
		return nil
	})
}
