package distribution

import (
	"cmp"
	"net/http"
	"time"

	"github.com/berthregistry/berth/shared/access"
	"github.com/berthregistry/berth/shared/oci"
)

// An Exchange is what can be told of a request and its answer. It holds nothing
// secret.
type Exchange struct {
	Method string // cut where it is none that anybody means
	Route  string // one of the Route constants
	Repo   string
	Ref    string // tag, digest or upload id

	// Tag is the tag that a request is about: that of its URL, or else the first
	// one that its hint names and the caller has the right to. Of a hint it is
	// what the client says: nobody has looked whether the tag leads there.
	Tag string
	// Hint is what the client says that the request is about, as it was
	// understood: tags and digests, separated by spaces.
	Hint string
	// Tags are those that a push asked for beside that of its URL.
	Tags []string
	// Pull says that the answer is the manifest that Tag names, whole: by its
	// URL, or as a hint says that names both the tag and the digest. What an
	// image or an index consists of is not another pull.
	Pull bool

	Status     int   // 499 if the client hung up before
	Bytes      int64 // of the answer's body
	Redirected int64 // size of the blob for which the client was sent elsewhere
	Mounted    int   // blobs of other repositories that the beginning of a direct transfer made this one's as well
	Duration   time.Duration
	RequestID  string
	Err        error // what was answered as an error, nil if nothing

	// What follows is zero without a Gate.

	// Principal is who made the request, "" for credentials that were no good.
	Principal string
	// Address is where the request came from, without the port.
	Address string
	// Action is what the caller wanted to do; see package access.
	Action string
	// Rule is the name of the rule that allows or denies it, or that allows it
	// for some tags and not for this.
	Rule string
	// Denied says that the request was refused for who made it. Of a ping that
	// presents nothing that is no more than how to ask for the challenge.
	Denied bool
}

// tell completes what is told of the visit.
func (v *visit) tell(r *http.Request) Exchange {
	x, t := v.told, v.target
	x.Method, x.Route, x.Repo, x.Ref = oci.Clip(r.Method), string(t.Route), t.Repo, t.Label()
	x.Hint = v.hint.String()
	if v.gate != nil {
		x.Address = access.AddressOf(r.RemoteAddr)
	}
	if v.session != nil {
		x.Principal = v.session.Principal.String()
	}
	x.Tag = v.tag(r.Method)
	var decision access.Decision
	x.Action, decision = v.decision(r.Method, cmp.Or(x.Tag, first(x.Tags)))
	x.Rule = decision.Rule
	x.Pull = r.Method == http.MethodGet && t.Route == RouteManifest && x.Status == http.StatusOK &&
		x.Tag != "" && (t.Ref.Tag != "" || v.hint.pins(x.Tag, t.Ref.Digest))
	return x
}

// tag returns which tag the request is about, "" if that is not known. What a
// hint names counts if it could be true: a stranger must not fill the figures
// with tags that they may not even ask for.
func (v *visit) tag(method string) string {
	if v.target.Ref.Tag != "" {
		return v.target.Ref.Tag
	}
	for _, m := range v.hint {
		if m.tag == "" {
			continue
		}
		if _, d := v.decision(method, m.tag); v.gate == nil || d.Tags.Has(m.tag) {
			return m.tag
		}
	}
	return ""
}

// decision returns what a request came down to, and what the policy says to
// that: of the actions that it may be the first that is allowed, for the tag if
// there is one.
func (v *visit) decision(method, tag string) (action string, d access.Decision) {
	if v.session == nil {
		return "", d
	}
	if v.target.Route == RouteCatalog {
		return "catalog", d
	}
	for i, a := range asked(method, v.target) {
		may := v.may.Of(a)
		if may.Tags.Has(tag) || tag == "" && may.Allowed() {
			return string(a), may
		}
		if i == 0 {
			action, d = string(a), may
		}
	}
	return action, d
}

func first(tags []string) string {
	if len(tags) == 0 {
		return ""
	}
	return tags[0]
}
