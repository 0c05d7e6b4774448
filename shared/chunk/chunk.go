// Package chunk reads what a PATCH or PUT adds to an upload (distribution spec,
// end-5 and end-6): for the registry, and for what stands in front of one.
package chunk

import (
	"io"
	"net/http"
	"strconv"
	"strings"

	"github.com/berthregistry/berth/shared/oci"
)

// A Chunk is the body of a PATCH or PUT of an upload.
type Chunk struct {
	Start int64 // -1 if the request does not say
	Size  int64 // -1 if unknown
	Body  io.Reader
}

// Read reads the headers of a chunk. A body that turns out to be longer or
// shorter than its Content-Range fails when it is read. Errors:
// oci.ErrUploadInvalid, oci.ErrSizeInvalid.
func Read(r *http.Request) (Chunk, error) {
	c := Chunk{Start: -1, Size: r.ContentLength, Body: r.Body}
	v := r.Header.Get("Content-Range")
	if v == "" {
		return c, nil
	}
	start, end, err := parseContentRange(v)
	if err != nil {
		return c, err
	}
	size := end - start + 1
	if c.Size >= 0 && c.Size != size {
		return c, oci.ErrSizeInvalid.With(nil, "Content-Range %s has %d bytes, Content-Length is %d", v, size, c.Size)
	}
	return Chunk{Start: start, Size: size, Body: &exact{r: r.Body, left: size}}, nil
}

// parseContentRange reads "<start>-<end>", both inclusive (spec, end-5).
func parseContentRange(v string) (start, end int64, err error) {
	first, last, ok := strings.Cut(v, "-")
	start, err1 := parsePosition(first)
	end, err2 := parsePosition(last)
	if !ok || err1 != nil || err2 != nil || end < start {
		return 0, 0, oci.ErrUploadInvalid.With(nil, "Content-Range must be <start>-<end>, got %.60q", v)
	}
	return start, end, nil
}

// parsePosition reads digits only, and leaves room to add one.
func parsePosition(s string) (int64, error) {
	n, err := strconv.ParseUint(s, 10, 62)
	return int64(n), err
}

// exact reads a body that must have so many bytes.
type exact struct {
	r    io.Reader
	left int64
}

func (e *exact) Read(p []byte) (int, error) {
	if e.left == 0 {
		// A body may still be at its end without having said so.
		var one [1]byte
		n, err := io.ReadFull(e.r, one[:])
		if n > 0 {
			err = oci.ErrSizeInvalid.With(nil, "the body is longer than its Content-Range")
		}
		return 0, err
	}
	n, err := e.r.Read(p[:min(int64(len(p)), e.left)])
	e.left -= int64(n)
	if err == io.EOF && e.left > 0 {
		err = oci.ErrSizeInvalid.With(nil, "the body is shorter than its Content-Range")
	}
	if err == io.EOF && n > 0 {
		err = nil // the next call looks for more
	}
	return n, err
}
