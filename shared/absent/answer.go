package absent

import (
	"io"
	"net/http"
	"strconv"
	"strings"

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
	header := http.Header{"Content-Type": {oci.MediaTypeIndex}, "Content-Length": {strconv.Itoa(len(empty))}}
	if req.URL.Query().Get("artifactType") != "" {
		header.Set("Oci-Filters-Applied", "artifactType")
	}
	return &http.Response{
		Status: "200 OK", StatusCode: http.StatusOK, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: header, Body: io.NopCloser(strings.NewReader(empty)), ContentLength: int64(len(empty)), Request: req,
	}, nil
}
