package proxy

import (
	"io"
	"net/http"
	"strconv"
	"strings"

	"github.com/berthregistry/berth/shared/oci"
)

// A chunk is what a request adds to an upload.
type chunk struct {
	start int64 // -1 if the request does not say
	size  int64 // -1 if unknown
	body  io.Reader
}

// readChunk reads the headers of a chunk. A body that turns out to be longer or
// shorter than its Content-Range is an error at its end. Errors:
// oci.ErrUploadInvalid, oci.ErrSizeInvalid.
func readChunk(r *http.Request) (chunk, error) {
	c := chunk{start: -1, size: r.ContentLength, body: r.Body}
	text := r.Header.Get("Content-Range")
	if text == "" {
		return c, nil
	}
	start, size, err := parseRange(text)
	if err != nil {
		return c, err
	}
	if c.size >= 0 && c.size != size {
		return c, oci.ErrSizeInvalid.With(nil, "Content-Range %s has %d bytes, Content-Length is %d", text, size, c.size)
	}
	return chunk{start, size, &measured{body: r.Body, left: size}}, nil
}

// parseRange reads "<start>-<end>", both inclusive, and nothing more than digits
// (spec, end-5).
func parseRange(text string) (start, size int64, err error) {
	first, last, ok := strings.Cut(text, "-")
	from, err1 := strconv.ParseUint(first, 10, 62)
	to, err2 := strconv.ParseUint(last, 10, 62)
	if !ok || err1 != nil || err2 != nil || to < from {
		return 0, 0, oci.ErrUploadInvalid.With(nil, "Content-Range must be <start>-<end>, got %q", oci.Clip(text))
	}
	return int64(from), int64(to-from) + 1, nil
}

// measured reads a body that must have so many bytes left.
type measured struct {
	body io.Reader
	left int64
}

func (m *measured) Read(p []byte) (int, error) {
	if m.left == 0 {
		var more [1]byte
		if n, _ := io.ReadFull(m.body, more[:]); n > 0 {
			return 0, oci.ErrSizeInvalid.With(nil, "the body is longer than its Content-Range")
		}
		return 0, io.EOF
	}
	n, err := m.body.Read(p[:min(int64(len(p)), m.left)])
	m.left -= int64(n)
	if err == io.EOF && m.left > 0 {
		return n, oci.ErrSizeInvalid.With(nil, "the body is shorter than its Content-Range")
	}
	return n, err
}
