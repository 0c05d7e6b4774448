package login

import (
	"context"
	"errors"
	"fmt"

	"github.com/berthregistry/berth/shared/access"
	"github.com/berthregistry/berth/shared/access/ledger"
)

// robots lets in who has an access key. Each login reads the key, so that one
// that was revoked is refused at once.
type robots struct{ ledger *ledger.Ledger }

var (
	_ Unguessable = robots{}
	_ Renewer     = robots{}
)

// Robots is the provider of the robots that a ledger has. They log in with the
// id of an access key and its secret.
func Robots(l *ledger.Ledger) Provider { return robots{l} }

// Takes implements Provider.
func (robots) Takes(user string) bool { return ledger.IsID(user) }

// Personal implements Personal: the id is the name.
func (robots) Personal() {}

// Unguessable implements Unguessable: secrets have 256 bits.
func (robots) Unguessable() {}

// Login implements Provider.
func (p robots) Login(ctx context.Context, c Credentials, _ *access.Policy) (Identity, error) {
	r, err := p.ledger.Robot(ctx, c.User)
	if err != nil && !errors.Is(err, ledger.ErrAbsent) {
		return Identity{}, err
	}
	// The zero robot of an absent key takes as long to refuse.
	switch matches := r.Matches(c.Secret); {
	case err != nil:
		return Identity{}, fmt.Errorf("%w: no such access key, or it has expired", ErrRefused)
	case !matches:
		return Identity{}, fmt.Errorf("%w: wrong secret", ErrRefused)
	}
	return robotIdentity(r), nil
}

// Renews implements Renewer.
func (robots) Renews(who access.Principal) bool { return who.Kind == access.Robot }

// Renew implements Renewer.
func (p robots) Renew(ctx context.Context, id Identity) (Identity, error) {
	r, err := p.ledger.Robot(ctx, id.Robot)
	switch {
	case errors.Is(err, ledger.ErrAbsent):
		return Identity{}, fmt.Errorf("%w: the access key is gone, or has expired", ErrRefused)
	case err != nil:
		return Identity{}, err
	case !same(id.Credential, r.Credential()):
		return Identity{}, fmt.Errorf("%w: not the access key that was used", ErrRefused)
	}
	return robotIdentity(r), nil
}

func robotIdentity(r ledger.Robot) Identity {
	return Identity{
		Principal:  access.Principal{Kind: access.Robot, Name: r.Name, Groups: r.Groups},
		Robot:      r.ID,
		Credential: r.Credential(),
		Until:      r.Expires,
	}
}
