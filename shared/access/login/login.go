// Package login finds out who somebody is from a name and a secret.
//
// Whatever is wrong, whoever asks is told the same, and after as long; the log
// has the cause. Failures are counted, and who fails too often has to wait.
package login

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"time"

	"github.com/berthregistry/berth/shared/access"
	"github.com/berthregistry/berth/shared/access/ledger"
)

// Credentials are what somebody presents, and from where.
type Credentials struct {
	User, Secret string
	// Address is where the request came from, for counting failures. It may be
	// empty.
	Address string
}

// Bounds of credentials. The longest secrets are tokens of issuers.
const (
	maxUser   = 256
	maxSecret = 16 << 10
)

// LogValue leaves the secret out. A name too long for one is cut short, since
// people paste secrets there.
func (c Credentials) LogValue() slog.Value {
	user := c.User
	if len(user) > 40 {
		user = user[:8] + "…"
	}
	return slog.GroupValue(slog.String("user", user), slog.String("address", c.Address))
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
	return fmt.Sprintf("too many failed attempts, try again in %d seconds", b.Seconds())
}

// Seconds is After in whole seconds, never too few, as Retry-After has it.
func (b *Blocked) Seconds() int { return int(math.Ceil(b.After.Seconds())) }

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

// A Personal provider has a name for each who logs in, so that failures can be
// counted by it. Those of any other count by address alone: whoever logs in as
// "oidc" must not lock out all others who do.
type Personal interface {
	Provider
	Personal()
}

// An Unguessable provider has made the secrets itself, too long to be guessed.
// So who knows a name cannot lock out whoever has its secret: failures under the
// name block all but the right one.
type Unguessable interface {
	Personal
	Unguessable()
}

// A Renewer is a provider that can tell later, without a secret, whether what
// somebody logged in with is still good.
type Renewer interface {
	Provider
	// Renews says whether the principal is this provider's to judge.
	Renews(who access.Principal) bool
	// Renew returns the identity as it is now. It is given no claims. Errors
	// are as Login's.
	Renew(ctx context.Context, id Identity) (Identity, error)
}

// A Limiter counts failures under names made by package ledger, whose Ledger
// and Witness are limiters.
type Limiter interface {
	// Blocked says how long to wait, 0 for not at all.
	Blocked(ctx context.Context, names ...string) (time.Duration, error)
	// Failed counts a failure under each of the names.
	Failed(ctx context.Context, names ...string) error
}

var (
	_ Limiter = (*ledger.Ledger)(nil)
	_ Limiter = (*ledger.Witness)(nil)
)

// An Authenticator finds out who somebody is. It is safe for concurrent use.
type Authenticator struct {
	limiter   Limiter
	log       *slog.Logger
	providers []Provider
	turns     turns
}

// New returns an authenticator that asks the first provider that takes a user.
// Log gets the causes that clients are not told, and may be nil.
func New(limiter Limiter, log *slog.Logger, providers ...Provider) *Authenticator {
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	return &Authenticator{limiter: limiter, log: log, providers: providers}
}

// Login returns who presents the credentials under the policy in force. Errors:
// ErrRefused, *Blocked; any other means that it could not be found out.
func (a *Authenticator) Login(ctx context.Context, c Credentials, p *access.Policy) (Identity, error) {
	provider := a.provider(c.User)
	names := blamed(provider, c)
	end, err := a.turns.take(ctx, names)
	if err != nil {
		return Identity{}, fmt.Errorf("log in: %w", err)
	}
	defer end()
	wait, looked, err := a.blocked(ctx, provider, names)
	if err != nil {
		return Identity{}, fmt.Errorf("log in: %w", err)
	}
	if !looked {
		a.log.WarnContext(ctx, "login blocked", "credentials", c, "after", wait)
		return Identity{}, &Blocked{After: wait}
	}
	id, err := attempt(ctx, provider, c, p)
	switch {
	case errors.Is(err, ErrRefused) && wait > 0:
		a.fail(ctx, c, names[:1], err) // the name is blocked as it is
		return Identity{}, &Blocked{After: wait}
	case errors.Is(err, ErrRefused):
		a.fail(ctx, c, names, err)
		return Identity{}, ErrRefused // and nothing of the cause
	case err != nil:
		return Identity{}, fmt.Errorf("log in: %w", err)
	}
	return id, nil
}

// blocked says how long whoever logs in under these names has to wait, the first
// of which is their address, and whether what they present is looked at all the
// same.
func (a *Authenticator) blocked(ctx context.Context, provider Provider, names []string) (wait time.Duration, looked bool, err error) {
	wait, err = a.limiter.Blocked(ctx, names...)
	if _, ok := provider.(Unguessable); !ok || err != nil || wait == 0 {
		return wait, wait == 0, err
	}
	here, err := a.limiter.Blocked(ctx, names[0])
	return max(wait, here), here == 0, err
}

// provider returns the one that takes a user, or nil.
func (a *Authenticator) provider(user string) Provider {
	for _, p := range a.providers {
		if p.Takes(user) {
			return p
		}
	}
	return nil
}

// blamed are the names under which a failure will be counted.
func blamed(provider Provider, c Credentials) []string {
	names := []string{ledger.ByAddress(c.Address)}
	if _, ok := provider.(Personal); ok {
		names = append(names, ledger.ByIdentity(c.User))
	}
	return names
}

func attempt(ctx context.Context, provider Provider, c Credentials, p *access.Policy) (Identity, error) {
	switch {
	case provider == nil:
		return Identity{}, fmt.Errorf("%w: nobody knows such users", ErrRefused)
	case c.Secret == "" || len(c.Secret) > maxSecret || len(c.User) > maxUser:
		return Identity{}, fmt.Errorf("%w: user of %d bytes, secret of %d", ErrRefused, len(c.User), len(c.Secret))
	}
	return provider.Login(ctx, c, p)
}

// countTime bounds how long an attempt is being counted.
const countTime = 5 * time.Second

// fail logs and counts a failure, also where the client has hung up by now.
func (a *Authenticator) fail(ctx context.Context, c Credentials, names []string, cause error) {
	a.log.WarnContext(ctx, "login refused", "credentials", c, "cause", cause)
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), countTime)
	defer cancel()
	if err := a.limiter.Failed(ctx, names...); err != nil {
		a.log.ErrorContext(ctx, "failed login not counted", "error", err)
	}
}

// Renew returns the identity as it is now for who logged in earlier, or
// ErrRefused if what they logged in with is not good any more: a robot's key
// that was revoked or has expired, a password that was changed. Of id, it reads
// Principal, Robot and Credential. Identities whose claims must be judged anew
// are not its business: it refuses them.
func (a *Authenticator) Renew(ctx context.Context, id Identity) (Identity, error) {
	for _, p := range a.providers {
		r, ok := p.(Renewer)
		if !ok || !r.Renews(id.Principal) {
			continue
		}
		now, err := r.Renew(ctx, id)
		switch {
		case errors.Is(err, ErrRefused):
			a.log.WarnContext(ctx, "renewal refused", "principal", id.Principal.String(), "cause", err)
			return Identity{}, ErrRefused
		case err != nil:
			return Identity{}, fmt.Errorf("renew: %w", err)
		}
		return now, nil
	}
	return Identity{}, ErrRefused
}
