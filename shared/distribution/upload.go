package distribution

import (
	"errors"
	"net/http"
	"net/url"
	"strconv"

	"github.com/berthregistry/berth/shared/access"
	"github.com/berthregistry/berth/shared/chunk"
	"github.com/berthregistry/berth/shared/oci"
	"github.com/berthregistry/berth/shared/registry"
)

// startUpload is end-4a, end-4b, end-4c and end-11.
func (v *visit) startUpload(w http.ResponseWriter, r *http.Request, t Target) error {
	q := r.URL.Query()
	switch {
	case q.Has("mount"):
		return v.mountBlob(w, r, t, q)
	case q.Has("digest"):
		return v.postBlob(w, r, t, q)
	}
	var algorithm oci.Algorithm
	if name := q.Get("digest-algorithm"); name != "" {
		var err error
		if algorithm, err = oci.ParseAlgorithm(name); err != nil {
			return err
		}
	}
	return v.beginUpload(w, r, t, algorithm)
}

func (v *visit) beginUpload(w http.ResponseWriter, r *http.Request, t Target, a oci.Algorithm) error {
	u, err := v.reg.StartUpload(r.Context(), t.Repo, a)
	if err != nil {
		return err
	}
	writeUpload(w, t, u)
	v.door.writeChunkLimit(w.Header())
	w.WriteHeader(http.StatusAccepted)
	return nil
}

// mountBlob is end-11. What cannot be mounted is to be uploaded.
func (v *visit) mountBlob(w http.ResponseWriter, r *http.Request, t Target, q url.Values) error {
	d, err := oci.ParseDigest(q.Get("mount"))
	if err != nil {
		return err
	}
	from := q.Get("from")
	named := oci.ValidName(from)
	if named && v.session != nil && v.session.Lacks(from, access.Pull) {
		// With a token for both there would be something to mount. Where no
		// repository is named there is no such token.
		return v.tooNarrow(w, r)
	}
	if from == "" || named {
		err = v.reg.Mount(r.Context(), t.Repo, from, d)
		if err == nil {
			writeBlobCreated(w, t, d)
			return nil
		}
		if !errors.Is(err, oci.ErrBlobUnknown) {
			return err
		}
	}
	return v.beginUpload(w, r, t, oci.AlgorithmOf(d))
}

// postBlob is end-4b.
func (v *visit) postBlob(w http.ResponseWriter, r *http.Request, t Target, q url.Values) error {
	d, err := oci.ParseDigest(q.Get("digest"))
	if err != nil {
		return err
	}
	if err := v.reg.PutBlob(r.Context(), t.Repo, r.ContentLength, d, r.Body); err != nil {
		return err
	}
	writeBlobCreated(w, t, d)
	return nil
}

// getUpload is end-13.
func (v *visit) getUpload(w http.ResponseWriter, r *http.Request, t Target) error {
	u, err := v.reg.UploadStatus(r.Context(), t.Repo, t.Upload)
	if err != nil {
		return err
	}
	writeUpload(w, t, u)
	w.WriteHeader(http.StatusNoContent)
	return nil
}

// patchUpload is end-5, and the streamed PATCH of Docker, which says neither
// where it starts nor where it ends.
func (v *visit) patchUpload(w http.ResponseWriter, r *http.Request, t Target) error {
	c, err := chunk.Read(r)
	if err != nil {
		return err
	}
	u, err := v.reg.AppendUpload(r.Context(), t.Repo, t.Upload, c.Start, c.Size, c.Body)
	if err != nil {
		return outOfOrder(w, t, u, err)
	}
	writeUpload(w, t, u)
	w.WriteHeader(http.StatusAccepted)
	return nil
}

// putUpload is end-6.
func (v *visit) putUpload(w http.ResponseWriter, r *http.Request, t Target) error {
	d, err := oci.ParseDigest(r.URL.Query().Get("digest"))
	if err != nil {
		return err
	}
	c, err := chunk.Read(r)
	if err != nil {
		return err
	}
	u, err := v.reg.FinishUpload(r.Context(), t.Repo, t.Upload, c.Start, c.Size, d, c.Body)
	if err != nil {
		return outOfOrder(w, t, u, err)
	}
	writeBlobCreated(w, t, d)
	return nil
}

// cancelUpload is end-14.
func (v *visit) cancelUpload(w http.ResponseWriter, r *http.Request, t Target) error {
	if err := v.reg.CancelUpload(r.Context(), t.Repo, t.Upload); err != nil {
		return err
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

// outOfOrder adds to a 416 where the upload is, so that the client can go on
// without asking.
func outOfOrder(w http.ResponseWriter, t Target, u registry.Upload, err error) error {
	if errors.Is(err, oci.ErrOutOfOrder) {
		writeUpload(w, t, u)
	}
	return err
}

// writeUpload says where an upload goes on. Its place never changes and the
// offset is not in it: an old URL is as good as a new one.
func writeUpload(w http.ResponseWriter, t Target, u registry.Upload) {
	header := w.Header()
	header.Set("Location", Target{Route: RouteUpload, Repo: t.Repo, Upload: u.ID}.Path())
	header.Set("Range", "0-"+strconv.FormatInt(max(u.Offset-1, 0), 10))
	header.Set("Docker-Upload-Uuid", u.ID)
}

func writeBlobCreated(w http.ResponseWriter, t Target, d oci.Digest) {
	w.Header().Set("Location", Target{Route: RouteBlob, Repo: t.Repo, Digest: d}.Path())
	w.Header().Set("Docker-Content-Digest", string(d))
	w.WriteHeader(http.StatusCreated)
}
