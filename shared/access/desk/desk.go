// Package desk is where people and machines go about access: it makes tokens
// of what they log in with, and lets administrators change policy, robots and
// keys, and look after the letters of webhooks.
//
// It has all that is too heavy for the functions that carry bytes: it reads
// policies, evaluates expressions and signs.
package desk

import (
	"cmp"
	"context"
	"log/slog"
	"net/http"
	"time"

	"github.com/berthregistry/berth/shared/access"
	"github.com/berthregistry/berth/shared/access/ledger"
	"github.com/berthregistry/berth/shared/access/login"
	"github.com/berthregistry/berth/shared/access/token"
	"github.com/berthregistry/berth/shared/access/vault"
)

// Options are what a desk is made of. All but those that say so are needed;
// what only administers (Keys, Login and Verifier nil) answers no token
// requests.
type Options struct {
	// Ledger holds robots, public keys and, unless there is a File, the policy. A
	// registry that is open to everybody has none, and nothing of it to
	// administer.
	Ledger *ledger.Ledger
	// State returns what is in force. Nil stands for the ledger's, as it is by now:
	// a token that is made under a policy of yesterday is refused everywhere.
	State func(context.Context) (*ledger.State, error)
	// File returns the policy's text where that is kept in a file, and the
	// file's name. The policy cannot be changed here then. May be nil.
	File func() (text []byte, name string)

	// Login finds out who somebody is.
	Login *login.Authenticator
	// Keys sign tokens, Verifier takes refresh tokens back.
	Keys     *vault.Keys
	Verifier *token.Verifier
	// Service is whom tokens are for. Requests for another are refused.
	Service string
	// Life is how long an access token is good for; 5 minutes if zero.
	Life time.Duration

	// Post has the letters of webhooks. May be nil.
	Post Post

	// Gate finds out who administers.
	Gate Gate
	// Log gets a line for each token and each change, and causes of errors that
	// clients are not told. May be nil.
	Log *slog.Logger
	// Now is the time; time.Now if nil.
	Now func() time.Time
}

// A Gate says who asks. It is that of package distribution, which has more to
// say about it.
type Gate interface {
	// Admit returns who asks, nobody in particular included, and what their
	// token is narrowed to. Errors: oci.ErrUnauthorized; oci.ErrTooManyRequests,
	// which may wrap an error with a method Seconds() int.
	Admit(*http.Request) (*access.Session, error)
	// Challenge is the value of WWW-Authenticate. The cause is nil where nothing
	// was presented.
	Challenge(r *http.Request, scope string, cause error) string
}

// New returns a handler of /token and of all below /_berth/. Anything else is
// answered 404.
func New(o Options) http.Handler {
	d := &desk{o}
	if d.Log == nil {
		d.Log = slog.New(slog.DiscardHandler)
	}
	if d.Now == nil {
		d.Now = time.Now
	}
	if d.State == nil && d.Ledger != nil {
		d.State = d.Ledger.Reload
	}
	d.Life = cmp.Or(d.Life, defaultLife)
	return d.routes()
}

const defaultLife = 5 * time.Minute

// A desk answers requests. It is safe for concurrent use.
type desk struct{ Options }

// routes are what there is. Paths are exact: template.yaml lists them too.
func (d *desk) routes() http.Handler {
	mux := http.NewServeMux()
	if d.Login != nil {
		mux.HandleFunc("GET /token", d.giveToken)
		mux.HandleFunc("POST /token", d.giveToken)
	}
	if d.Ledger != nil {
		mux.HandleFunc("GET /_berth/policy", d.administer("policy get", (*desk).getPolicy))
		mux.HandleFunc("PUT /_berth/policy", d.administer("policy set", (*desk).putPolicy))
		mux.HandleFunc("GET /_berth/robots", d.administer("robot list", (*desk).listRobots))
		mux.HandleFunc("POST /_berth/robots", d.administer("robot create", (*desk).createRobot))
		mux.HandleFunc("DELETE /_berth/robots", d.administer("robot revoke", (*desk).revokeRobot))
		mux.HandleFunc("POST /_berth/robots/rotate", d.administer("robot rotate", (*desk).rotateRobot))
	}
	if d.Post != nil {
		mux.HandleFunc("GET /_berth/letters", d.administer("letter list", (*desk).listLetters))
		mux.HandleFunc("POST /_berth/letters/redrive", d.administer("letter redrive", (*desk).redriveLetters))
	}
	if d.Keys != nil {
		mux.HandleFunc("POST /_berth/keys/rotate", d.administer("keys rotate", (*desk).rotateKeys))
	}
	// A browser may know a password for this host. Pages of others do not get to
	// use it.
	return http.NewCrossOriginProtection().Handler(mux)
}
