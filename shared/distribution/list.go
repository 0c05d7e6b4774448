package distribution

import (
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"strconv"
	"unicode/utf8"

	"github.com/berthregistry/berth/shared/oci"
)

// listTags is end-8a and end-8b.
func (v *visit) listTags(w http.ResponseWriter, r *http.Request, t Target) error {
	q := r.URL.Query()
	n, err := pageSize(q)
	if err != nil {
		return err
	}
	last, err := pageStart(q, oci.MaxTag)
	if err != nil {
		return err
	}
	tags, more, err := v.reg.Tags(r.Context(), t.Repo, last, n)
	if err != nil {
		return err
	}
	return writePage(w, r, page{of: t, query: q, names: tags, more: more,
		body: struct {
			Name string   `json:"name"`
			Tags []string `json:"tags"`
		}{t.Repo, orEmpty(tags)}})
}

// listRepositories is the catalog, which the spec only reserves the name of;
// its form is that of the Docker registry.
func (v *visit) listRepositories(w http.ResponseWriter, r *http.Request, t Target) error {
	q := r.URL.Query()
	n, err := pageSize(q)
	if err != nil {
		return err
	}
	last, err := pageStart(q, oci.MaxName)
	if err != nil {
		return err
	}
	repos, more, err := v.reg.Repositories(r.Context(), last, n)
	if err != nil {
		return err
	}
	return writePage(w, r, page{of: t, query: q, names: repos, more: more,
		body: struct {
			Repositories []string `json:"repositories"`
		}{orEmpty(repos)}})
}

// pageSize reads n, -1 if there is none. Errors: oci.ErrPage.
func pageSize(q url.Values) (int, error) {
	if !q.Has("n") {
		return -1, nil
	}
	n, err := strconv.Atoi(q.Get("n"))
	if errors.Is(err, strconv.ErrRange) {
		err = nil // n is as large as can be
	}
	if err != nil || n < 0 {
		return 0, oci.ErrPage.With(nil, "n must be a whole number from 0")
	}
	return n, nil
}

// pageStart reads last, which need not be on the list, nor be a name that could
// be on it, but has to be text of at most so many bytes. Errors: oci.ErrPage.
func pageStart(q url.Values, most int) (string, error) {
	last := q.Get("last")
	if len(last) > most || !utf8.ValidString(last) {
		return "", oci.ErrPage.With(nil, "last is not a name that could be listed")
	}
	return last, nil
}

// A page is a list of names that may go on.
type page struct {
	of    Target
	query url.Values
	names []string
	more  bool
	body  any
}

func writePage(w http.ResponseWriter, r *http.Request, p page) error {
	raw, err := json.Marshal(p.body)
	if err != nil {
		return err
	}
	if p.more && len(p.names) > 0 {
		next := url.Values{"last": {p.names[len(p.names)-1]}}
		if p.query.Has("n") {
			next.Set("n", p.query.Get("n"))
		}
		setNext(w.Header(), p.of, next)
	}
	writeJSON(w, r, raw)
	return nil
}

// orEmpty makes an empty list [] and not null.
func orEmpty(names []string) []string {
	if names == nil {
		return []string{}
	}
	return names
}
