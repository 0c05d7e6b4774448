// Package token makes and verifies the tokens of a registry: signed texts that
// say who somebody is and what they asked for.
//
// Tokens are JSON Web Tokens (RFC 7519), signed with Ed25519 alone. An access
// token is sent with each request, a refresh token is changed for access
// tokens; neither is ever taken for the other. What a token lets somebody do is
// not in it: that is decided at each request, by the policy in force.
package token

import (
	"errors"
	"time"

	"github.com/berthregistry/berth/shared/access"
)

// Bounds of tokens.
const (
	// MinLife is the shortest life of access tokens that may be set: a client keeps
	// one for as long as it was told. MaxLife is the longest, and none is made that
	// is good for more.
	MinLife = 5 * time.Minute
	MaxLife = 15 * time.Minute
	// MaxRefreshLife is how long a refresh token is.
	MaxRefreshLife = 30 * 24 * time.Hour
	// Skew is by how much the clocks of those who sign and those who verify may
	// differ. A token is taken for so much longer.
	Skew = time.Minute

	// maxSigned is the size in bytes beyond which no token is made: a gateway
	// takes 10,240 of headers, and a client has others.
	maxSigned = 7 << 10
	// maxRead is the size beyond which nobody looks at a token.
	maxRead = 8 << 10
)

// Errors that callers decide on. Any other of a Verifier means that it could
// not be found out.
var (
	// ErrInvalid is what a token is that nobody here made, or that is not for
	// this service, of this kind or of this time, or whose key was withdrawn.
	ErrInvalid = errors.New("the token is not valid")
	// ErrExpired is what a good token is after its time.
	ErrExpired = errors.New("the token has expired")
	// ErrTooLarge is what a token would be: too much was asked for at once.
	ErrTooLarge = errors.New("the token would be too large")
)

// A Token is what an access token says. Times are whole seconds.
type Token struct {
	Principal access.Principal
	// Robot is the id of the access key that the bearer logged in with, "" for
	// none: a key that is revoked ends its tokens.
	Robot string
	// Scopes are what the token is narrowed to. They are never nil in a token
	// that was verified: without any it lets nothing pass.
	Scopes []access.Scope
	// Policy is the version of the policy whose expressions were evaluated for
	// Principal.Holds. "" for principals without claims.
	Policy string
	// Service is whom the token is for.
	Service string
	Issued  time.Time
	Expires time.Time
	// ID tells tokens apart. One is drawn if it is "".
	ID string
}

// A Refresh is what a refresh token says.
type Refresh struct {
	Principal access.Principal
	Robot     string // as in Token
	// Claims are those that the bearer came with: what the policy in force makes
	// of them is found out again at each use.
	Claims map[string]any
	// Credential is a hash of what the bearer logged in with: with a password
	// that is changed its refresh tokens end.
	Credential string
	Service    string
	Issued     time.Time
	Expires    time.Time
	ID         string // as in Token
}
