package distribution

import (
	"bytes"
	"net/http"
	"net/url"

	"github.com/berthregistry/berth/shared/oci"
	"github.com/berthregistry/berth/shared/registry"
)

// listReferrers is end-12a and end-12b.
//
// A list that is whole has an entity tag, which is a sum over what is listed. It
// is weak: sums of different lists can be alike, if hardly ever. By it a client
// learns from one item that its list is still right, where the list may take a
// thousand. It tells nobody anything that their list does not: who sees no
// referrers gets the tag of an empty list. So there is no Vary either; that who
// asks may matter is what Authorization means to a cache anyway (RFC 9110, section
// 12.5.5).
func (v *visit) listReferrers(w http.ResponseWriter, r *http.Request, t Target) error {
	q := r.URL.Query()
	artifactType := q.Get("artifactType")
	page, same, err := v.referrersPage(r, t, artifactType, q.Get("next"))
	if err != nil {
		return err
	}
	header := w.Header()
	header["Cache-Control"] = revalidate
	if page.Fingerprint != "" {
		header["Etag"] = []string{"W/" + listTag(page.Fingerprint)}
	}
	if same {
		w.WriteHeader(http.StatusNotModified)
		return nil
	}
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

// referrersPage reads a page of the list, or finds that it is one that the client
// has.
func (v *visit) referrersPage(r *http.Request, t Target, artifactType, from string) (page registry.ReferrersPage, same bool, err error) {
	if from == "" && len(r.Header["If-None-Match"]) > 0 {
		return v.reg.ReferrersUnless(r.Context(), t.Repo, t.Digest, artifactType, func(fingerprint string) bool {
			return noneMatch(r.Header, listTag(fingerprint))
		})
	}
	page, err = v.reg.Referrers(r.Context(), t.Repo, t.Digest, artifactType, from)
	return page, false, err
}

// listTag is the entity tag of a list, without the sign that it is weak.
func listTag(fingerprint string) string { return `"` + fingerprint + `"` }

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
