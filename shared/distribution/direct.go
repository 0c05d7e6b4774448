package distribution

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"

	"github.com/berthregistry/berth/shared/access"
	"github.com/berthregistry/berth/shared/direct"
	"github.com/berthregistry/berth/shared/oci"
)

// The endpoints of direct transfer, docs/direct-transfer.md. What they answer may
// have URLs in it that are as good as a password for a while: it is not to be
// stored, and nothing of it goes to logs.

// beginDirect is POST of uploads.
func (v *visit) beginDirect(w http.ResponseWriter, r *http.Request, t Target) error {
	b, err := readDirect(w, r, direct.ParseBegin)
	if err != nil {
		return err
	}
	if v.session != nil {
		v.sources = slices.DeleteFunc(b.Sources(), func(from string) bool { return from == t.Repo })
		if slices.ContainsFunc(v.sources, func(from string) bool { return v.session.Lacks(from, access.Pull) }) {
			// As with a mount: with a token for all of them there would be something
			// to mount. Who presents nothing has been asked before the body was read,
			// and not for these; a client that knows what it will name asks for it all at once.
			return v.tooNarrow(w, r)
		}
	}
	begun, err := v.reg.BeginDirect(r.Context(), t.Repo, b)
	if err != nil {
		return err
	}
	for _, b := range begun.Blobs {
		if b.State == direct.Mounted {
			v.told.Mounted++
		}
	}
	return writeDirect(w, r, http.StatusOK, begun)
}

// signParts is POST of the parts of an upload.
func (v *visit) signParts(w http.ResponseWriter, r *http.Request, t Target) error {
	s, err := readDirect(w, r, direct.ParseSign)
	if err != nil {
		return err
	}
	signed, err := v.reg.SignParts(r.Context(), t.Repo, t.Upload, s)
	if err != nil {
		return err
	}
	return writeDirect(w, r, http.StatusOK, signed)
}

// getDirect is GET of an upload.
func (v *visit) getDirect(w http.ResponseWriter, r *http.Request, t Target) error {
	after, err := partsAfter(r.URL.Query())
	if err != nil {
		return err
	}
	s, err := v.reg.DirectStatus(r.Context(), t.Repo, t.Upload, after)
	if err != nil {
		return err
	}
	if s.State == direct.Verifying {
		writeAgain(w.Header(), s)
	}
	return writeDirect(w, r, http.StatusOK, s)
}

// completeDirect is PUT of an upload: 201 when the blob is there, 202 while its
// bytes are read again. To ask once more is how to have that done which came to
// a halt.
func (v *visit) completeDirect(w http.ResponseWriter, r *http.Request, t Target) error {
	c, err := readDirect(w, r, direct.ParseComplete)
	if err != nil {
		return err
	}
	s, err := v.reg.CompleteDirect(r.Context(), t.Repo, t.Upload, c)
	if err != nil {
		return err
	}
	header := w.Header()
	if s.State != direct.Done {
		header.Set("Location", t.Path())
		writeAgain(header, s)
		return writeDirect(w, r, http.StatusAccepted, s)
	}
	header.Set("Location", Target{Route: RouteBlob, Repo: t.Repo, Digest: c.Digest}.Path())
	header.Set("Docker-Content-Digest", string(c.Digest))
	return writeDirect(w, r, http.StatusCreated, s)
}

// abortDirect is DELETE of an upload.
func (v *visit) abortDirect(w http.ResponseWriter, r *http.Request, t Target) error {
	if err := v.reg.AbortDirect(r.Context(), t.Repo, t.Upload); err != nil {
		return err
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

// readDirect reads the body of a request.
func readDirect[T any](w http.ResponseWriter, r *http.Request, parse func([]byte) (T, error)) (T, error) {
	raw, err := readBody(w, r, "requests of direct transfer", direct.MaxRequest)
	if err != nil {
		var none T
		return none, err
	}
	return parse(raw)
}

// partsAfter reads after, 0 if there is none. Errors: oci.ErrPage.
func partsAfter(q url.Values) (int, error) {
	if !q.Has("after") {
		return 0, nil
	}
	n, err := strconv.ParseUint(q.Get("after"), 10, 16)
	if err != nil || n > direct.MaxNumber {
		return 0, oci.ErrPage.With(nil, "after must be the number of a part, from 0 to %d", direct.MaxNumber)
	}
	return int(n), nil
}

// writeAgain says when to ask again about an upload that is being verified: a
// store does a GiB in some seconds.
func writeAgain(header http.Header, s direct.Status) {
	const most = 15
	header.Set("Retry-After", strconv.FormatInt(min(1+s.Size>>30, most), 10))
}

// writeDirect answers with what may have URLs in it, of which people can read the
// ampersands.
func writeDirect(w http.ResponseWriter, r *http.Request, status int, body any) error {
	var raw bytes.Buffer
	encoder := json.NewEncoder(&raw)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(body); err != nil {
		return fmt.Errorf("encode answer: %w", err)
	}
	w.Header().Set("Cache-Control", "no-store")
	sendJSON(w, r, status, raw.Bytes())
	return nil
}
