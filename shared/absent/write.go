package absent

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"strings"
)

// write carries a request that may change what refers to what. Its rooms are
// forgotten at its start, since what is there may be old from then on, and at its
// end, failed or not, since what others have learnt meanwhile may be as well.
func (t *Transport) write(req *http.Request, at place) (*http.Response, error) {
	rooms, gone, tagged := touched(req), !isPush(req, at), tagged(req)
	t.memory.forget(rooms, gone)
	t.memory.leave(tagged)
	resp, err := t.send(req, at)
	if len(rooms) == 0 && err == nil && len(resp.Header.Values("Oci-Subject")) > 0 {
		rooms = []room{at.room} // it knows better
	}
	t.memory.forget(rooms, gone)
	t.memory.leave(tagged)
	return resp, err
}

// isPush says whether a write is to push a manifest, after which no other is gone,
// unless it was reached by a tag; see tagged.
func isPush(req *http.Request, at place) bool {
	return req.Method == http.MethodPut && at.kind == kindManifest && req.Response == nil
}

// touched returns the rooms that a write may bring a referrer to, or take one
// from. One that was redirected is a write to where it was sent at first, too.
func touched(req *http.Request) (rooms []room) {
	for r := req; r != nil; r = before(r) {
		if at := locate(r); at.kind != kindNone && at.kind != kindUpload && mayAttach(req, at) {
			rooms = append(rooms, at.room)
		}
	}
	return rooms
}

// tagged returns the rooms where a push points tags at something: what they were at
// may be out of sight for who sees some tags only.
func tagged(req *http.Request) (rooms []room) {
	for r := req; r != nil; r = before(r) {
		at := locate(r)
		if r.Method == http.MethodPut && at.kind == kindManifest && (at.digest == "" || r.URL.RawQuery != "") {
			rooms = append(rooms, at.room)
		}
	}
	return rooms
}

// before returns the request whose answer has led to one, nil if there is none.
func before(r *http.Request) *http.Request {
	if r.Response == nil {
		return nil
	}
	return r.Response.Request
}

// mayAttach says whether a write may change what refers to what, unless it is
// certain that it does not.
func mayAttach(req *http.Request, at place) bool {
	if req.Method != http.MethodPut || at.kind != kindManifest {
		return true
	}
	// A tag like sha256-<hash> is that of a list of referrers, which a registry may
	// take up. A query may have tags as well.
	return strings.HasPrefix(at.last, "sha256-") || strings.HasPrefix(at.last, "sha512-") ||
		req.URL.RawQuery != "" || mentionsSubject(req)
}

// maxLooked is the size in bytes of the largest manifest that is looked at.
const maxLooked = 4 << 20

// mentionsSubject says whether a manifest mentions a subject anywhere, in any case
// of its letters, or cannot be looked at. How its JSON would be read, with
// members that come twice, is not for here to decide.
func mentionsSubject(req *http.Request) bool {
	if req.GetBody == nil || req.Header.Get("Content-Encoding") != "" {
		return true
	}
	body, err := req.GetBody()
	if err != nil {
		return true
	}
	defer body.Close()
	raw, err := io.ReadAll(io.LimitReader(body, maxLooked+1))
	switch {
	case err != nil || len(raw) > maxLooked || !json.Valid(raw):
		return true
	case bytes.Contains(raw, []byte(`\u`)): // letters may be spelt so
		return true
	}
	return bytes.Contains(bytes.ToUpper(raw), []byte("SUBJECT")) // which has ſ as an S, as encoding/json does
}
