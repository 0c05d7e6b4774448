package distribution

import (
	"bytes"
	"net/http"
	"net/url"

	"github.com/berthregistry/berth/shared/oci"
)

// listReferrers is end-12a and end-12b.
func (v *visit) listReferrers(w http.ResponseWriter, r *http.Request, t Target) error {
	q := r.URL.Query()
	artifactType := q.Get("artifactType")
	page, err := v.reg.Referrers(r.Context(), t.Repo, t.Digest, artifactType, q.Get("next"))
	if err != nil {
		return err
	}
	header := w.Header()
	header.Set("Content-Type", oci.MediaTypeIndex)
	if artifactType != "" {
		header.Set("Oci-Filters-Applied", "artifactType")
	}
	if page.Next != "" {
		next := url.Values{"next": {page.Next}}
		if artifactType != "" {
			next.Set("artifactType", artifactType)
		}
		setNext(header, t, next)
	}
	writeJSON(w, r, referrersIndex(page.Descriptors))
	return nil
}

// referrersIndex makes an image index of descriptors that are JSON already.
func referrersIndex(descriptors [][]byte) []byte {
	const head = `{"schemaVersion":2,"mediaType":"` + oci.MediaTypeIndex + `","manifests":[`
	size := len(head) + len("]}")
	for _, d := range descriptors {
		size += len(d) + 1
	}
	b := bytes.NewBuffer(make([]byte, 0, size))
	b.WriteString(head)
	for i, d := range descriptors {
		if i > 0 {
			b.WriteByte(',')
		}
		b.Write(d)
	}
	b.WriteString("]}")
	return b.Bytes()
}

// setNext points to the next page (RFC 8288).
func setNext(h http.Header, t Target, q url.Values) {
	h.Set("Link", "<"+t.Path()+"?"+q.Encode()+`>; rel="next"`)
}
