package absent

import (
	"crypto/sha256"
	"net"
	"net/http"
	"net/url"
	"strings"

	"github.com/berthregistry/berth/shared/oci"
)

// A kind is a kind of resource, as far as it matters here.
type kind int

const (
	kindNone      kind = iota // of no registry
	kindOther                 // of a registry, and not understood
	kindManifest              // /v2/<name>/manifests/<tag-or-digest>
	kindReferrers             // /v2/<name>/referrers/<digest>
	kindUpload                // /v2/<name>/blobs/uploads/…
)

// A room is a repository by whichever scheme: what is pushed by one is there by
// the other. The zero room is not known.
type room struct {
	host string // in lower case, without a port that goes without saying
	repo string
}

// A place is what a request points to.
type place struct {
	room
	kind    kind
	scheme  string
	address string     // host and port as they are in the URL
	last    string     // the tag or digest
	digest  oci.Digest // "" if it is none
}

// A note is whose question it answers to say that a manifest has no referrers.
type note struct {
	room
	scheme string
	digest oci.Digest
	who    [sha256.Size]byte
}

// locate says where a request goes. What may mean something else to the registry
// than it does here, such as an escaped path, or one by which a gateway may lead
// there, is not understood.
func locate(req *http.Request) place {
	u := req.URL
	rest, ok := strings.CutPrefix(u.Path, "/v2/")
	switch {
	case !ok && u.Opaque == "" && !strings.Contains(u.Path, "/v2/"):
		return place{}
	case !ok, u.Opaque != "", u.RawPath != "" || req.Host != "" && req.Host != u.Host:
		return place{kind: kindOther}
	}
	p := split(rest)
	if !oci.ValidName(p.repo) {
		return place{kind: kindOther}
	}
	p.scheme, p.address, p.host = u.Scheme, u.Host, hostOf(u)
	return p
}

// split finds the kind by the last segments but one: a name has slashes, and may
// have segments like "blobs".
func split(rest string) place {
	slash := strings.LastIndexByte(rest, '/')
	head, last := rest[:max(slash, 0)], rest[slash+1:]
	if name, ok := strings.CutSuffix(head, "/blobs/uploads"); ok {
		return place{kind: kindUpload, room: room{repo: name}}
	}
	p := place{last: last}
	p.digest, _ = oci.ParseDigest(last)
	if name, ok := strings.CutSuffix(head, "/manifests"); ok && (p.digest != "" || oci.ValidTag(last)) {
		p.kind, p.repo = kindManifest, name
		return p
	}
	if name, ok := strings.CutSuffix(head, "/referrers"); ok && p.digest != "" {
		p.kind, p.repo = kindReferrers, name
		return p
	}
	return place{kind: kindOther, room: room{repo: besides(head, rest)}}
}

// besides returns the repository of what is none of the above: of a blob, or of an
// extension, whose path has an underscore after the name. It is "" of all else.
func besides(head, rest string) string {
	if name, ok := strings.CutSuffix(head, "/blobs"); ok {
		return name
	}
	if name, _, ok := strings.Cut(rest, "/_"); ok {
		return name
	}
	return ""
}

func hostOf(u *url.URL) string {
	host, port := strings.ToLower(u.Hostname()), u.Port()
	if port == "" || u.Scheme == "http" && port == "80" || u.Scheme == "https" && port == "443" {
		return host
	}
	return net.JoinHostPort(host, port)
}

// has says whether a note is of a room, or of any if that is the zero one.
func (r room) has(n note) bool { return r == room{} || n.room == r }

// note returns what would be noted of a place for who makes a request.
func (p place) note(req *http.Request) note {
	return note{p.room, p.scheme, p.digest, whose(req.Header)}
}

// isWhole says whether a request is for all referrers, or all of a type: n, as oras
// has it, is how many of them at once.
func isWhole(req *http.Request) bool {
	q, err := url.ParseQuery(req.URL.RawQuery)
	if err != nil || req.Method != http.MethodGet || hasBody(req) {
		return false
	}
	for name := range q {
		if name != "artifactType" && name != "n" {
			return false
		}
	}
	return true
}

func hasBody(req *http.Request) bool { return req.Body != nil && req.Body != http.NoBody }
