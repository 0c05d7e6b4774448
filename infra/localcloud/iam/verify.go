package iam

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"time"
)

// Why a Verifier does not believe a request. Each service has words of its own
// for it.
var (
	ErrUnsigned   = errors.New("request is not signed")
	ErrMalformed  = errors.New("signature is malformed")
	ErrUnknownKey = errors.New("access key or its token is unknown")
	ErrSignature  = errors.New("signature is wrong, or not of this time")
)

// A Verifier finds out who has signed the requests to a service that is played
// as a whole and has no guard before it. It is safe for concurrent use.
type Verifier struct{ verifier *verifier }

// NewVerifier returns one for a service and a region. Keys finds the secret
// and the session token (empty: there is none) of an access key.
func NewVerifier(s Service, region string, keys func(accessKeyID string) (secret, token string, ok bool), clock func() time.Time) *Verifier {
	return &Verifier{newVerifier(Config{
		Service: s, Region: region, Clock: clock,
		Principals: func(id string) (Principal, bool) {
			secret, token, ok := keys(id)
			return Principal{Secret: secret, Token: token}, ok
		},
	})}
}

// Verify returns the access key that has signed a request, by a header or by
// its query. The payload is the SHA-256 of the body in hexadecimal, which the
// signature covers.
func (v *Verifier) Verify(r *http.Request, payload string) (accessKeyID string, err error) {
	query, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return "", fmt.Errorf("parse query: %w", ErrMalformed) // what is not parsed would not be verified
	}
	c, err := readClaim(r, query)
	if err == nil {
		_, err = v.verifier.verify(r, query, c, payload)
	}
	if err != nil {
		return "", unbelieved(err)
	}
	return c.keyID, nil
}

// unbelieved puts a refusal into words that every service shares.
func unbelieved(err error) error {
	why, ok := errors.AsType[refusal](err)
	if !ok {
		return err
	}
	switch why.reason {
	case noSignature:
		return ErrUnsigned
	case unknownKey, wrongToken:
		return ErrUnknownKey
	case wrongSignature, tooSkewed, accessDenied:
		return fmt.Errorf("%w: %w", ErrSignature, err)
	}
	return fmt.Errorf("%w: %w", ErrMalformed, err)
}
