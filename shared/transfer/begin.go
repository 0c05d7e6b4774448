package transfer

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"oras.land/oras-go/v2/registry/remote/errcode"

	"github.com/berthregistry/berth/shared/direct"
	"github.com/berthregistry/berth/shared/oci"
)

// errNoDirect is a registry that does not know direct transfer.
var errNoDirect = errors.New("the registry does not know direct transfer")

// errNoSource is a refusal that may be about a repository to mount from.
var errNoSource = errors.New("the registry refuses to mount")

// curious is how often a registry is tried of which nothing is known yet.
const curious = 3

// begin asks what is to be done about blobs. Whether a registry knows direct
// transfer is learnt from its first answer: other registries are bothered once.
// Errors: errNoDirect, errNoSource.
func (r *Repository) begin(ctx context.Context, b direct.Begin) (begun direct.Begun, err error) {
	if _, known := r.engine.knows(r.base); !known {
		err = in(ctx, r.engine.learning, func() error {
			begun, err = r.beginUnknown(ctx, b)
			return err
		})
		return begun, err
	}
	return r.beginKnown(ctx, b)
}

func (r *Repository) beginKnown(ctx context.Context, b direct.Begin) (begun direct.Begun, err error) {
	if direct, _ := r.engine.knows(r.base); !direct {
		return begun, errNoDirect
	}
	begun, err = r.tryBegin(ctx, tries, b)
	if isUnknownRoute(err) {
		err = errNoDirect
	}
	return begun, err
}

// beginUnknown is begin at a registry of which nothing is known, unless somebody
// has learnt something by now.
func (r *Repository) beginUnknown(ctx context.Context, b direct.Begin) (begun direct.Begun, err error) {
	if _, known := r.engine.knows(r.base); known {
		return r.beginKnown(ctx, b)
	}
	begun, err = r.tryBegin(ctx, curious, b)
	switch {
	case err == nil:
		r.engine.learn(r.base.Host, true)
		return begun, nil
	case isUnknownRoute(err), errors.Is(err, errAnswer):
		r.engine.learn(r.base.Host, false)
	case isPassing(err):
		// Any registry may be busy, or answer so whatever it does not know.
		r.engine.learnBusy(r.base)
	case isRefusal(err):
		// It may answer so whatever it does not know. If it means what it says, it
		// will say it again.
		r.engine.learn(r.base.String(), false)
	default:
		return begun, err
	}
	r.engine.log.DebugContext(ctx, "no direct transfer", "registry", r.base.Host, "error", err)
	return begun, errNoDirect
}

func (r *Repository) tryBegin(ctx context.Context, most int, b direct.Begin) (begun direct.Begun, err error) {
	err = r.engine.upTo(ctx, most, "begin", func() (bool, error) {
		if err := r.ask(ctx, r.at(direct.Uploads), b, &begun); err != nil {
			return false, err
		}
		return false, r.checkBegun(b, begun)
	})
	if len(b.Sources()) > 0 && refusedWith(err, http.StatusUnauthorized, http.StatusForbidden) {
		err = errNoSource
	}
	return begun, err
}

// isUnknownRoute says whether a registry has nothing at the place it was asked at.
func isUnknownRoute(err error) bool {
	return refusedWith(err, http.StatusNotFound, http.StatusMethodNotAllowed, http.StatusNotImplemented) ||
		refusedAs(err, errcode.ErrorCodeUnsupported)
}

func isRefusal(err error) bool {
	var r *refusal
	return errors.As(err, &r)
}

// isPassing says whether err is an answer that is about the moment.
func isPassing(err error) bool {
	var r *refusal
	return errors.As(err, &r) && r.passing()
}

// ask posts one value as JSON and reads another.
func (r *Repository) ask(ctx context.Context, at *url.URL, send, receive any) error {
	c, err := jsonCall(http.MethodPost, at, send)
	if err != nil {
		return err
	}
	resp, err := r.do(ctx, c, http.StatusOK, http.StatusCreated, http.StatusAccepted)
	if err != nil {
		return err
	}
	return decode(resp, receive)
}

func jsonCall(method string, at *url.URL, send any) (call, error) {
	raw, err := json.Marshal(send)
	if err != nil {
		return call{}, fmt.Errorf("write a request: %w", err)
	}
	header := map[string]string{"Accept": "application/json", "Content-Type": "application/json"}
	return call{method: method, url: at, header: header, body: bytesPayload(raw, nil)}, nil
}

// checkBegun checks that an answer is one to what was asked.
func (r *Repository) checkBegun(asked direct.Begin, begun direct.Begun) error {
	if len(begun.Blobs) != len(asked.Blobs) || len(begun.Manifests) != len(asked.Manifests) {
		return fmt.Errorf("%w: of %d blobs and %d manifests, %d and %d are told of", errAnswer,
			len(asked.Blobs), len(asked.Manifests), len(begun.Blobs), len(begun.Manifests))
	}
	for i, m := range begun.Manifests {
		if m.Digest != asked.Manifests[i] {
			return fmt.Errorf("%w: another manifest than was asked for", errAnswer)
		}
	}
	for i, b := range begun.Blobs {
		if err := checkBlob(asked.Blobs[i], b); err != nil {
			return err
		}
	}
	return nil
}

func checkBlob(asked direct.Wanted, b direct.Blob) error {
	switch {
	case b.Digest != asked.Digest:
		return fmt.Errorf("%w: another blob than was asked for", errAnswer)
	case !slices.Contains([]direct.State{direct.Present, direct.Mounted, direct.Small, direct.Upload}, b.State):
		return fmt.Errorf("%w: a blob in the state %.20q", errAnswer, b.State)
	case b.State != direct.Upload:
		return nil
	case b.Upload == nil:
		return fmt.Errorf("%w: an upload without its status", errAnswer)
	}
	return checkStatus(*b.Upload, asked.Size)
}

// checkStatus checks what is believed of a status: sizes are those of buffers, and
// the id becomes part of a path.
func checkStatus(s direct.Status, size int64) error {
	switch {
	case !validID(s.ID):
		return fmt.Errorf("%w: an upload with the id %.20q", errAnswer, s.ID)
	case s.State == direct.Open && (s.PartSize < 1 || s.PartSize > direct.MaxPart || parts(size, s.PartSize) > direct.MaxNumber):
		return fmt.Errorf("%w: parts of %d bytes for a blob of %d", errAnswer, s.PartSize, size)
	}
	return nil
}

// validID says whether an id can be a segment of a path.
func validID(id string) bool {
	return id != "" && len(id) <= 200 && strings.Trim(id, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_") == ""
}

// parts is how many parts of a size a blob has.
func parts(size, part int64) int64 { return (size + part - 1) / part }

// beginBlob asks about one blob, unless Standing has.
func (r *Repository) beginBlob(ctx context.Context, d oci.Descriptor) (direct.Blob, error) {
	r.mu.Lock()
	b, ok := r.begun[d.Digest]
	delete(r.begun, d.Digest)
	r.mu.Unlock()
	if ok {
		return b, nil
	}
	begun, err := r.begin(ctx, direct.Begin{Blobs: []direct.Wanted{{Digest: d.Digest, Size: d.Size}}})
	if err != nil {
		return direct.Blob{}, err
	}
	return begun.Blobs[0], nil
}
