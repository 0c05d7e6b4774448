package registry

import (
	"bytes"
	"context"
	"encoding"
	"errors"
	"fmt"
	"hash"
	"io"

	"github.com/berthregistry/berth/shared/blobs"
	"github.com/berthregistry/berth/shared/oci"
)

// bothBelow is the largest chunk, in bytes, that is hashed by both algorithms
// when none was announced: small chunks are what a Lambda receives, for which
// reading a blob again at the end would be dear. A long stream is hashed once.
const bothBelow = 8 << 20

// hashing is a set of running hashes.
type hashing map[oci.Algorithm]hash.Hash

// resume takes up the hashes of an upload for what is to come; size is that of
// the chunk, negative if it is not known.
func (u upload) resume(size int64) (hashing, error) {
	h := hashing{}
	for _, a := range u.algorithms(size) {
		h[a] = a.Hash()
		if u.offset == 0 {
			continue
		}
		if err := h[a].(encoding.BinaryUnmarshaler).UnmarshalBinary(u.hashes[a]); err != nil {
			return nil, fmt.Errorf("resume hash: %w", err)
		}
	}
	return h, nil
}

// algorithms says by which the next chunk is hashed. An algorithm that missed a
// chunk is of no use any more.
func (u upload) algorithms(size int64) []oci.Algorithm {
	all := []oci.Algorithm{oci.SHA256, oci.SHA512}
	switch {
	case u.algorithm != "":
		all = []oci.Algorithm{u.algorithm}
	case size < 0 || size > bothBelow:
		all = all[:1]
	}
	var out []oci.Algorithm
	for _, a := range all {
		if u.offset == 0 || u.hashes[a] != nil {
			out = append(out, a)
		}
	}
	return out
}

// Write feeds all hashes; it never fails.
func (h hashing) Write(p []byte) (int, error) {
	for _, one := range h {
		one.Write(p)
	}
	return len(p), nil
}

func (h hashing) states() (map[oci.Algorithm][]byte, error) {
	out := make(map[oci.Algorithm][]byte, len(h))
	for a, one := range h {
		state, err := one.(encoding.BinaryMarshaler).MarshalBinary()
		if err != nil {
			return nil, fmt.Errorf("keep hash: %w", err)
		}
		out[a] = state
	}
	return out, nil
}

// gather adds a body to an upload and feeds the hashes with it. Few bytes stay
// in the item, more go to the blob store. The body is taken whole or not at
// all: on an error the upload is as it was.
func (r *Registry) gather(ctx context.Context, u upload, h hashing, body io.Reader) (upload, error) {
	body = &source{r: body}
	if u.state == nil {
		head := make([]byte, len(u.tail), maxInlineBlob+1)
		copy(head, u.tail)
		n, err := io.ReadFull(body, head[len(head):cap(head)])
		h.Write(head[len(u.tail) : len(u.tail)+n])
		head = head[:len(u.tail)+n]
		switch {
		case errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF):
			u.tail, u.offset = head, int64(len(head))
			return u, nil
		case err != nil:
			return u, err
		}
		return r.append(ctx, u, io.MultiReader(bytes.NewReader(head), io.TeeReader(body, h)))
	}
	// Most uploads end with an empty PUT, which the blob store need not hear of.
	var first [1]byte
	switch n, err := io.ReadFull(body, first[:]); {
	case n == 0 && errors.Is(err, io.EOF):
		return u, nil
	case err != nil:
		return u, err
	}
	return r.append(ctx, u, io.TeeReader(io.MultiReader(bytes.NewReader(first[:]), body), h))
}

func (r *Registry) append(ctx context.Context, u upload, body io.Reader) (upload, error) {
	next, err := r.blobs.Append(ctx, u.gathered(), body)
	if errors.Is(err, blobs.ErrUploadLost) {
		return u, oci.ErrUploadInvalid.With(nil, "the upload lost its bytes, start again")
	}
	if err != nil {
		return u, err
	}
	u.tail, u.state, u.offset = nil, next.State, next.Size
	return u, nil
}

// A source marks the errors of a body, so that they are told from those of the
// store, and keeps io.ErrUnexpectedEOF from looking like a short last read.
type source struct{ r io.Reader }

func (s *source) Read(p []byte) (int, error) {
	n, err := s.r.Read(p)
	if err != nil && err != io.EOF {
		err = bodyCut(err)
	}
	return n, err
}

func bodyCut(err error) error {
	var known *oci.Error
	if errors.As(err, &known) {
		return known
	}
	return oci.ErrSizeInvalid.With(nil, "the body broke off")
}
