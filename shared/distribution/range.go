package distribution

import (
	"fmt"
	"io"
	"net/http"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/berthregistry/berth/shared/oci"
)

// serveContent leaves ranges and conditions to the standard library, which also
// hands files to the socket without a copy. What that refuses in plain text, or
// without a word, is returned as an error, and so is content of which not one
// byte can be read; then nothing was written.
func serveContent(w http.ResponseWriter, r *http.Request, size int64, content io.ReadSeeker) error {
	held := &held{ResponseWriter: w}
	http.ServeContent(held, fitRange(r, size), "", time.Time{}, content)
	switch {
	case held.unreadable != nil:
		for _, name := range []string{"Accept-Ranges", "Content-Range", "Docker-Content-Digest", "Etag"} {
			w.Header().Del(name) // they are of what does not come
		}
		return fmt.Errorf("read content: %w", held.unreadable)
	case held.status == http.StatusPreconditionFailed:
		return oci.ErrPrecondition.With(nil, "the condition does not hold: see Etag for what is here")
	case held.status == http.StatusRequestedRangeNotSatisfiable:
		w.Header().Set("Content-Range", "bytes */"+strconv.FormatInt(size, 10))
		return oci.ErrRange.With(map[string]int64{"size": size},
			"%q asks for nothing of %d bytes", oci.Clip(r.Header.Get("Range")), size)
	case held.refused():
		return fmt.Errorf("serve content: status %d", held.status)
	}
	held.pass()
	return nil
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

// held keeps an answer back until its first byte has been read: a store may
// open what it then fails to read. One that is a refusal stays here for ever.
type held struct {
	http.ResponseWriter
	status     int
	passed     bool
	unreadable error // what the first read failed with
}

var _ io.ReaderFrom = (*held)(nil)

// WriteHeader implements http.ResponseWriter.
func (h *held) WriteHeader(status int) {
	if status == http.StatusPartialContent && h.Header().Get("Content-Length") == "0" {
		// The standard library gives the last 0 bytes to whom asks for them.
		status = http.StatusRequestedRangeNotSatisfiable
	}
	h.status = status
}

func (h *held) refused() bool { return h.status >= 400 }

func (h *held) pass() {
	if !h.passed {
		h.passed = true
		h.ResponseWriter.WriteHeader(h.status)
	}
}

// Write implements io.Writer.
func (h *held) Write(p []byte) (int, error) {
	if h.refused() {
		return len(p), nil
	}
	h.pass()
	return h.ResponseWriter.Write(p)
}

// ReadFrom implements io.ReaderFrom as recorder does. Of a file nothing is read
// here, so that the socket may take it as it is.
func (h *held) ReadFrom(src io.Reader) (int64, error) {
	if h.refused() {
		return io.Copy(io.Discard, src)
	}
	var first []byte
	if !isFile(src) {
		first = make([]byte, 512)
		n, err := io.ReadAtLeast(src, first, 1)
		if n == 0 && err != io.EOF {
			h.unreadable = err
			return 0, err
		}
		first = first[:n]
	}
	n, err := h.Write(first)
	if err != nil {
		return int64(n), err
	}
	rest, err := io.Copy(h.ResponseWriter, src)
	return int64(n) + rest, err
}

// isFile says whether what is copied is a part of a file.
func isFile(src io.Reader) bool {
	part, ok := src.(*io.LimitedReader)
	if !ok {
		return false
	}
	_, ok = part.R.(*os.File)
	return ok
}
