package token

import (
	"crypto/rand"
	"encoding/base64"
	"errors"
	"time"

	"github.com/berthregistry/berth/shared/access"
)

// issuer is the claim iss of all tokens. Whose they are the key says.
const issuer = "berth"

// The header typ of the two kinds (RFC 9068, section 2.1, for the first).
const (
	typeAccess  = "at+jwt"
	typeRefresh = "refresh+jwt"
)

// claims are what all tokens have, by the names of RFC 7519 and some of ours.
type claims struct {
	Issuer    string           `json:"iss"`
	Subject   string           `json:"sub"` // for those who look into a token; Who is what counts
	Audience  string           `json:"aud"`
	Issued    int64            `json:"iat"`
	NotBefore int64            `json:"nbf"`
	Expires   int64            `json:"exp"`
	ID        string           `json:"jti"`
	Who       access.Principal `json:"who"`
	Robot     string           `json:"robot,omitempty"`
}

type accessClaims struct {
	claims
	Scopes []access.Scope `json:"access"` // the name that Docker's tokens have for it
	Policy string         `json:"policy,omitempty"`
}

type refreshClaims struct {
	claims
	Claims     map[string]any `json:"claims,omitempty"`
	Credential string         `json:"credential,omitempty"`
}

func (t Token) claims() accessClaims {
	c := accessClaims{claims: claims{Who: t.Principal, Robot: t.Robot}, Scopes: t.Scopes, Policy: t.Policy}
	if c.Scopes == nil {
		c.Scopes = []access.Scope{}
	}
	c.describe(t.Service, t.ID, t.Issued, t.Expires)
	return c
}

func (r Refresh) claims() refreshClaims {
	c := refreshClaims{claims: claims{Who: r.Principal, Robot: r.Robot}, Claims: r.Claims, Credential: r.Credential}
	c.describe(r.Service, r.ID, r.Issued, r.Expires)
	return c
}

// describe fills what is alike in all tokens.
func (c *claims) describe(service, id string, issued, expires time.Time) {
	c.Issuer, c.Subject, c.Audience = issuer, c.Who.String(), service
	c.Issued, c.NotBefore, c.Expires = issued.Unix(), issued.Unix(), expires.Unix()
	if c.ID = id; id == "" {
		c.ID = drawID()
	}
}

func drawID() string {
	var id [12]byte
	_, _ = rand.Read(id[:]) // which does not fail
	return base64.RawURLEncoding.EncodeToString(id[:])
}

// check says why a token with such claims is not made.
func (c *claims) check(life time.Duration) error {
	switch {
	case c.Audience == "":
		return errors.New("it is for nobody")
	case c.Expires <= c.Issued:
		return errors.New("it would have ended before it began")
	case c.Expires-int64(life/time.Second) > c.Issued: // the other way round it could overflow
		return errors.New("it would live too long")
	}
	return nil
}

// token returns what verified claims say. A token without a list of scopes has
// none, and is not one that nothing narrows.
func (c accessClaims) token() Token {
	if c.Scopes == nil {
		c.Scopes = []access.Scope{}
	}
	return Token{
		Principal: c.Who, Robot: c.Robot, Scopes: c.Scopes, Policy: c.Policy, Service: c.Audience, ID: c.ID,
		Issued: time.Unix(c.Issued, 0), Expires: time.Unix(c.Expires, 0),
	}
}

func (c refreshClaims) refresh() Refresh {
	return Refresh{
		Principal: c.Who, Robot: c.Robot, Claims: c.Claims, Credential: c.Credential, Service: c.Audience, ID: c.ID,
		Issued: time.Unix(c.Issued, 0), Expires: time.Unix(c.Expires, 0),
	}
}
