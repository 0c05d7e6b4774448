package proxy

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/berthregistry/berth/shared/chunk"
	"github.com/berthregistry/berth/shared/oci"
)

// startUpload is end-4a, end-4b, end-4c and end-11.
func (v *visit) startUpload(w http.ResponseWriter, r *http.Request) error {
	q := r.URL.Query()
	if q.Has("digest") && !q.Has("mount") {
		return v.postBlob(w, r, q.Get("digest"))
	}
	if answered, err := v.ask(w, r, q); answered || err != nil {
		return err
	}
	u, err := v.open()
	if err != nil {
		return err
	}
	defer v.uploads.leave(u)
	writeUpload(w, u)
	w.WriteHeader(http.StatusAccepted)
	return nil
}

// open begins an upload. Nothing is begun at the registry before it has more than
// fits one request.
func (v *visit) open() (*upload, error) {
	return v.uploads.add(v.target.repo, func(ctx context.Context, size int64) stream {
		return v.begin(ctx, v.target.repo, v.about, size)
	})
}

// postBlob is end-4b. What is cut off is given up: its client knows of no upload.
func (v *visit) postBlob(w http.ResponseWriter, r *http.Request, digest string) error {
	d, err := oci.ParseDigest(digest)
	if err != nil {
		return err
	}
	u, err := v.open()
	if err != nil {
		return err
	}
	defer v.uploads.leave(u)
	defer v.uploads.giveUp(u) // unless it is done
	return v.finish(w, r, u, d, chunk.Chunk{Start: -1, Size: r.ContentLength, Body: r.Body})
}

// continueUpload is whatever is done with an upload that there is.
func (v *visit) continueUpload(w http.ResponseWriter, r *http.Request) error {
	do := map[string]func(http.ResponseWriter, *http.Request, *upload) error{
		http.MethodGet:    v.getUpload,
		http.MethodHead:   v.getUpload,
		http.MethodPatch:  v.patchUpload,
		http.MethodPut:    v.putUpload,
		http.MethodDelete: v.cancelUpload,
	}[r.Method]
	if do == nil {
		w.Header().Set("Allow", "DELETE, GET, HEAD, PATCH, PUT")
		return oci.ErrMethod.With(nil, "%s is not supported here", r.Method)
	}
	u, err := v.uploads.enter(v.target.repo, v.target.last)
	if err != nil {
		return err
	}
	defer v.uploads.leave(u)
	return do(w, r, u)
}

// getUpload is end-13. While something is being sent the offset grows; whoever
// then goes on from what was told here learns of it by a 416.
func (v *visit) getUpload(w http.ResponseWriter, _ *http.Request, u *upload) error {
	writeUpload(w, u)
	w.WriteHeader(http.StatusNoContent)
	return nil
}

// cancelUpload is end-14.
func (v *visit) cancelUpload(w http.ResponseWriter, _ *http.Request, u *upload) error {
	v.uploads.giveUp(u)
	w.WriteHeader(http.StatusNoContent)
	return nil
}

// patchUpload is end-5, and the streamed PATCH of Docker, which says neither
// where it starts nor where it ends.
func (v *visit) patchUpload(w http.ResponseWriter, r *http.Request, u *upload) error {
	c, err := chunk.Read(r)
	if err != nil {
		return err
	}
	if err := u.take(r.Context()); err != nil {
		return err
	}
	defer u.give()
	if err := v.receive(w, u, c); err != nil {
		return err
	}
	writeUpload(w, u)
	w.WriteHeader(http.StatusAccepted)
	return nil
}

// putUpload is end-6.
func (v *visit) putUpload(w http.ResponseWriter, r *http.Request, u *upload) error {
	d, err := oci.ParseDigest(r.URL.Query().Get("digest"))
	if err != nil {
		return err
	}
	c, err := chunk.Read(r)
	if err != nil {
		return err
	}
	return v.finish(w, r, u, d, c)
}

// finish receives what is left of a blob, and answers when the registry has
// verified it. Nothing is sent until then: the status says how it went.
//
// A client that hangs up meanwhile does not end that: most give up after some
// time, try again, and then find the blob.
func (v *visit) finish(w http.ResponseWriter, r *http.Request, u *upload, d oci.Digest, c chunk.Chunk) error {
	if err := u.take(r.Context()); err != nil {
		return err
	}
	defer u.give()
	if u.taken.Load() == 0 && c.Start <= 0 {
		u.open(c.Size) // which is all of it
	}
	if err := v.receive(w, u, c); err != nil {
		return err
	}
	start := time.Now()
	how, err := u.stream.Finish(u.ended, d)
	switch {
	case err != nil && u.ended.Err() != nil:
		return unknownUpload(u.id)
	case err != nil:
		v.uploads.giveUp(u)
		return fmt.Errorf("send blob %s: %w", d, err)
	}
	v.uploads.done(u)
	v.log.InfoContext(r.Context(), "sent a blob", "repository", u.repo, "digest", d,
		"bytes", u.taken.Load(), "way", how, "waited", time.Since(start).Round(time.Millisecond))
	w.Header().Set("Location", "/v2/"+u.repo+"/blobs/"+string(d))
	w.Header().Set("Docker-Content-Digest", string(d))
	w.WriteHeader(http.StatusCreated)
	return nil
}

// receive takes the bytes of a chunk. If the client is cut off, what has come
// stays, for it to go on from there; if the registry fails, nothing does.
func (v *visit) receive(w http.ResponseWriter, u *upload, c chunk.Chunk) error {
	if at := u.taken.Load(); c.Start >= 0 && c.Start != at {
		writeUpload(w, u)
		return oci.ErrOutOfOrder.With(nil, "the chunk begins at %d, the upload is at %d", c.Start, at)
	}
	u.open(-1)
	to := &pushed{upload: u, uploads: v.uploads}
	_, err := io.Copy(to, c.Body)
	switch {
	case u.ended.Err() != nil:
		return unknownUpload(u.id)
	case to.err != nil:
		v.uploads.giveUp(u)
		return to.err
	case err == nil:
		return nil
	case errors.As(err, new(*oci.Error)):
		return err
	}
	return errors.Join(errCut, err)
}

// errCut is what becomes of a body that does not come to its end. Nobody is left
// to hear of it.
var errCut = errors.New("the client has sent only a part of its body")

// pushed is where the bytes of a chunk go.
type pushed struct {
	*upload
	uploads *uploads
	err     error // what the stream failed with
}

// want is how long somebody waits for room before those are given up who do not
// send: they hold some of it, and most have been cut off, to begin anew if they
// are there at all.
const want = 10 * time.Second

// Write implements io.Writer.
func (p *pushed) Write(b []byte) (int, error) {
	var written atomic.Bool
	waiting := time.AfterFunc(want, func() {
		for !written.Load() {
			p.uploads.abandon(want, 1)
			time.Sleep(want)
		}
	})
	n, err := p.stream.Write(b)
	written.Store(true)
	waiting.Stop()
	p.taken.Add(int64(n))
	p.err = err
	return n, err
}

// writeUpload says where an upload goes on. Its place never changes.
func writeUpload(w http.ResponseWriter, u *upload) {
	header := w.Header()
	header.Set("Location", "/v2/"+u.repo+"/blobs/uploads/"+u.id)
	header.Set("Range", "0-"+strconv.FormatInt(max(u.taken.Load()-1, 0), 10))
	header.Set("Docker-Upload-Uuid", u.id)
}
