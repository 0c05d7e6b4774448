package door

import (
	"errors"
	"net/http"
	"strings"
)

// Challenge returns the WWW-Authenticate of a 401 (RFC 6750, section 3; Docker's
// "Token Authentication Specification"). It has the one scheme: some clients
// take the first that they know, and remember that for the host.
//
// The cause is nil where nothing was presented, the error of Admit, or that for
// which somebody who was admitted is sent for another token. Clients hear of it
// in a word: without one containerd would keep a token that is no good.
func (d *Door) Challenge(r *http.Request, scope string, cause error) string {
	var b strings.Builder
	b.WriteString("Bearer")
	add := func(sep, name, value string) {
		if value != "" {
			b.WriteString(sep + name + "=" + quote(value))
		}
	}
	add(" ", "realm", d.o.Realm(r))
	add(",", "service", d.o.Service)
	add(",", "scope", scope)
	add(",", "error", wrong(r, cause))
	return b.String()
}

// wrong returns what is wrong with a token that was presented, "" if none was.
func wrong(r *http.Request, cause error) string {
	switch c, err := read(r.Header); {
	case cause == nil:
		return ""
	case errors.Is(cause, errInvalid):
		return "invalid_token"
	case err == nil && c.scheme == schemeBearer:
		return "insufficient_scope"
	}
	return ""
}

// quote makes a quoted-string (RFC 9110, section 5.6.4) of what can be in one.
func quote(s string) string {
	var b strings.Builder
	b.WriteByte('"')
	for _, c := range []byte(s) {
		switch {
		case c == '"' || c == '\\':
			b.WriteByte('\\')
		case c < ' ' || c >= 0x7f:
			continue
		}
		b.WriteByte(c)
	}
	b.WriteByte('"')
	return b.String()
}
