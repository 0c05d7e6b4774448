package desk

import (
	"encoding/json"
	"errors"
	"net/http"
	"strconv"

	"github.com/berthregistry/berth/shared/access/login"
	"github.com/berthregistry/berth/shared/oci"
)

// A refusal is an application that was turned down.
type refusal struct {
	status  int
	code    string // OAuth 2.0's (RFC 6749, section 5.2)
	message string
	after   int // in how many seconds to come again; zero if that is of no use
}

func (r *refusal) Error() string { return r.code + ": " + r.message }

// malformed is a refusal of what would be refused of anybody.
func malformed(code, message string) *refusal {
	return &refusal{status: http.StatusBadRequest, code: code, message: message}
}

// refused has one text for all causes: a name that is not known is not told
// from a password that is wrong.
func refused() *refusal {
	return &refusal{status: http.StatusUnauthorized, code: "invalid_grant", message: "the credentials are not valid"}
}

// unavailable is a fault of ours, or of whom we ask.
func unavailable() *refusal {
	return &refusal{http.StatusServiceUnavailable, "temporarily_unavailable", "credentials cannot be checked at the moment", 1}
}

// refusalOf returns what an error is answered with, and false where its cause
// is ours and belongs in the log.
func refusalOf(err error) (*refusal, bool) {
	if r, ok := errors.AsType[*refusal](err); ok {
		return r, true
	}
	if blocked, ok := errors.AsType[*login.Blocked](err); ok {
		return &refusal{http.StatusTooManyRequests, "slow_down", "too many failed logins, try again later", blocked.Seconds()}, true
	}
	if errors.Is(err, login.ErrRefused) {
		return refused(), true
	}
	return unavailable(), false
}

// codeOf returns what the distribution spec calls a status ("Error Codes").
func codeOf(status int) string {
	switch {
	case status == http.StatusUnauthorized:
		return oci.ErrUnauthorized.Code
	case status == http.StatusForbidden:
		return oci.ErrDenied.Code
	case status == http.StatusTooManyRequests:
		return oci.ErrTooManyRequests.Code
	case status >= http.StatusInternalServerError:
		return "UNKNOWN"
	}
	return oci.ErrUnsupported.Code
}

// A problem is the body of an error, in the form of the distribution spec and,
// for the token endpoint, in OAuth 2.0's as well: clients read one or the other.
type problem struct {
	Errors      []fault `json:"errors"`
	OAuth       string  `json:"error,omitempty"`
	Description string  `json:"error_description,omitempty"`
}

type fault struct {
	Code    string `json:"code"`
	Message string `json:"message"`
	Detail  any    `json:"detail,omitempty"`
}

// write answers with the refusal.
func (r *refusal) write(w http.ResponseWriter) {
	if r.after > 0 {
		w.Header().Set("Retry-After", strconv.Itoa(r.after))
	}
	if r.status == http.StatusUnauthorized {
		w.Header().Set("Www-Authenticate", `Basic realm="token"`) // RFC 9110, section 15.5.2
	}
	writeJSON(w, r.status, problem{[]fault{{Code: codeOf(r.status), Message: r.message}}, r.code, r.message})
}

// writeJSON answers with what must not be kept by anybody on the way (RFC 6749,
// section 5.1).
func writeJSON(w http.ResponseWriter, status int, body any) {
	raw, err := json.Marshal(body)
	if err != nil {
		status, raw = http.StatusInternalServerError, []byte(`{"errors":[{"code":"UNKNOWN","message":"internal error"}]}`)
	}
	header := w.Header()
	header.Set("Cache-Control", "no-store")
	header.Set("Pragma", "no-cache")
	header.Set("Content-Type", "application/json")
	header.Set("Content-Length", strconv.Itoa(len(raw)))
	w.WriteHeader(status)
	_, _ = w.Write(raw) // a client that hung up is not told
}
