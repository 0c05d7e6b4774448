package absent

import (
	"bytes"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/berthregistry/berth/shared/oci"
)

// anyManifest is the Accept of a request for a manifest of whichever kind.
const anyManifest = oci.MediaTypeIndex + ", " + oci.MediaTypeImage + ", " +
	oci.MediaTypeDockerList + ", " + oci.MediaTypeDockerImage + ", " +
	"application/vnd.oci.artifact.manifest.v1+json"

// lookAhead asks for a manifest in place of its referrers, and keeps it for who
// comes for it next. It says whether it has: what has failed, or is not there,
// may have referrers nevertheless.
func (t *Transport) lookAhead(req *http.Request, at place) bool {
	n, began, tick := at.note(req), time.Now(), t.memory.now()
	if !t.Ahead || t.moment() < 0 || isPing(at.digest) || !t.memory.ahead(n, at.teller(req)) {
		return false
	}
	resp, err := t.look(instead(req, at))
	if err != nil { // which who asks for the referrers is told next, if it lasts
		return false
	}
	defer resp.Body.Close()
	reserved := t.memory.room(resp)
	t.memory.hold(n, tick, reserved, fetched(resp, at.digest, reserved, began))
	_, _ = io.CopyN(io.Discard, resp.Body, maxDrained) // for the connection to be of use again
	return true
}

// maxDrained is how much is read of what nobody wants, such as an error: in bytes.
const maxDrained = 64 << 10

// instead returns the request for a manifest that is made for one for its
// referrers: by who makes that, about the same.
func instead(req *http.Request, at place) (*http.Request, place) {
	ahead := req.Clone(req.Context())
	at.kind = kindManifest
	ahead.URL = &url.URL{Scheme: req.URL.Scheme, User: req.URL.User, Host: req.URL.Host, Path: "/v2/" + at.repo + "/manifests/" + at.last}
	for _, name := range particular {
		ahead.Header.Del(name)
	}
	ahead.Header.Set("Accept", anyManifest)
	ahead.Header.Set("Accept-Encoding", "identity") // the bytes that the digest is of
	return ahead, at
}

// particular are the headers of requests that whoever sends them wants something
// particular by.
var particular = []string{
	"Cache-Control", "If-Match", "If-Modified-Since", "If-None-Match", "If-Range", "If-Unmodified-Since", "Pragma", "Range",
}

// isPing says whether a digest is the one of zeroes, by which oras finds out whether
// a registry lists referrers at all.
func isPing(d oci.Digest) bool { return strings.Trim(d.Encoded(), "0") == "" }

// room reserves some for the body of an answer, and says how much: 0 if it is not
// to be kept, or has none.
func (m *memory) room(resp *http.Response) int64 {
	size := resp.ContentLength
	if size < 0 {
		size = maxAhead
	}
	if !isKeepable(resp) || size > maxAhead || !m.reserve(size) {
		return 0
	}
	return size
}

// isKeepable says whether an answer may be handed over later: one of the registry
// itself, as it is, that does not forbid it.
func isKeepable(resp *http.Response) bool {
	return resp.StatusCode == http.StatusOK && resp.Header.Get("Content-Encoding") == "" &&
		len(resp.Header.Values("Age")) == 0 &&
		!strings.Contains(strings.ToLower(strings.Join(resp.Header.Values("Cache-Control"), ",")), "no-store")
}

// fetched reads a manifest of up to size bytes. It is nil if the body is not that:
// cut off or too long it has another digest.
func fetched(resp *http.Response, d oci.Digest, size int64, asked time.Time) *manifest {
	if size == 0 {
		return nil
	}
	body := make([]byte, size)
	n, _ := io.ReadFull(resp.Body, body)
	if int64(n) < size { // which was not known before
		body = bytes.Clone(body[:n])
	}
	if oci.AlgorithmOf(d).Sum(body) != d {
		return nil
	}
	header := http.Header{}
	for _, name := range handed {
		if values := resp.Header[name]; len(values) > 0 {
			header[name] = values
		}
	}
	return &manifest{header, body, asked}
}

// sight remembers that an answer has brought a manifest, and if it is of a registry
// whose answers are worth to be asked for ahead.
func (t *Transport) sight(req *http.Request, resp *http.Response, at place) {
	if isKeepable(resp) && (says(resp, "absent") || says(resp, "present")) {
		t.memory.heard(at.teller(req))
	}
	if resp.StatusCode == http.StatusOK {
		t.memory.saw(at.note(req))
	}
}

// teller returns whom this asks. One that tells a login may send others to get one,
// which is not to happen twice.
func (p place) teller(req *http.Request) teller {
	nobody := req.Header.Get("Authorization") == "" && req.Header.Get("Cookie") == ""
	return teller{p.scheme, p.host, nobody}
}
