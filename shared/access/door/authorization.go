package door

import (
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"unicode"

	"github.com/berthregistry/berth/shared/oci"
)

// maxAuthorization bounds what is presented, in bytes: an issuer's token of
// 16 KiB for a password, in base64, with its name.
const maxAuthorization = 24 << 10

// The schemes (RFC 6750, section 2.1; RFC 7617).
const (
	schemeNone   = ""
	schemeBearer = "bearer"
	schemeBasic  = "basic"
)

// credentials are what a request presents.
type credentials struct {
	scheme       string
	token        string // bearer
	user, secret string // basic
}

// errInvalid is what all errors about tokens wrap, so that the challenge says
// that it was the token: some clients keep it otherwise.
var errInvalid = errors.New("invalid token")

func invalid(text string) error {
	return fmt.Errorf("%w: %w", oci.ErrUnauthorized.With(nil, "%s", text), errInvalid)
}

// read takes the credentials out of a header. Errors: oci.ErrUnauthorized, of
// which the texts have nothing of what was presented.
func read(h http.Header) (credentials, error) {
	values := h["Authorization"]
	if len(values) == 0 {
		return credentials{}, nil
	}
	if len(values) > 1 || len(values[0]) > maxAuthorization {
		return credentials{}, malformed()
	}
	scheme, rest, _ := strings.Cut(values[0], " ")
	c := credentials{scheme: strings.ToLower(scheme)}
	rest = strings.Trim(rest, " ")
	switch c.scheme {
	case schemeBearer:
		if c.token = rest; !isToken(rest) {
			return credentials{}, invalid("the token is not valid")
		}
		return c, nil
	case schemeBasic:
		var ok bool
		if c.user, c.secret, ok = readBasic(rest); ok {
			return c, nil
		}
	}
	return credentials{}, malformed()
}

func malformed() error {
	return oci.ErrUnauthorized.With(nil, "one Authorization header with a Bearer token, or Basic, is understood")
}

// readBasic reads the name and the password. Neither has control characters
// (RFC 7617, section 2).
func readBasic(text string) (user, secret string, ok bool) {
	raw, err := base64.StdEncoding.DecodeString(text)
	if err != nil || strings.ContainsFunc(string(raw), unicode.IsControl) {
		return "", "", false
	}
	return strings.Cut(string(raw), ":")
}

// isToken says whether a text is spelt like a token: b64token of RFC 6750. A
// gateway joins several headers by commas, which makes it none.
func isToken(s string) bool {
	return s != "" && !strings.ContainsFunc(s, func(c rune) bool {
		return (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (c < '0' || c > '9') && !strings.ContainsRune("-._~+/=", c)
	})
}
