package distribution

import (
	"errors"
	"net/http"
	"slices"

	"github.com/berthregistry/berth/shared/access"
	"github.com/berthregistry/berth/shared/oci"
)

// A Gate says who makes a request. What they may do is asked of their session.
type Gate interface {
	// Admit returns whoever makes the request, who presents nothing included.
	// Errors: oci.ErrUnauthorized for credentials that are no good,
	// oci.ErrTooManyRequests for who has presented too many of those, which may
	// wrap an error with a method Seconds() int: when to come again. Any other
	// means that it could not be found out.
	Admit(r *http.Request) (*access.Session, error)

	// Challenge returns the WWW-Authenticate of a 401: where to get a token, and
	// with which scopes, separated by spaces, "" for none. The cause is nil where
	// nothing was presented, the error of Admit where that was no good, and any
	// other where it is good for something else.
	Challenge(r *http.Request, scope string, cause error) string
}

// admit finds out who makes the request, and puts the registry behind what they
// may do. The rest is left to the registry, but for what never gets there.
//
// Who presents nothing learns the challenge and what everybody may pull, and not
// even which paths there are. A ping is answered with the challenge whatever they
// may pull: several clients take from there how to log in, and ask no more.
// Others log in when they are told to and no earlier, so who presents nothing is
// told to wherever somebody else may see more: in a list, or by a digest, half of
// it would pass for all of it. Who then comes with a token for nobody in
// particular gets that half.
func (v *visit) admit(w http.ResponseWriter, r *http.Request, misread error) error {
	v.sources = mountSource(r, v.target)
	session, err := v.gate.Admit(r)
	if err != nil {
		v.told.Denied = errors.Is(err, oci.ErrUnauthorized) || errors.Is(err, oci.ErrTooManyRequests)
		if errors.Is(err, oci.ErrUnauthorized) {
			v.challenge(w, r, err)
		}
		return err
	}
	v.session = session
	v.may = session.Decisions(v.target.Repo)
	rights := v.may.Rights(v.hint.references())
	v.reg = v.reg.For(rights)
	_, exists := endpoints[v.target.Route][r.Method]
	switch {
	case stranger(session) && (misread != nil || !exists || v.target.Ref.Tag == "" && !rights.Pull.All()):
		v.told.Denied = v.target.Route != RoutePing
		v.challenge(w, r, nil)
		return oci.ErrUnauthorized
	case v.barred(r.Method):
		return v.deny(w, r, v.denied(r.Method))
	}
	return nil
}

// stranger says whether somebody has presented nothing. A token for nobody in
// particular is something: it says that they have asked.
func stranger(s *access.Session) bool { return s.Unknown() && s.Scopes == nil }

// barred says whether somebody may not do at all what a request is for. It is
// asked where the registry would be too late, after a body, or has no say. Pulls
// are not barred here: who brings content may read what they have sent.
func (v *visit) barred(method string) bool {
	if v.target.Route == RouteCatalog {
		return !v.session.Catalog()
	}
	actions := asked(method, v.target)
	return len(actions) > 0 && actions[0] != access.Pull && !slices.ContainsFunc(actions, func(a access.Action) bool {
		return v.may.Of(a).Allowed()
	})
}

// denied says what somebody has no right to. Clients that find the words that
// the spec has for every denial print none.
func (v *visit) denied(method string) error {
	if v.target.Route == RouteCatalog {
		return oci.ErrDenied.With(nil, "no right to list repositories")
	}
	return oci.ErrDenied.With(nil, "no right to %s in %s", asked(method, v.target)[0], v.target.Repo)
}

// errNarrow is the cause of a challenge to who may do it with another token.
var errNarrow = errors.New("the token is not for this")

// deny returns what somebody is told who may not do what they ask for: 401 where
// other credentials might help, or a token with more scopes.
func (v *visit) deny(w http.ResponseWriter, r *http.Request, err error) error {
	v.told.Denied = true
	switch {
	case stranger(v.session):
		v.challenge(w, r, nil)
		return oci.ErrUnauthorized
	case v.session.Unknown(): // to whom "the token" would say nothing: their client has fetched it
		v.challenge(w, r, errNarrow)
		return oci.ErrUnauthorized
	case v.narrow(r.Method):
		return v.tooNarrow(w, r)
	}
	return err
}

// tooNarrow returns what somebody is told who needs another token.
func (v *visit) tooNarrow(w http.ResponseWriter, r *http.Request) error {
	v.told.Denied = true
	v.challenge(w, r, errNarrow)
	return oci.ErrUnauthorized.With(nil, "the token that was presented does not permit this")
}

// narrow says whether it is the token alone that is in the way.
func (v *visit) narrow(method string) bool {
	if v.target.Route == RouteCatalog {
		wide := access.Session{Principal: v.session.Principal, Policy: v.session.Policy}
		return wide.Catalog()
	}
	return slices.ContainsFunc(asked(method, v.target), func(a access.Action) bool {
		return v.session.Lacks(v.target.Repo, a)
	})
}

func (v *visit) challenge(w http.ResponseWriter, r *http.Request, cause error) {
	scope := scopeOf(r.Method, v.target)
	for _, from := range v.sources {
		scope += " repository:" + from + ":pull"
	}
	w.Header().Set("Www-Authenticate", v.gate.Challenge(r, scope, cause))
}

// asked returns which actions a request may come down to, the most likely first.
func asked(method string, t Target) []access.Action {
	switch {
	case t.Repo == "":
		return nil
	case t.Route == RouteDiscover: // of use to who may do anything that an extension is for
		return []access.Action{access.Push, access.Attach, access.Pull}
	case t.Route == RouteUploads || t.Route == RouteUpload || t.Route.isDirect():
		return []access.Action{access.Push, access.Attach}
	case method == http.MethodPut && t.Ref.Tag != "":
		return []access.Action{access.Push, access.Tag}
	case method == http.MethodPut:
		return []access.Action{access.Push, access.Tag, access.Attach}
	case method == http.MethodDelete:
		return []access.Action{access.Delete}
	}
	return []access.Action{access.Pull}
}

// scopeOf returns the scopes of a token that lets a request pass, as clients put
// them to the token endpoint (Docker's "Token Scope Documentation"), but for those
// of other repositories.
func scopeOf(method string, t Target) string {
	if t.Route == RouteCatalog {
		return "registry:catalog:*"
	}
	actions := asked(method, t)
	if len(actions) == 0 {
		return ""
	}
	switch scope := "repository:" + t.Repo + ":"; actions[0] {
	case access.Push:
		return scope + "pull,push"
	default:
		return scope + string(actions[0])
	}
}

// mountSource is the other repository that a blob is to be mounted from, if the
// URL names one. What a body names is not known before it has been read; see
// beginDirect.
func mountSource(r *http.Request, t Target) []string {
	if t.Route != RouteUploads || r.URL.RawQuery == "" {
		return nil
	}
	q := r.URL.Query()
	from := q.Get("from")
	if !q.Has("mount") || from == t.Repo || !oci.ValidName(from) {
		return nil
	}
	return []string{from}
}
