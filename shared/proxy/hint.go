package proxy

import (
	"net/http"
	"strings"

	"github.com/berthregistry/berth/shared/oci"
)

// headerRef is the header by which a request says what it is about (proposals of
// distribution-spec pull request 358), in Go's canonical form.
const headerRef = "Oci-Ref"

// namings are the headers of clients that say what a request is about, the one
// that counts first. Docker-Manifest-Digest goes with any of them.
var namings = []struct {
	name string
	tag  bool // names a tag only
}{
	{headerRef, false},
	{"Oci-Named-Ref", false},
	{"Docker-Manifest-Tag", true},
}

// maxHint is the longest hint of a client that is passed on, in bytes.
const maxHint = 1 << 10

// hint returns what a request is about, as the registry is told: what the client
// says, else the tag in its path, else the tag that led its client there. It is
// "" where that is not known.
//
// It is not known of an upload of which the client says nothing. The tag comes
// with the manifest, which is last; and the tag that was asked for last in this
// repository is that of another push as often as not. A registry that lets this
// login push some tags only would then refuse a layer for the sake of a tag that
// nobody pushes.
func (v *visit) hint(h http.Header) string {
	for _, n := range namings {
		said := h.Get(n.name)
		switch {
		case said == "":
			continue
		case len(said) > maxHint:
			return ""
		case n.tag && !oci.ValidTag(said):
			return ""
		case n.tag:
			return v.mention(said, "")
		}
		return v.named(said)
	}
	if tag := v.target.tag(); tag != "" {
		return v.mention(tag, "")
	}
	d := v.target.digest()
	lead, known := v.trail.to(v.target.repo, d)
	switch {
	case !known:
		return ""
	case lead.tagged && v.target.kind == kindManifest:
		return v.mention(lead.tag, d)
	}
	return v.mention(lead.tag, "")
}

// mention is a reference to an image of the registry.
func (v *visit) mention(tag string, d oci.Digest) string {
	ref := v.to.Host + "/" + v.target.repo + ":" + tag
	if d != "" {
		ref += "@" + string(d)
	}
	return ref
}

// named puts the registry where a client names the proxy.
func (v *visit) named(reference string) string {
	if rest, ok := strings.CutPrefix(reference, v.host+"/"); ok {
		return v.to.Host + "/" + rest
	}
	return reference
}

// setHint has a request to the registry say what it is about. What else a client
// says of that is taken out, since what counts is in here.
func (v *visit) setHint(h http.Header) {
	for _, n := range namings {
		h.Del(n.name)
	}
	if v.about != "" {
		h.Set(headerRef, v.about)
	}
}
