package distribution

import (
	"net/http"

	"github.com/berthregistry/berth/shared/access"
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
