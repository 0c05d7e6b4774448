package distribution

import (
	"errors"
	"io"
	"net/http"
	"strconv"

	"github.com/berthregistry/berth/shared/oci"
	"github.com/berthregistry/berth/shared/registry"
)

// getManifest is end-3 with GET.
func (v *visit) getManifest(w http.ResponseWriter, r *http.Request, t Target) error {
	m, err := v.reg.Manifest(r.Context(), t.Repo, t.Ref)
	if err != nil {
		return err
	}
	v.serveManifest(w, r, t, m)
	return nil
}

// headManifest is end-3 with HEAD.
func (v *visit) headManifest(w http.ResponseWriter, r *http.Request, t Target) error {
	m, err := v.reg.StatManifest(r.Context(), t.Repo, t.Ref)
	if err != nil {
		return err
	}
	v.serveManifest(w, r, t, m)
	return nil
}

// revalidate keeps a cache in between, an edge of a CDN for one, from telling
// again which manifest a tag named or that nothing referred to it.
var revalidate = []string{"no-cache"}

func (v *visit) serveManifest(w http.ResponseWriter, r *http.Request, t Target, m registry.Manifest) {
	header := w.Header()
	etag := `"` + string(m.Digest) + `"`
	header["Content-Type"] = []string{m.MediaType}
	header["Docker-Content-Digest"] = []string{string(m.Digest)}
	header["Etag"] = []string{etag}
	header["Cache-Control"] = revalidate
	// Also on 304: who refers to a manifest can change while it cannot.
	writePresence(v.reg.Rules(t.Repo).ReferrersHeader, header, r.Header, m.Referrers)
	if noneMatch(r.Header, etag) {
		delete(header, "Content-Type")
		w.WriteHeader(http.StatusNotModified)
		return
	}
	header["Content-Length"] = []string{strconv.FormatInt(m.Size, 10)}
	if r.Method != http.MethodHead {
		_, _ = w.Write(m.Body) // a client that hung up is not told
	}
}

// putManifest is end-7a and end-7b.
func (v *visit) putManifest(w http.ResponseWriter, r *http.Request, t Target) error {
	tags := r.URL.Query()["tag"]
	for _, tag := range tags {
		if !oci.ValidTag(tag) {
			tag = oci.Clip(tag)
			return oci.ErrNameInvalid.With(map[string]string{"tag": tag}, "%q is not a tag", tag)
		}
	}
	v.told.Tags = tags[:min(len(tags), v.reg.Limits().TagsPerPush)]
	pre, err := precondition(r.Header)
	if err != nil {
		return err
	}
	body, err := readBody(w, r, "manifests", v.reg.Limits().ManifestSize)
	if err != nil {
		return err
	}
	out, err := v.reg.PutManifest(r.Context(), registry.ManifestPush{
		Repo: t.Repo, Ref: t.Ref, Tags: tags, If: pre,
		ContentType: r.Header.Get("Content-Type"), Body: body,
	})
	if err != nil {
		return err
	}
	header := w.Header()
	header.Set("Location", Target{Route: RouteManifest, Repo: t.Repo, Ref: oci.Reference{Digest: out.Digest}}.Path())
	header.Set("Docker-Content-Digest", string(out.Digest))
	header.Set("Etag", `"`+string(out.Digest)+`"`)
	if out.Subject != "" {
		header.Set("Oci-Subject", string(out.Subject))
	}
	if len(tags) > 0 {
		header["Oci-Tag"] = tags
	}
	w.WriteHeader(http.StatusCreated)
	return nil
}

// readBody reads a body up to the limit. What announces itself as longer is
// refused before it is sent.
func readBody(w http.ResponseWriter, r *http.Request, what string, limit int64) ([]byte, error) {
	tooLarge := oci.ErrTooLarge.With(map[string]int64{"limit": limit}, "%s may have up to %d bytes", what, limit)
	if r.ContentLength > limit {
		return nil, tooLarge
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, limit))
	var over *http.MaxBytesError
	switch {
	case errors.As(err, &over):
		return nil, tooLarge
	case err != nil:
		return nil, oci.ErrSizeInvalid.With(nil, "the body broke off")
	}
	return body, nil
}

// deleteManifest is end-9.
func (v *visit) deleteManifest(w http.ResponseWriter, r *http.Request, t Target) error {
	pre, err := precondition(r.Header)
	if err != nil {
		return err
	}
	if t.Ref.Tag != "" {
		err = v.reg.DeleteTag(r.Context(), t.Repo, t.Ref.Tag, pre)
	} else {
		err = v.reg.DeleteManifest(r.Context(), t.Repo, t.Ref.Digest, pre)
	}
	if err != nil {
		return err
	}
	w.WriteHeader(http.StatusAccepted)
	return nil
}
