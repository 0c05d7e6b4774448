package registry

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/google/uuid"

	"github.com/berthregistry/berth/shared/blobs"
	"github.com/berthregistry/berth/shared/oci"
	"github.com/berthregistry/berth/shared/table"
)

// AppendUpload adds a chunk to an upload. It starts at start, negative if the
// request does not say; size is the length of body, negative if unknown. A
// chunk counts whole or not at all: if its body breaks off it can be sent
// again. Errors: oci.ErrUploadUnknown; oci.ErrOutOfOrder beside the upload as it
// is; oci.ErrSizeInvalid.
func (r *Registry) AppendUpload(ctx context.Context, repo, id string, start, size int64, body io.Reader) (Upload, error) {
	ctx, cancel := unbroken(ctx) // the body ends when its client does
	defer cancel()
	u, err := r.open(ctx, repo, id)
	if err == nil {
		err = u.at(start)
	}
	if err != nil {
		return Upload{ID: id, Offset: u.offset}, err
	}
	h, err := u.resume(size)
	if err != nil {
		return Upload{}, err
	}
	next, err := r.gather(ctx, u, h, body)
	if err != nil {
		return Upload{ID: id, Offset: u.offset}, fmt.Errorf("append to upload: %w", err)
	}
	if next.hashes, err = h.states(); err != nil {
		return Upload{}, err
	}
	// A crash before the commit leaves the upload where it was; what was
	// appended to it is nobody's.
	if err := r.commit(ctx, r.save(next).When(u.seen())); table.LostRace(err) {
		now, err := r.UploadStatus(ctx, repo, id)
		if err != nil {
			return now, err
		}
		return now, oci.ErrOutOfOrder.With(map[string]int64{"offset": now.Offset}, "another request added to the upload at the same time")
	} else if err != nil {
		return Upload{}, fmt.Errorf("append to upload: %w", err)
	}
	return Upload{ID: id, Offset: next.offset}, nil
}

// FinishUpload adds the last chunk, perhaps none, and makes the blob of that
// digest visible. Done again after success it succeeds again. If the bytes are
// not those of the digest the upload stays as it was, unless they had to be read
// again to tell: see verify. Errors as of AppendUpload, and oci.ErrDigestInvalid.
func (r *Registry) FinishUpload(ctx context.Context, repo, id string, start, size int64, d oci.Digest, body io.Reader) (Upload, error) {
	ctx, cancel := unbroken(ctx)
	defer cancel()
	u, err := r.load(ctx, repo, id)
	switch {
	case err != nil:
	case u.ended != "" && u.digest != d:
		err = unknownUpload(id)
	case u.ended == done.Str():
	case u.ended == closing.Str():
		err = r.close(ctx, u)
	default:
		if err = u.at(start); err == nil {
			err = r.finish(ctx, u, size, d, body)
		}
	}
	return Upload{ID: id, Offset: u.offset}, err
}

// PutBlob takes a whole blob in (spec, end-4b). Errors: oci.ErrDigestInvalid,
// oci.ErrSizeInvalid, oci.ErrDenied.
func (r *Registry) PutBlob(ctx context.Context, repo string, size int64, d oci.Digest, body io.Reader) error {
	if err := r.rights.mayBegin(repo); err != nil {
		return err
	}
	ctx, cancel := unbroken(ctx)
	defer cancel()
	u := upload{repo: repo, id: uuid.NewString(), single: true}
	err := r.finish(ctx, u, size, d, body)
	if refused(err) && (size < 0 || size > maxInlineBlob) {
		// Nobody can go on with it. Failing that, the store's broom finds it.
		_ = r.blobs.Abort(ctx, u.gathered())
	}
	return err
}

