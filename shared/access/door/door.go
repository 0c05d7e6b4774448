// Package door stands in front of a registry and says who comes in: whoever has
// a token of ours, a name and a password, or nothing at all.
//
// It knows tokens by their signature, without a call, and what is in force from
// memory. It is linked into every function, so it evaluates nothing: what a
// policy says about claims was found out when the token was made.
package door

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"

	"github.com/berthregistry/berth/shared/access"
	"github.com/berthregistry/berth/shared/access/ledger"
	"github.com/berthregistry/berth/shared/access/login"
	"github.com/berthregistry/berth/shared/access/token"
	"github.com/berthregistry/berth/shared/oci"
)

// Options are what a door is made of. All but Reload and Log are needed.
type Options struct {
	// State returns what is in force.
	State func(context.Context) (*ledger.State, error)
	// Reload is State when there is reason to think that it has just changed: a
	// token was made under a policy that is not known here yet. Nil stands for
	// no way to find out; such a token is then refused until State has it.
	Reload func(context.Context) (*ledger.State, error)
	// Verifier knows our tokens.
	Verifier *token.Verifier
	// Login finds out whose a name and a password are.
	Login *login.Authenticator
	// Realm returns the URL of the token endpoint, as whoever makes the request
	// reaches it.
	Realm func(*http.Request) string
	// Service is what tokens must be for.
	Service string
	// Log gets why tokens were refused, which clients are not told. May be nil.
	Log *slog.Logger
}

// A Door says who makes a request. It is safe for concurrent use.
type Door struct{ o Options }

// New returns a door.
func New(o Options) *Door {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	return &Door{o}
}

// Admit returns whoever makes the request; who presents nothing is anonymous.
// Errors: oci.ErrUnauthorized for credentials that are no good,
// oci.ErrTooManyRequests that wraps a *login.Blocked. Any other means that it
// could not be found out.
func (d *Door) Admit(r *http.Request) (*access.Session, error) {
	c, err := read(r.Header)
	if err != nil {
		return nil, err
	}
	state, err := d.o.State(r.Context())
	if err != nil {
		return nil, fmt.Errorf("find out what is in force: %w", err)
	}
	switch c.scheme {
	case schemeBearer:
		return d.bearer(r.Context(), state, c.token)
	case schemeBasic:
		return d.login(r, state, c)
	}
	return &access.Session{Principal: access.Principal{Kind: access.Anonymous}, Policy: state.Policy}, nil
}

// bearer returns the session of a token.
func (d *Door) bearer(ctx context.Context, state *ledger.State, raw string) (*access.Session, error) {
	t, err := d.o.Verifier.Verify(ctx, raw)
	switch {
	case errors.Is(err, token.ErrExpired):
		return nil, invalid("the token has expired")
	case errors.Is(err, token.ErrInvalid):
		d.o.Log.InfoContext(ctx, "token refused", "cause", err)
		return nil, invalid("the token is not valid")
	case err != nil:
		return nil, fmt.Errorf("verify token: %w", err)
	}
	if void(t, state) != "" && d.o.Reload != nil {
		if state, err = d.o.Reload(ctx); err != nil {
			return nil, fmt.Errorf("find out what is in force: %w", err)
		}
	}
	if cause := void(t, state); cause != "" {
		d.o.Log.InfoContext(ctx, "token refused", "principal", t.Principal.String(), "cause", cause)
		return nil, invalid("the token is not valid any more")
	}
	scopes := t.Scopes
	if scopes == nil {
		scopes = []access.Scope{} // a token without scopes is good for nothing, and not for everything
	}
	return &access.Session{Principal: t.Principal, Scopes: scopes, Policy: state.Policy}, nil
}

// void says why a token that was good once is not any more, "" if it is.
//
// Who has claims was judged by the policy of then: what its expressions say of
// them cannot be found out again without the claims, which the token has not.
func void(t token.Token, state *ledger.State) (cause string) {
	switch {
	case t.Robot != "" && state.Revoked[t.Robot]:
		return "its access key was revoked"
	case (t.Principal.HasClaims() || t.Policy != "") && t.Policy != state.Policy.Version():
		return "the policy has changed"
	}
	return ""
}

// login returns the session of whose the name and the password are. Nothing
// narrows it.
func (d *Door) login(r *http.Request, state *ledger.State, c credentials) (*access.Session, error) {
	id, err := d.o.Login.Login(r.Context(), login.Credentials{User: c.user, Secret: c.secret, Address: access.AddressOf(r.RemoteAddr)}, state.Policy)
	var blocked *login.Blocked
	switch {
	case errors.As(err, &blocked):
		return nil, fmt.Errorf("%w: %w", oci.ErrTooManyRequests.With(nil, "too many failed logins, try again later"), blocked)
	case errors.Is(err, login.ErrRefused):
		return nil, oci.ErrUnauthorized.With(nil, "%v", login.ErrRefused)
	case err != nil:
		return nil, err
	}
	return &access.Session{Principal: id.Principal, Policy: state.Policy}, nil
}
