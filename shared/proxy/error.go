package proxy

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"oras.land/oras-go/v2/registry/remote/auth"
	"oras.land/oras-go/v2/registry/remote/errcode"

	"github.com/berthregistry/berth/shared/oci"
)

// errLogin is a registry that does not know who the proxy is. A client is not
// told 401: it would ask its user to log in here, or present what it has for
// another registry, and neither helps.
var errLogin = errors.New("the registry wants another login")

// statuses are those of errors of the proxy's own, and of the engine's.
var statuses = map[*oci.Error]int{
	oci.ErrUploadUnknown:   http.StatusNotFound,
	oci.ErrUploadInvalid:   http.StatusBadRequest,
	oci.ErrOutOfOrder:      http.StatusRequestedRangeNotSatisfiable,
	oci.ErrDigestInvalid:   http.StatusBadRequest,
	oci.ErrSizeInvalid:     http.StatusBadRequest,
	oci.ErrNameInvalid:     http.StatusBadRequest,
	oci.ErrTooLarge:        http.StatusRequestEntityTooLarge,
	oci.ErrTooManyRequests: http.StatusTooManyRequests,
	oci.ErrUnsupported:     http.StatusNotFound,
	oci.ErrMethod:          http.StatusMethodNotAllowed,
}

// An errorBody is the spec's form of an error ("Error Codes").
type errorBody struct {
	Errors []errorItem `json:"errors"`
}

type errorItem struct {
	Code    string `json:"code"`
	Message string `json:"message,omitempty"`
	Detail  any    `json:"detail,omitempty"`
}

func encode(items ...errorItem) []byte {
	raw, err := json.Marshal(errorBody{items})
	if err != nil {
		return []byte(`{"errors":[]}`)
	}
	return raw
}

// retryAfter is when to come again, in seconds, who was one too many.
const retryAfter = 5

// fail answers with an error.
func (v *visit) fail(w http.ResponseWriter, r *http.Request, err error) {
	status, items := v.explain(err)
	level := v.log.DebugContext
	if status >= http.StatusInternalServerError && r.Context().Err() == nil {
		level = v.log.WarnContext
	}
	level(r.Context(), "request failed", "method", r.Method, "path", oci.Clip(r.URL.Path), "status", status, "error", cause(err))
	if status == http.StatusTooManyRequests || status == http.StatusServiceUnavailable {
		w.Header().Set("Retry-After", strconv.Itoa(retryAfter))
	}
	body := encode(items...)
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(status)
	if r.Method != http.MethodHead {
		_, _ = w.Write(body) // a client that hung up is not told
	}
}

// explain returns what a client is told of an error.
func (v *visit) explain(err error) (status int, items []errorItem) {
	var own *oci.Error
	var said *errcode.ErrorResponse
	switch {
	case errors.As(err, &own):
		return cmp.Or(statuses[own.Kind()], http.StatusBadGateway), []errorItem{{own.Code, own.Message, own.Detail}}
	case errors.Is(err, errLogin), errors.Is(err, auth.ErrBasicCredentialNotFound):
		return v.noLogin()
	case errors.As(err, &said):
		return v.relay(said)
	case errors.Is(err, errClosing):
		return http.StatusServiceUnavailable, []errorItem{{Code: "UNKNOWN", Message: err.Error()}}
	case errors.Is(err, errCut):
		return http.StatusBadRequest, []errorItem{{Code: oci.ErrUploadInvalid.Code, Message: errCut.Error()}}
	}
	return http.StatusBadGateway, []errorItem{{Code: "UNKNOWN", Message: fmt.Sprintf("%s: %v", v.to.Host, cause(err))}}
}

func (v *visit) noLogin() (status int, items []errorItem) {
	return http.StatusForbidden, []errorItem{{Code: oci.ErrDenied.Code, Message: fmt.Sprintf(
		"%s does not let this proxy in: berth login %s, as the user that berth proxy runs as", v.to.Host, v.to.Host)}}
}

// relay returns what the registry said, or where its tokens are made.
func (v *visit) relay(said *errcode.ErrorResponse) (status int, items []errorItem) {
	atDesk := said.URL == nil || !strings.HasPrefix(said.URL.Path, "/v2/")
	switch status = said.StatusCode; {
	case status == http.StatusUnauthorized, atDesk && status < http.StatusInternalServerError && status != http.StatusTooManyRequests:
		return v.noLogin()
	case status < http.StatusBadRequest:
		status = http.StatusBadGateway // an answer that is none to what was asked
	}
	for _, e := range said.Errors {
		items = append(items, errorItem{e.Code, e.Message, e.Detail})
	}
	if len(items) == 0 {
		items = []errorItem{{Code: code(status), Message: fmt.Sprintf("%s answered %d %s", v.to.Host, status, http.StatusText(status))}}
	}
	return status, items
}

// code is the word of the spec for a status that came without one.
func code(status int) string {
	switch status {
	case http.StatusForbidden:
		return oci.ErrDenied.Code
	case http.StatusNotFound:
		return oci.ErrNameUnknown.Code
	case http.StatusMethodNotAllowed, http.StatusNotImplemented:
		return oci.ErrUnsupported.Code
	case http.StatusRequestEntityTooLarge:
		return oci.ErrTooLarge.Code
	case http.StatusTooManyRequests:
		return oci.ErrTooManyRequests.Code
	}
	return "UNKNOWN"
}

// cause returns why something was not answered, without the URL, which is nobody's
// business: it may have a signature in it.
func cause(err error) error {
	var at *url.Error
	for errors.As(err, &at) {
		err = at.Err
	}
	if errors.Is(err, context.DeadlineExceeded) {
		return errors.New("it did not answer in time")
	}
	return err
}
