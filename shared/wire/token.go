package wire

import (
	"fmt"
	"time"

	"github.com/berthregistry/berth/shared/access/token"
)

// A TokenConfig is what the function is told that makes tokens: all that the
// others are, and where the key is that it alone may read.
type TokenConfig struct {
	Config

	// SigningKey is BERTH_SIGNING_KEY, the name of the parameter in SSM that
	// keeps the key which signs tokens. It must be set. The parameter is made
	// when the first token is.
	SigningKey string

	// TokenLife is BERTH_TOKEN_LIFE, how long an access token is good for, in
	// seconds from 300 (the default) to 900.
	TokenLife time.Duration

	// SSM is AWS_ENDPOINT_URL_SSM, the URL of another SSM than the region's.
	SSM string

	// STS is AWS_ENDPOINT_URL_STS, the URL of another STS than AWS's. Requests
	// that AWS principals have signed are taken for that one alone.
	STS string
}

// ReadToken is Read for the function that makes tokens.
func ReadToken(lookup func(string) (string, bool)) (TokenConfig, error) {
	e := environment{lookup: lookup}
	c := TokenConfig{
		Config:     e.config(),
		SigningKey: e.required("BERTH_SIGNING_KEY"),
		TokenLife:  e.life("BERTH_TOKEN_LIFE"),
		SSM:        e.url("AWS_ENDPOINT_URL_SSM"),
		STS:        e.url("AWS_ENDPOINT_URL_STS"),
	}
	if err := e.err(); err != nil {
		return TokenConfig{}, fmt.Errorf("read the environment: %w", err)
	}
	return c, nil
}

func (e *environment) life(name string) time.Duration {
	seconds := func(d time.Duration) int64 { return int64(d / time.Second) }
	n := e.number(name, seconds(token.MinLife), seconds(token.MinLife), seconds(token.MaxLife), "seconds")
	return time.Duration(n) * time.Second
}
