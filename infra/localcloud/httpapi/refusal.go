package httpapi

import (
	"errors"
	"net/http"
)

// A refusal is what the gateway answers by itself. Its body is not what an OCI
// client expects of an error, and nothing behind the gateway can change that.
type refusal struct {
	status  int
	message string
}

func (r refusal) Error() string { return r.message }

var (
	errBadRequest      = refusal{http.StatusBadRequest, "Bad Request"}
	errNotFound        = refusal{http.StatusNotFound, "Not Found"}
	errBodyTooLarge    = refusal{http.StatusRequestEntityTooLarge, "Request Entity Too Large"}
	errTooManyRequests = refusal{http.StatusTooManyRequests, "Too Many Requests"}
	errHeadersTooLarge = refusal{http.StatusRequestHeaderFieldsTooLarge, "Request Header Fields Too Large"}
	errInternal        = refusal{http.StatusInternalServerError, "Internal Server Error"}
	errUnavailable     = refusal{http.StatusServiceUnavailable, "Service Unavailable"}

	// A body that the gateway takes and Lambda does not. The words are those of
	// a REST API (koki-develop/lgtm-generator issue 10); none were found for an
	// HTTP API.
	errEventTooLarge = refusal{http.StatusRequestEntityTooLarge, "Request Too Long"}
)

// refuse makes an answer of what went wrong.
func (x *exchange) refuse(err error) answer {
	why, ok := errors.AsType[refusal](err)
	if !ok {
		why = errInternal
	}
	x.errorMessage = why.message
	return answer{
		status: why.status,
		header: http.Header{"Content-Type": {"application/json"}},
		body:   []byte(`{"message":"` + why.message + `"}`),
	}
}
