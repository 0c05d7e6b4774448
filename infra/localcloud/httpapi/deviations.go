package httpapi

import (
	"cmp"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Deviations are the ways in which the real HTTP API may turn out to behave
// otherwise than the project assumes. Each field flips one assumption; the zero
// value is what is assumed.
type Deviations struct {
	// RemapAuthenticate: a WWW-Authenticate of the function arrives at clients
	// as X-Amzn-Remapped-Www-Authenticate, as with REST APIs.
	RemapAuthenticate bool
	// KeepContentLength: a Content-Length of the function reaches the client
	// on the answer to a HEAD, instead of being replaced by the body's.
	KeepContentLength bool
	// EmptyHead: the answer to a HEAD has a Content-Length of 0, whatever the
	// function returned as its body.
	EmptyHead bool
	// DecodePath: functions get the path with its percent escapes decoded, and
	// cut off at a question mark that comes out of that. Several first-hand
	// reports say it is so; see honojs/hono issue 2156 and
	// fastify/aws-lambda-fastify issue 169, where /a%2Fb arrives as /a/b.
	DecodePath bool
	// PlusIsSpace: a plus sign in the path or the query arrives as a space.
	PlusIsSpace bool
	// TextBodies: request bodies of OCI's and Docker's media types arrive as
	// text and not as base64. What is not UTF-8 in them is replaced, as in any
	// text.
	TextBodies bool
	// RawResponses: a response body in base64 is passed on as it is.
	RawResponses bool
	// Break304: a 304 of the function becomes a 502.
	Break304 bool
	// Break204: a 204 of the function becomes a 200 with a body.
	Break204 bool

	// StagePrefix stands in front of the path that functions see, with a
	// leading slash and no trailing one. Empty: nothing does.
	StagePrefix string

	// MaxRequest is the size of the largest request body in bytes; 10 MiB if 0.
	// Lambda's limit of an event is not touched by it.
	MaxRequest int64
	// MaxResponse is the size in bytes of the most that a function may return,
	// base64 and JSON included; 6 MiB and 100 bytes if 0.
	MaxResponse int64
	// MaxHeaders is the most that request line and headers may have together
	// in bytes; 10,240 if 0.
	MaxHeaders int64
	// ThrottledStatus is what clients are answered when Lambda throttles the
	// function; 503 if 0. REST APIs answer 500, says a question on AWS re:Post
	// (QUfI6bsdd0SOiPeyimzxSkfQ); of HTTP APIs nothing certain was found.
	ThrottledStatus int

	// ClockSkew is added to the time that the Date header tells.
	ClockSkew time.Duration
}

// Set flips the assumption of a name such as decode-path. Those that are more
// than a yes or no need a value: bytes, a status, a path or a duration.
func (d *Deviations) Set(name, value string) error {
	changed := *d
	field, ok := changed.fields()[name]
	if !ok {
		return fmt.Errorf("deviation %q is none of %s", name, strings.Join(DeviationNames(), ", "))
	}
	var err error
	switch field := field.(type) {
	case *bool:
		*field, err = strconv.ParseBool(cmp.Or(value, "true"))
	case *int64:
		if *field, err = strconv.ParseInt(value, 10, 64); err == nil && *field <= 0 {
			err = fmt.Errorf("%d is not above 0", *field)
		}
	case *int:
		if *field, err = strconv.Atoi(value); err == nil && http.StatusText(*field) == "" {
			err = fmt.Errorf("%d is no status", *field)
		}
	case *time.Duration:
		*field, err = time.ParseDuration(value)
	case *string:
		if *field = value; !strings.HasPrefix(value, "/") || strings.HasSuffix(value, "/") {
			err = fmt.Errorf("%q does not start with a slash, or ends in one", value)
		}
	}
	if err != nil {
		return fmt.Errorf("deviation %s: %w", name, err)
	}
	*d = changed
	return nil
}

// DeviationNames lists the names that Set knows, sorted.
func DeviationNames() []string {
	return slices.Sorted(maps.Keys(new(Deviations).fields()))
}

func (d *Deviations) fields() map[string]any {
	return map[string]any{
		"remap-authenticate":  &d.RemapAuthenticate,
		"keep-content-length": &d.KeepContentLength,
		"empty-head":          &d.EmptyHead,
		"decode-path":         &d.DecodePath,
		"plus-is-space":       &d.PlusIsSpace,
		"text-bodies":         &d.TextBodies,
		"raw-responses":       &d.RawResponses,
		"break-304":           &d.Break304,
		"break-204":           &d.Break204,
		"stage-prefix":        &d.StagePrefix,
		"max-request":         &d.MaxRequest,
		"max-response":        &d.MaxResponse,
		"max-headers":         &d.MaxHeaders,
		"throttled-status":    &d.ThrottledStatus,
		"clock-skew":          &d.ClockSkew,
	}
}

// withLimits returns d with the documented value for each limit that is 0.
func (d Deviations) withLimits() Deviations {
	d.MaxRequest = cmp.Or(d.MaxRequest, maxBody)
	d.MaxResponse = cmp.Or(d.MaxResponse, maxPayload)
	d.MaxHeaders = cmp.Or(d.MaxHeaders, maxHeaders)
	d.ThrottledStatus = cmp.Or(d.ThrottledStatus, http.StatusServiceUnavailable)
	return d
}
