package distribution

import (
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/berthregistry/berth/shared/oci"
)

// serveContent leaves ranges and conditions to the standard library, which also
// hands files to the socket without a copy. What that refuses in plain text, or
// without a word, is returned as an error; then nothing was written.
func serveContent(w http.ResponseWriter, r *http.Request, size int64, content io.ReadSeeker) error {
	held := &held{ResponseWriter: w}
	http.ServeContent(held, fitRange(r, size), "", time.Time{}, content)
	switch held.status {
	case 0:
		return nil
	case http.StatusPreconditionFailed:
		return oci.ErrPrecondition.With(nil, "the condition does not hold: see Etag for what is here")
	case http.StatusRequestedRangeNotSatisfiable:
		w.Header().Set("Content-Range", "bytes */"+strconv.FormatInt(size, 10))
		return oci.ErrRange.With(map[string]int64{"size": size},
			"%q asks for nothing of %d bytes", oci.Clip(r.Header.Get("Range")), size)
	}
	return fmt.Errorf("serve content: status %d", held.status)
}

// fitRange takes out a Range that is to be ignored (RFC 9110, section 14.2): of
// a HEAD, or in a unit that is not known. Of nothing, any range is all there is.
func fitRange(r *http.Request, size int64) *http.Request {
	wanted := r.Header.Get("Range")
	if wanted == "" || r.Method == http.MethodGet && size > 0 && strings.HasPrefix(wanted, "bytes=") {
		return r
	}
	out := r.WithContext(r.Context())
	out.Header = r.Header.Clone()
	out.Header.Del("Range")
	return out
}

// held keeps an answer back that is a refusal, and passes any other on, with
// ReadFrom as recorder does.
type held struct {
	http.ResponseWriter
	status int // of the refusal, 0 if there is none
}

var _ io.ReaderFrom = (*held)(nil)

// WriteHeader implements http.ResponseWriter.
func (h *held) WriteHeader(status int) {
	switch {
	case status == http.StatusPartialContent && h.Header().Get("Content-Length") == "0":
		// The standard library gives the last 0 bytes to whom asks for them.
		h.status = http.StatusRequestedRangeNotSatisfiable
	case status >= 400:
		h.status = status
	default:
		h.ResponseWriter.WriteHeader(status)
	}
}

// Write implements io.Writer.
func (h *held) Write(p []byte) (int, error) {
	if h.status != 0 {
		return len(p), nil
	}
	return h.ResponseWriter.Write(p)
}

// ReadFrom implements io.ReaderFrom.
func (h *held) ReadFrom(src io.Reader) (int64, error) {
	if h.status != 0 {
		return io.Copy(io.Discard, src)
	}
	return io.Copy(h.ResponseWriter, src)
}
