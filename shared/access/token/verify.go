package token

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"time"
)

// A Verifier tells the tokens of a service from anything else. It is safe for
// concurrent use.
type Verifier struct {
	service string
	now     func() time.Time
	keys    *keys
	memory  memory
}

// NewVerifier returns a Verifier of the tokens for a service. It asks keys at
// each token, so that must be answered from memory; it asks reload, at most once
// a second, for what keys does not know yet. Nil stands for time.Now.
//
// Whoever chooses what keys returns can make tokens of anybody.
func NewVerifier(current, reload func(context.Context) ([]PublicKey, error), service string, now func() time.Time) *Verifier {
	if now == nil {
		now = time.Now
	}
	return &Verifier{service: service, now: now, keys: newKeys(current, reload, now)}
}

// Verify returns what an access token says. Its lists are shared and must not
// be changed. The error is ErrInvalid, ErrExpired or what keeps it from being
// found out.
func (v *Verifier) Verify(ctx context.Context, raw string) (Token, error) {
	if len(raw) > maxRead {
		return Token{}, invalid("it is too long")
	}
	known, err := v.keys.current(ctx)
	if err != nil {
		return Token{}, fmt.Errorf("read the keys of tokens: %w", err)
	}
	sum, now := sha256.Sum256([]byte(raw)), v.now()
	if t, ok := v.memory.get(sum, known, now); ok {
		return t, nil
	}
	var c accessClaims
	key, err := v.open(ctx, raw, typeAccess, &c)
	if err == nil {
		err = v.check(&c.claims, MaxLife)
	}
	if err != nil {
		return Token{}, err
	}
	t := c.token()
	v.memory.put(sum, verified{t, key}, now)
	return t, nil
}

// VerifyRefresh is Verify for refresh tokens, which are not remembered.
func (v *Verifier) VerifyRefresh(ctx context.Context, raw string) (Refresh, error) {
	if len(raw) > maxRead {
		return Refresh{}, invalid("it is too long")
	}
	var c refreshClaims
	_, err := v.open(ctx, raw, typeRefresh, &c)
	if err == nil {
		err = v.check(&c.claims, MaxRefreshLife)
	}
	if err != nil {
		return Refresh{}, err
	}
	return c.refresh(), nil
}

// open reads the claims of a token of a type, if a key of ours has signed it.
// Nothing of them is looked at before that.
func (v *Verifier) open(ctx context.Context, raw, typ string, claims any) (PublicKey, error) {
	signed, id, err := parse(raw, typ)
	if err != nil {
		return PublicKey{}, err
	}
	key, err := v.keys.find(ctx, id)
	if err != nil {
		return key, err
	}
	payload, err := signed.Verify(key.Key)
	if err != nil {
		return key, invalid("its signature is wrong")
	}
	if err := json.Unmarshal(payload, claims); err != nil { // which may quote them
		return key, invalid("its claims are not understood")
	}
	return key, nil
}

// check looks at the claims of a token that was signed here.
func (v *Verifier) check(c *claims, life time.Duration) error {
	now := v.now()
	switch {
	case c.Issuer != issuer || c.Audience != v.service:
		return invalid("it is for another service")
	case c.check(life) != nil:
		return invalid("it lives too long")
	case now.Before(time.Unix(max(c.Issued, c.NotBefore), 0).Add(-Skew)):
		return invalid("its time has not come")
	case over(time.Unix(c.Expires, 0), now):
		return ErrExpired
	}
	return nil
}

func over(expires, now time.Time) bool { return !now.Before(expires.Add(Skew)) }

// invalid says why a token is, for the log. Nothing of the token is in it.
func invalid(why string) error { return fmt.Errorf("%w: %s", ErrInvalid, why) }
