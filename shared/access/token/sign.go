package token

import (
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/go-jose/go-jose/v4"
)

// A Keyring is all keys that may sign. The newest whose time has come does.
type Keyring []PrivateKey

// Sign returns a text that says what t does. ErrTooLarge means that t says too
// much.
func (k Keyring) Sign(t Token, now time.Time) (string, error) {
	c := t.claims()
	if err := c.check(MaxLife); err != nil {
		return "", fmt.Errorf("sign an access token: %w", err)
	}
	return k.sign(typeAccess, c, now)
}

// SignRefresh is Sign for a refresh token.
func (k Keyring) SignRefresh(r Refresh, now time.Time) (string, error) {
	c := r.claims()
	if err := c.check(MaxRefreshLife); err != nil {
		return "", fmt.Errorf("sign a refresh token: %w", err)
	}
	return k.sign(typeRefresh, c, now)
}

func (k Keyring) sign(typ jose.ContentType, claims any, now time.Time) (string, error) {
	payload, err := json.Marshal(claims)
	if err != nil {
		return "", fmt.Errorf("write the claims of a token: %w", err)
	}
	key, ok := k.at(now)
	if !ok {
		return "", errors.New("sign a token: there is no key")
	}
	options := (&jose.SignerOptions{}).WithType(typ)
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.EdDSA, Key: jose.JSONWebKey{Key: key.private(), KeyID: key.ID}}, options)
	if err != nil {
		return "", fmt.Errorf("sign a token with %v: %w", key, err)
	}
	signed, err := signer.Sign(payload)
	if err != nil {
		return "", fmt.Errorf("sign a token with %v: %w", key, err)
	}
	text, err := signed.CompactSerialize()
	if err != nil {
		return "", fmt.Errorf("write a token: %w", err)
	}
	if len(text) > maxSigned {
		return "", fmt.Errorf("%w: it has %d bytes, at most %d are sent", ErrTooLarge, len(text), maxSigned)
	}
	return text, nil
}

// at returns the key that signs at a time. Where the time of none has come the
// first of them does: it is the only one, and was made by a clock that is ahead.
func (k Keyring) at(now time.Time) (signing PrivateKey, ok bool) {
	for _, key := range k {
		switch {
		case key.ended(now):
		case !ok, later(key, signing, now):
			signing, ok = key, true
		}
	}
	return signing, ok
}

// later says whether a is to sign rather than b.
func later(a, b PrivateKey, now time.Time) bool {
	if b.From.After(now) {
		return a.From.Before(b.From)
	}
	return a.From.After(b.From) && !a.From.After(now)
}
