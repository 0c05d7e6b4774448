package distribution

import (
	"errors"
	"io"
	"net/http"

	"github.com/berthregistry/berth/shared/oci"
	"github.com/berthregistry/berth/shared/registry"
)

// getBlob is end-2 with GET.
func (v *visit) getBlob(w http.ResponseWriter, r *http.Request, t Target) error {
	b, err := v.reg.Blob(r.Context(), t.Repo, t.Digest)
	if err != nil {
		return err
	}
	if v.door.Inline > 0 && b.Size > v.door.Inline {
		if sent, err := v.redirect(w, r, b); sent || err != nil {
			return err
		}
	}
	return v.sendBlob(w, r, b)
}

// headBlob is end-2 with HEAD.
func (v *visit) headBlob(w http.ResponseWriter, r *http.Request, t Target) error {
	b, err := v.reg.StatBlob(r.Context(), t.Repo, t.Digest)
	if err != nil {
		return err
	}
	if !v.door.Headless {
		return serveBlob(w, r, b, &unread{size: b.Size})
	}
	if sent, err := v.redirect(w, r, b); sent || err != nil {
		return err
	}
	return v.sendBlob(w, asGet(r), b)
}

func (v *visit) sendBlob(w http.ResponseWriter, r *http.Request, b registry.Blob) error {
	f, err := v.reg.OpenBlob(r.Context(), b)
	if err != nil {
		return err
	}
	defer f.Close()
	return serveBlob(w, r, b, f)
}

func serveBlob(w http.ResponseWriter, r *http.Request, b registry.Blob, content io.ReadSeeker) error {
	header := w.Header()
	header["Content-Type"] = []string{"application/octet-stream"}
	header["Docker-Content-Digest"] = []string{string(b.Digest)}
	header["Etag"] = []string{blobTag(b)}
	return serveContent(w, r, b.Size, content)
}

// blobTag is the entity tag of a blob.
func blobTag(b registry.Blob) string { return `"` + string(b.Digest) + `"` }

// unread stands for content of which only the size is asked for.
type unread struct{ size, pos int64 }

var errUnread = errors.New("content is not to be read")

func (u *unread) Read([]byte) (int, error) { return 0, errUnread }

func (u *unread) Seek(offset int64, whence int) (int64, error) {
	switch whence {
	case io.SeekStart:
		u.pos = offset
	case io.SeekCurrent:
		u.pos += offset
	case io.SeekEnd:
		u.pos = u.size + offset
	}
	return u.pos, nil
}

// deleteBlob is end-10.
func (v *visit) deleteBlob(w http.ResponseWriter, r *http.Request, t Target) error {
	err := v.reg.DeleteBlob(r.Context(), t.Repo, t.Digest)
	if errors.Is(err, oci.ErrInUse) {
		w.Header().Set("Allow", "GET, HEAD") // which a 405 must come with
	}
	if err != nil {
		return err
	}
	w.WriteHeader(http.StatusAccepted)
	return nil
}
