// Package login finds out who somebody is from a name and a secret.
package login

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/berthregistry/berth/shared/access"
)

// Credentials are what somebody presents, and from where.
type Credentials struct {
	User, Secret string
	// Address is where the request came from, for counting failures. It may be
	// empty.
	Address string
}

// LogValue leaves the secret out.
func (c Credentials) LogValue() slog.Value {
	return slog.GroupValue(slog.String("user", c.User), slog.String("address", c.Address))
}

// An Identity is somebody who has proved who they are.
type Identity struct {
	Principal access.Principal
	// Robot is the id of the access key that was used, if one was.
	Robot string
	// Claims are those of an issuer's token, for conditions.
	Claims map[string]any
	// Credential tells what was presented from what will be valid after a
	// change of password; see Renew. Empty where there is nothing to compare.
	Credential string
	// Until is when the credentials end; zero for never. No token should
	// outlive it.
	Until time.Time
}

// ErrRefused is the answer to credentials that are not good, whatever is wrong
// with them.
var ErrRefused = errors.New("wrong user or password")

// Blocked is the error for who has failed too often.
type Blocked struct {
	After time.Duration // until the next attempt is looked at
}

func (b *Blocked) Error() string {
	return fmt.Sprintf("too many failed attempts, try again in %d seconds", int(b.After.Seconds()))
}

// A Provider knows some of those who log in.
type Provider interface {
	// Takes says whether a user of that name is this provider's to judge. It
	// must not depend on whether there is such a user.
	Takes(user string) bool
	// Login returns who presents the credentials under the policy in force.
	// Errors wrap ErrRefused where the credentials are at fault, and say why;
	// others mean that it could not be found out. Neither has secrets in it.
	Login(ctx context.Context, c Credentials, p *access.Policy) (Identity, error)
}

// A Renewer is a provider that can tell later, without a secret, whether what
// somebody logged in with is still good.
type Renewer interface {
	// Renew returns the identity as it is now. Renews says whether the
	// principal is this provider's to judge.
	Renews(who access.Principal) bool
	Renew(ctx context.Context, id Identity) (Identity, error)
}

// A Limiter counts failures under names; see package ledger, whose Ledger and
// Witness are limiters.
type Limiter interface {
	Blocked(ctx context.Context, names ...string) (time.Duration, error)
	Failed(ctx context.Context, names ...string) error
}

// An Authenticator finds out who somebody is. It is safe for concurrent use.
type Authenticator struct {
	limiter   Limiter
	log       *slog.Logger
	providers []Provider
}

// New returns an authenticator that asks the first provider that takes a user.
// Log gets the causes that clients are not told.
func New(limiter Limiter, log *slog.Logger, providers ...Provider) *Authenticator {
	return &Authenticator{limiter: limiter, log: log, providers: providers}
}

// Login returns who presents the credentials under the policy in force. Errors:
// ErrRefused, *Blocked; any other means that it could not be found out.
func (a *Authenticator) Login(ctx context.Context, c Credentials, p *access.Policy) (Identity, error) {
	return Identity{}, ErrRefused
}

// Renew returns the identity as it is now for who logged in earlier, or
// ErrRefused if what they logged in with is not good any more: a robot's key
// that was revoked or has expired, a password that was changed. Of id, it reads
// Principal, Robot and Credential. Identities whose claims must be judged anew
// are not its business: it refuses them.
func (a *Authenticator) Renew(ctx context.Context, id Identity) (Identity, error) {
	return Identity{}, ErrRefused
}
