package probe

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strings"
	"time"
)

// An Echo is what of a request arrived.
type Echo struct {
	Method string `json:"method"`
	Path   string `json:"path"`  // undecoded, with what stands in front of Base
	Query  string `json:"query"` // undecoded
	Host   string `json:"host"`

	// Header has the lines of those in Headers that came.
	Header http.Header `json:"header"`

	Length int64  `json:"length"` // of the body in bytes
	SHA256 string `json:"sha256"` // of the body, in hex

	Time time.Time `json:"time"` // by the clock here, which signs the URLs of redirects
}

// Headers are those that an Echo shows: none of them holds a secret.
var Headers = []string{"Accept", "Content-Type", "If-None-Match", "Range"}

// HeaderBack is a header that is sent back as one of the answer, as it arrived.
const HeaderBack = "Berth-Echo"

// maxBody is the most that is read of a body: a little above what a gateway
// lets through, so that a door without a limit can be told from one.
const maxBody = 11 << 20

func echo(w http.ResponseWriter, r *http.Request) {
	hash := sha256.New()
	n, err := io.Copy(hash, http.MaxBytesReader(w, r.Body, maxBody))
	var over *http.MaxBytesError
	switch {
	case errors.As(err, &over):
		http.Error(w, "the probe reads no more than 11 MiB", http.StatusRequestEntityTooLarge)
		return
	case err != nil:
		http.Error(w, "the body broke off", http.StatusBadRequest)
		return
	}
	out := Echo{
		Method: r.Method, Path: rawPath(r), Query: r.URL.RawQuery, Host: r.Host, Header: http.Header{},
		Length: n, SHA256: hex.EncodeToString(hash.Sum(nil)), Time: time.Now().UTC(),
	}
	for _, name := range Headers {
		if lines := r.Header.Values(name); len(lines) > 0 {
			out.Header[name] = lines
		}
	}
	header := w.Header()
	header.Set("Content-Type", "application/json")
	header.Set("Cache-Control", "no-store")
	if back := r.Header.Get(HeaderBack); back != "" {
		header.Set(HeaderBack, back)
	}
	_ = json.NewEncoder(w).Encode(out) // a client that hung up is not told
}

// rawPath is the path as it stands in the request: a *url.URL has forgotten it
// where its escapes are the usual ones.
func rawPath(r *http.Request) string {
	path, _, _ := strings.Cut(r.RequestURI, "?")
	return path
}
