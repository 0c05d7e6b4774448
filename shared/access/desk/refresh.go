package desk

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/berthregistry/berth/shared/access"
	"github.com/berthregistry/berth/shared/access/document"
	"github.com/berthregistry/berth/shared/access/federate"
	"github.com/berthregistry/berth/shared/access/login"
	"github.com/berthregistry/berth/shared/access/token"
)

// How long a refresh token is good for. What somebody logged in with is looked
// at again at each use, so that a long one ends with a password or a key. For
// those that others vouch for there is nobody to ask again, so theirs is short:
// long enough for a build.
const (
	refreshLife  = token.MaxRefreshLife
	federateLife = time.Hour
)

// refreshable signs a refresh token. It is never made from another one, or it
// could be drawn out for ever.
func (d *desk) refreshable(ctx context.Context, id login.Identity, now time.Time) (string, error) {
	life := now.Add(refreshLife)
	if id.Principal.HasClaims() {
		life = now.Add(federateLife)
	} else {
		life = earlier(life, id.Until)
	}
	signed, err := d.Keys.SignRefresh(ctx, token.Refresh{
		Principal: id.Principal, Robot: id.Robot, Claims: id.Claims, Credential: id.Credential,
		Service: d.Service, Issued: now, Expires: life,
	})
	if errors.Is(err, token.ErrTooLarge) {
		d.Log.WarnContext(ctx, "no refresh token: too many claims", "principal", id.Principal.String())
		return "", nil // who cannot be kept logged in is logged in all the same
	}
	if err != nil {
		return "", fmt.Errorf("sign a refresh token: %w", err)
	}
	return signed, nil
}

// renew finds out who holds a refresh token, as they are under the policy in
// force.
func (d *desk) renew(ctx context.Context, raw string, p *access.Policy) (login.Identity, error) {
	t, err := d.Verifier.VerifyRefresh(ctx, raw)
	if errors.Is(err, token.ErrInvalid) || errors.Is(err, token.ErrExpired) {
		return login.Identity{}, refused()
	}
	if err != nil {
		return login.Identity{}, fmt.Errorf("verify a refresh token: %w", err)
	}
	if !t.Principal.HasClaims() {
		return d.Login.Renew(ctx, login.Identity{Principal: t.Principal, Robot: t.Robot, Credential: t.Credential})
	}
	if !trusts(p, t) {
		return login.Identity{}, refused()
	}
	who, err := document.Evaluate(p, t.Principal, t.Claims)
	if err != nil { // what the policy requires does not hold any more
		return login.Identity{}, refused()
	}
	return login.Identity{Principal: who, Claims: t.Claims, Until: t.Expires}, nil
}

// trusts says whether the policy still believes whoever vouched. An issuer's
// name may stand for another URL by now, or its tokens have to be meant for
// another audience.
func trusts(p *access.Policy, t token.Refresh) bool {
	if t.Principal.Kind == access.AWS {
		return slices.Contains(p.Accounts, t.Principal.Name)
	}
	for _, trust := range p.Issuers {
		if trust.Name == t.Principal.Name {
			return t.Claims["iss"] == trust.URL && federate.Meant(p, trust, t.Claims)
		}
	}
	return false
}