// finish gathers the rest, checks the digest if it can be said already, and
// closes the upload.
func (r *Registry) finish(ctx context.Context, u upload, size int64, d oci.Digest, body io.Reader) error {
	a := oci.AlgorithmOf(d)
	if u.offset == 0 {
		u.algorithm = a
	}
	h, err := u.resume(size)
	if err != nil {
		return err
	}
	next, err := r.gather(ctx, u, h, body)
	if err != nil {
		return fmt.Errorf("finish upload: %w", err)
	}
	var got oci.Digest
	switch hashed, ok := h[a]; {
	case ok:
		got = a.Digest(hashed)
	case next.state == nil:
		got = a.Sum(next.tail)
	default:
		got = d // close will read the bytes again
	}
	if got != d {
		return wrongDigest(got, d)
	}
	if next.hashes, err = h.states(); err != nil {
		return err
	}
	next.digest = d
	if next.state == nil {
		return r.publish(ctx, r.arrives(next, newBlob{size: next.offset, inline: next.tail}))
	}
	return r.claim(ctx, next)
}

func wrongDigest(got, want oci.Digest) error {
	return oci.ErrDigestInvalid.With(map[string]string{"digest": string(got)},
		"the content has digest %s, not %s", got, want)
}

// claim settles which bytes the upload ends with before an object is made of
// them: two requests that end one upload at the same time may have brought
// different ones. A crash behind it leaves an upload that the same request,
// sent again, closes.
func (r *Registry) claim(ctx context.Context, u upload) error {
	if !u.single {
		u.ended = closing.Str()
		put := r.save(u).When(u.seen())
		tx := table.Tx{Token: table.NewToken(), Actions: []table.Action{put}}
		if err := r.send(ctx, tx); table.LostRace(err) {
			return r.join(ctx, u)
		} else if err != nil {
			return fmt.Errorf("close upload: %w", err)
		}
		u.version = tx.Token
	}
	return r.close(ctx, u)
}

// join goes on with an upload that another request has ended. If that meant the
// same bytes, this one succeeds with it.
func (r *Registry) join(ctx context.Context, u upload) error {
	now, err := r.load(ctx, u.repo, u.id)
	switch {
	case err != nil:
		return err
	case now.digest != u.digest:
		return oci.ErrOutOfOrder.With(nil, "another request added to the upload at the same time")
	case now.ended == done.Str():
		return nil
	}
	return r.close(ctx, now)
}

// close makes the object, under a key that nothing refers to yet, and publishes
// it.
func (r *Registry) close(ctx context.Context, u upload) error {
	object := u.gathered()
	if err := r.blobs.Complete(ctx, object); err != nil {
		return r.unclosed(ctx, u, fmt.Errorf("complete object: %w", err))
	}
	if u.hashes[oci.AlgorithmOf(u.digest)] == nil {
		if err := r.verify(ctx, u); err != nil {
			return err
		}
	}
	// A crash here leaves an object that only the upload names, which can be
	// closed again.
	return r.publish(ctx, r.arrives(u, newBlob{size: u.offset, object: object.Key}))
}

// unclosed says what the failure to make the object of an upload means. If the
// bytes are gone, another request may have published them, and somebody deleted
// the blob since.
func (r *Registry) unclosed(ctx context.Context, u upload, cause error) error {
	if !errors.Is(cause, blobs.ErrUploadLost) && !errors.Is(cause, blobs.ErrAbsent) {
		return cause
	}
	if over, err := r.overtaken(ctx, u); over || err != nil {
		return err
	}
	return oci.ErrUploadInvalid.With(nil, "the upload lost its bytes, start again")
}

// verify reads the object again, for a digest whose algorithm came as a
// surprise. If it is wrong the upload is at its end.
func (r *Registry) verify(ctx context.Context, u upload) error {
	f, err := r.blobs.Open(ctx, u.gathered().Key, u.offset)
	if err != nil {
		return r.unclosed(ctx, u, fmt.Errorf("read object again: %w", err))
	}
	defer f.Close()
	a := oci.AlgorithmOf(u.digest)
	h := a.Hash()
	if _, err := io.Copy(h, f); err != nil {
		return fmt.Errorf("read object again: %w", err)
	}
	got := a.Digest(h)
	if got == u.digest {
		return nil
	}
	wrong := wrongDigest(got, u.digest)
	u.digest = "" // it is nothing
	if u.single || r.commit(ctx, r.end(u, cancelled)) == nil {
		_ = r.blobs.Abort(ctx, u.gathered()) // failing that, the store's broom finds it
	}
	return wrong
}
