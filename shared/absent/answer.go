package absent

import (
	"bytes"
	"io"
	"net/http"
	"strconv"

	"github.com/berthregistry/berth/shared/oci"
)

// empty is the list of no referrers (spec, "Listing Referrers").
const empty = `{"schemaVersion":2,"mediaType":"` + oci.MediaTypeIndex + `","manifests":[]}`

// answer answers a request for referrers of a manifest that has none.
func (t *Transport) answer(req *http.Request) (*http.Response, error) {
	if req.Body != nil {
		_ = req.Body.Close() // as http.RoundTripper has to
	}
	if err := req.Context().Err(); err != nil {
		return nil, err
	}
	t.spared.Add(1)
	header := http.Header{"Content-Type": {oci.MediaTypeIndex}}
	if req.URL.Query().Get("artifactType") != "" {
		header.Set("Oci-Filters-Applied", "artifactType")
	}
	return ok(req, header, []byte(empty)), nil
}

// ok is an answer of the Transport's own.
func ok(req *http.Request, header http.Header, body []byte) *http.Response {
	header.Set("Content-Length", strconv.Itoa(len(body)))
	resp := &http.Response{
		Status: "200 OK", StatusCode: http.StatusOK, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: header, Body: http.NoBody, ContentLength: int64(len(body)), Request: req,
	}
	if req.Method != http.MethodHead {
		resp.Body = io.NopCloser(bytes.NewReader(body))
	}
	return resp
}
