package distribution

import (
	"net/http"
	"strconv"
	"time"

	"github.com/berthregistry/berth/shared/registry"
)

// A Door is a front door that does not let everything through. The zero value
// is a socket, which does.
type Door struct {
	// Inline is the size in bytes up to which a blob is sent through the door.
	// A larger one is answered with a redirect to the blob store, if that has a
	// URL for it. Zero stands for any size.
	Inline int64

	// Headless is a door that loses the Content-Length of an answer to HEAD, and
	// counts the body instead. HEAD is then answered with the body of GET. Only
	// that of a blob is redirected to the store, as long as that has a URL for
	// it: a length that is missing or wrong has clients push manifests with
	// wrong sizes.
	Headless bool

	// Request is the size in bytes of the largest request body that gets
	// through. Nobody here can answer a larger one, so clients are told when
	// they begin an upload. Zero stands for no limit.
	Request int64

	// Poll is for a door that holds an answer back until it is whole: events then
	// come in pages only, and this is how long clients are told to wait before
	// they ask for the next. Zero stands for a door that they stream through.
	Poll time.Duration

	// Valid is how long the URL of a redirect works, a minute if zero.
	Valid time.Duration
}

// redirect sends the client to the blob store and says whether there is a URL
// to send it to. Ranges are the store's to answer. What the client has already
// is not sent for: the store would not know our entity tag.
func (v *visit) redirect(w http.ResponseWriter, r *http.Request, b registry.Blob) (bool, error) {
	header := w.Header()
	if etag := blobTag(b); noneMatch(r.Header, etag) {
		header.Set("Docker-Content-Digest", string(b.Digest))
		header.Set("Etag", etag)
		w.WriteHeader(http.StatusNotModified)
		return true, nil
	}
	url, err := v.reg.BlobURL(r.Context(), b, r.Method, v.door.Valid)
	if err != nil || url == "" {
		return false, err
	}
	header.Set("Docker-Content-Digest", string(b.Digest))
	header.Set("Cache-Control", "no-store") // for a while the URL is as good as a password
	header.Set("Location", url)
	if r.Method == http.MethodGet {
		v.told.Redirected = b.Size
	}
	w.WriteHeader(http.StatusTemporaryRedirect)
	return true, nil
}

// writeChunkLimit says how much a request may carry (distribution-spec pull
// request 486, not merged).
func (d Door) writeChunkLimit(header http.Header) {
	if d.Request > 0 {
		header.Set("Oci-Chunk-Max-Length", strconv.FormatInt(d.Request, 10))
	}
}

// asGet has a HEAD answered as if it were a GET, and of everything: a range is
// of GET only.
func asGet(r *http.Request) *http.Request {
	get := r.WithContext(r.Context())
	get.Method = http.MethodGet
	if _, ok := get.Header["Range"]; ok {
		get.Header = get.Header.Clone()
		get.Header.Del("Range")
	}
	return get
}
