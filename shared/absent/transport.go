package absent

import (
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/berthregistry/berth/shared/oci"
)

// Longest is how long what a registry says of referrers is taken, at most.
const Longest = 2 * time.Second

// The headers of the proposals, in Go's canonical form.
const (
	headerReferrers = "Oci-Referrers"
	headerRef       = "Oci-Ref"
)

// A Transport carries requests to registries, but those for referrers that it
// can answer. It is safe for concurrent use, and must not be copied.
type Transport struct {
	// Base carries the requests: http.DefaultTransport if nil. It must not be a
	// cache, unless one that says Age.
	Base http.RoundTripper
	// For is how long absence is taken as such, from before the request by which it
	// was learnt: Longest if zero or more than that. If negative, nothing is spared.
	For time.Duration
	// Reference is the image that this is about, as HOST/REPOSITORY[:TAG][@DIGEST]
	// with the host as in URLs. If set, requests to that repository, and to none
	// else, say so as OCI-Ref, unless they have one.
	Reference string
	// Ahead is for clients that ask for referrers before the manifest. Where nothing is
	// noted yet, the manifest is asked for in place of its referrers, if the registry
	// is one that says whether there are any; they are asked for next if there may be.
	// The manifest is handed over to who then asks for it.
	Ahead bool

	memory memory
	spared atomic.Int64
}

// Spared returns how many requests for referrers were not needed so far.
func (t *Transport) Spared() int64 { return t.spared.Load() }

// RoundTrip implements http.RoundTripper.
func (t *Transport) RoundTrip(req *http.Request) (*http.Response, error) {
	at := locate(req)
	switch {
	case req.Method != http.MethodGet && req.Method != http.MethodHead:
		return t.write(req, at)
	case req.Response != nil: // to where a redirect leads, whose word is not for where it was asked
		return t.send(req, at)
	case at.kind == kindManifest:
		if found := t.handOver(req, at); found != nil {
			return found, nil
		}
		return t.look(req, at)
	case at.kind == kindReferrers && isWhole(req) && t.hasNone(req, at):
		return t.answer(req)
	}
	return t.send(req, at)
}

// hasNone says whether nothing refers to a manifest, for all that is known or can
// be asked for in place of its referrers.
func (t *Transport) hasNone(req *http.Request, at place) bool {
	n := at.note(req)
	return !wantsNew(req.Header) && t.memory.has(n) || t.lookAhead(req, at) && t.memory.has(n)
}

// wantsNew says whether a client wants the registry's own word, not one from before.
func wantsNew(h http.Header) bool {
	said := strings.Join(slices.Concat(h.Values("Cache-Control"), h.Values("Pragma")), ",")
	return strings.Contains(strings.ToLower(said), "no-cache")
}

// CloseIdleConnections is for http.Client's method of that name.
func (t *Transport) CloseIdleConnections() {
	if c, ok := t.base().(interface{ CloseIdleConnections() }); ok {
		c.CloseIdleConnections()
	}
}

func (t *Transport) base() http.RoundTripper {
	if t.Base == nil {
		return http.DefaultTransport
	}
	return t.Base
}

// send carries a request, and says what it is about.
func (t *Transport) send(req *http.Request, at place) (*http.Response, error) {
	if isOf(t.Reference, at) && req.Header.Get(headerRef) == "" {
		req = req.Clone(req.Context())
		req.Header.Set(headerRef, t.Reference)
	}
	return t.base().RoundTrip(req)
}

// isOf says whether a place is in the repository of a reference.
func isOf(reference string, at place) bool {
	host, rest, ok := strings.Cut(reference, "/")
	repo, _, _ := strings.Cut(rest, "@")
	repo, _, _ = strings.Cut(repo, ":")
	return ok && at.repo != "" && at.repo == repo && strings.EqualFold(at.address, host)
}

// look asks for a manifest, and for whether anything refers to it.
func (t *Transport) look(req *http.Request, at place) (*http.Response, error) {
	began, tick := time.Now(), t.memory.now()
	asking := req.Clone(req.Context())
	if asking.Header.Get(headerReferrers) == "" {
		asking.Header.Set(headerReferrers, "request")
	}
	resp, err := t.send(asking, at)
	if err != nil || req.URL.RawQuery != "" { // of another manifest, for all that is known
		return resp, err
	}
	if at.digest = digestOf(resp, at); at.digest == "" {
		return resp, nil
	}
	if t.Ahead {
		t.sight(req, resp, at)
	}
	if saysAbsent(resp) {
		t.memory.note(at.note(req), tick, began.Add(t.moment()))
	} else {
		t.memory.drop(at.note(req))
	}
	return resp, nil
}

// digestOf returns which manifest an answer is about, "" if that is not known.
func digestOf(resp *http.Response, at place) oci.Digest {
	said := resp.Header.Get("Docker-Content-Digest")
	if at.digest == "" {
		d, _ := oci.ParseDigest(said)
		return d
	}
	if said != "" && said != string(at.digest) {
		return ""
	}
	return at.digest
}

// saysAbsent says whether a registry itself has answered just now, and said that
// there are no referrers.
func saysAbsent(resp *http.Response) bool { return says(resp, "absent") }

func says(resp *http.Response, word string) bool {
	said := resp.Header.Values(headerReferrers)
	return resp.StatusCode == http.StatusOK && len(resp.Header.Values("Age")) == 0 &&
		len(said) == 1 && strings.EqualFold(said[0], word)
}

func (t *Transport) moment() time.Duration {
	if t.For == 0 {
		return Longest
	}
	return min(t.For, Longest)
}
