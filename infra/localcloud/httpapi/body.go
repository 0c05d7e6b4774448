package httpapi

import (
	"bytes"
	"errors"
	"net/http"
	"strings"
	"unicode/utf8"
)

// headerSize is the size of the request line and the headers as they came over
// the wire, or a few bytes more or less where the parser has eaten white space.
func headerSize(r *http.Request) int64 {
	const separators = len(": \r\n")
	size := len(r.Method) + len(r.RequestURI) + len(r.Proto) + len("  \r\n")
	size += len("Host") + len(r.Host) + separators
	for name, values := range r.Header {
		for _, value := range values {
			size += len(name) + len(value) + separators
		}
	}
	for _, value := range r.TransferEncoding {
		size += len("Transfer-Encoding") + len(value) + separators
	}
	return int64(size)
}

// gather reads the whole body, chunked or not: functions get it in one piece.
// The buffer belongs back into g.bodies.
func (g *gateway) gather(w http.ResponseWriter, r *http.Request) (*bytes.Buffer, error) {
	if r.ContentLength > g.dev.MaxRequest {
		return nil, errBodyTooLarge // without asking an Expect: 100-continue for it
	}
	body, ok := g.bodies.Get().(*bytes.Buffer)
	if !ok {
		body = new(bytes.Buffer)
	}
	body.Reset()
	if r.ContentLength > 0 {
		body.Grow(int(r.ContentLength) + bytes.MinRead) // which ReadFrom wants free to see the end
	}
	if _, err := body.ReadFrom(http.MaxBytesReader(w, r.Body, g.dev.MaxRequest)); err != nil {
		g.bodies.Put(body)
		if _, ok := errors.AsType[*http.MaxBytesError](err); ok {
			return nil, errBodyTooLarge
		}
		return nil, errBadRequest // which nobody hears if the client is gone
	}
	return body, nil
}

// arrivesAsText reports whether functions get the body as a JSON string and not
// as base64. No documentation lists the types; ministackorg/ministack pull
// request 766 found these on AWS. A body that calls itself text and is not
// UTF-8 is assumed to come as base64: anything else would lose it. What arrives
// as text by a deviation is lost so: nobody looked whether it is UTF-8.
func (g *gateway) arrivesAsText(r *http.Request, body []byte) bool {
	mediaType, _, _ := strings.Cut(r.Header.Get("Content-Type"), ";")
	mediaType = strings.ToLower(strings.TrimSpace(mediaType))
	switch {
	case strings.HasPrefix(mediaType, "text/"):
	case mediaType == "application/json", mediaType == "application/xml", mediaType == "application/javascript":
	case strings.HasPrefix(mediaType, "application/vnd.oci."), strings.HasPrefix(mediaType, "application/vnd.docker."):
		return g.dev.TextBodies
	default:
		return false
	}
	return utf8.Valid(body)
}
