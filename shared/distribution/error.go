package distribution

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"

	"github.com/berthregistry/berth/shared/oci"
)

// statuses are what HTTP calls the kinds of errors.
var statuses = map[*oci.Error]int{
	oci.ErrBlobUnknown:         http.StatusNotFound,
	oci.ErrUploadInvalid:       http.StatusBadRequest,
	oci.ErrUploadUnknown:       http.StatusNotFound,
	oci.ErrDigestInvalid:       http.StatusBadRequest,
	oci.ErrManifestBlobUnknown: http.StatusBadRequest,
	oci.ErrManifestInvalid:     http.StatusBadRequest,
	oci.ErrManifestUnknown:     http.StatusNotFound,
	oci.ErrNameInvalid:         http.StatusBadRequest,
	oci.ErrNameUnknown:         http.StatusNotFound,
	oci.ErrSizeInvalid:         http.StatusBadRequest,
	oci.ErrUnauthorized:        http.StatusUnauthorized,
	oci.ErrDenied:              http.StatusForbidden,
	oci.ErrUnsupported:         http.StatusNotFound,
	oci.ErrTooManyRequests:     http.StatusTooManyRequests,
	oci.ErrOutOfOrder:          http.StatusRequestedRangeNotSatisfiable,
	oci.ErrTooLarge:            http.StatusRequestEntityTooLarge,
	oci.ErrTooManyTags:         http.StatusRequestURITooLong,
	oci.ErrPrecondition:        http.StatusPreconditionFailed,
	oci.ErrMethod:              http.StatusMethodNotAllowed,
	oci.ErrPage:                http.StatusBadRequest,
	oci.ErrRange:               http.StatusRequestedRangeNotSatisfiable,

	// Of the statuses that the spec has for the deletion of a blob, 405 is the
	// one that says "there is something, but this cannot be done with it".
	oci.ErrInUse: http.StatusMethodNotAllowed,
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

// statusGone is what nginx calls a client that did not wait for its answer.
// Nobody receives it; logs and metrics tell it from faults of ours.
const statusGone = 499

// maxErrors bounds the errors of one answer: of a manifest of 4 MiB more can be
// missing than a gateway carries.
const maxErrors = 1000

// fail answers with an error, and returns it as it was answered. What has no
// code of the spec is internal: its cause goes to the log, and the client is
// told only by which id it is found there.
func (v *visit) fail(w *recorder, r *http.Request, err error) error {
	id := v.told.RequestID
	status, body := http.StatusInternalServerError, errorBody{[]errorItem{{
		Code: "UNKNOWN", Message: "internal error", Detail: map[string]string{"requestId": id},
	}}}
	var many oci.Errors
	var one *oci.Error
	switch {
	case errors.As(err, &many):
		status, body = statuses[many[0].Kind()], errorBody{items(many...)}
	case errors.As(err, &one):
		status, body = statuses[one.Kind()], errorBody{items(one)}
	case errors.Is(err, context.Canceled) && r.Context().Err() != nil:
		status = statusGone
	case v.busy(err):
		v.log.WarnContext(r.Context(), "a store is busy", "request_id", id, "method", r.Method, "error", err)
		one = oci.ErrTooManyRequests.With(nil, "the registry is busy, try again")
		status, body = statuses[one.Kind()], errorBody{items(one)}
		err = fmt.Errorf("%w: %w", one, err)
	default:
		v.log.ErrorContext(r.Context(), "internal error", "request_id", id, "method", r.Method, "error", err)
	}
	raw, failed := json.Marshal(body)
	if failed != nil {
		raw = []byte(`{"errors":[]}`)
	}
	header := w.Header()
	if status == http.StatusTooManyRequests {
		header.Set("Retry-After", strconv.Itoa(after(err)))
	}
	header.Set("Content-Type", "application/json")
	header.Set("Content-Length", strconv.Itoa(len(raw)))
	w.WriteHeader(status)
	if r.Method != http.MethodHead || v.door.Headless {
		_, _ = w.Write(raw)
	}
	return err
}

// after returns in how many seconds to come again.
func after(err error) int {
	var wait interface{ Seconds() int }
	if errors.As(err, &wait) {
		return max(1, wait.Seconds())
	}
	return 1
}

func items(errs ...*oci.Error) []errorItem {
	var out []errorItem
	for i, e := range errs {
		if i == maxErrors {
			return append(out, errorItem{Code: e.Code, Message: fmt.Sprintf("and %d more", len(errs)-i)})
		}
		out = append(out, errorItem{Code: e.Code, Message: e.Message, Detail: e.Detail})
	}
	return out
}

func writeJSON(w http.ResponseWriter, r *http.Request, body []byte) {
	sendJSON(w, r, http.StatusOK, body)
}

func sendJSON(w http.ResponseWriter, r *http.Request, status int, body []byte) {
	if w.Header().Get("Content-Type") == "" {
		w.Header().Set("Content-Type", "application/json")
	}
	w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(status)
	if r.Method != http.MethodHead {
		_, _ = w.Write(body) // a client that hung up is not told
	}
}
