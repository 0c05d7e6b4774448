package oci

import "fmt"

// An Error is what a client is told: a code of the spec ("Error Codes"), a
// sentence, and data about the case. Its text may be shown to anybody who may
// make the request.
type Error struct {
	Code    string
	Message string
	Detail  any

	kind *Error
}

// The kinds of errors. Several may share a code where the spec has one word
// for what HTTP tells apart. Return them by With, test for them by errors.Is.
var (
	ErrBlobUnknown         = &Error{Code: "BLOB_UNKNOWN", Message: "blob unknown to registry"}
	ErrUploadInvalid       = &Error{Code: "BLOB_UPLOAD_INVALID", Message: "blob upload invalid"}
	ErrUploadUnknown       = &Error{Code: "BLOB_UPLOAD_UNKNOWN", Message: "blob upload unknown to registry"}
	ErrDigestInvalid       = &Error{Code: "DIGEST_INVALID", Message: "provided digest did not match uploaded content"}
	ErrManifestBlobUnknown = &Error{Code: "MANIFEST_BLOB_UNKNOWN", Message: "manifest references a manifest or blob unknown to registry"}
	ErrManifestInvalid     = &Error{Code: "MANIFEST_INVALID", Message: "manifest invalid"}
	ErrManifestUnknown     = &Error{Code: "MANIFEST_UNKNOWN", Message: "manifest unknown to registry"}
	ErrNameInvalid         = &Error{Code: "NAME_INVALID", Message: "invalid repository name"}
	ErrNameUnknown         = &Error{Code: "NAME_UNKNOWN", Message: "repository name not known to registry"}
	ErrSizeInvalid         = &Error{Code: "SIZE_INVALID", Message: "provided length did not match content length"}
	ErrUnauthorized        = &Error{Code: "UNAUTHORIZED", Message: "authentication required"}
	ErrDenied              = &Error{Code: "DENIED", Message: "requested access to the resource is denied"}
	ErrUnsupported         = &Error{Code: "UNSUPPORTED", Message: "the operation is unsupported"}
	ErrTooManyRequests     = &Error{Code: "TOOMANYREQUESTS", Message: "too many requests"}

	// ErrOutOfOrder is a chunk that does not begin where the upload ends.
	ErrOutOfOrder = &Error{Code: "BLOB_UPLOAD_INVALID", Message: "chunk out of order"}
	// ErrTooLarge is a body beyond a limit of this registry.
	ErrTooLarge = &Error{Code: "SIZE_INVALID", Message: "content too large"}
	// ErrRange is a part of a blob that is not there.
	ErrRange = &Error{Code: "SIZE_INVALID", Message: "range not satisfiable"}
	// ErrTooManyTags is a push with more tag parameters than are taken.
	ErrTooManyTags = &Error{Code: "UNSUPPORTED", Message: "too many tags in one request"}
	// ErrPrecondition is an If-Match or If-None-Match that does not hold.
	ErrPrecondition = &Error{Code: "DENIED", Message: "precondition failed"}
	// ErrInUse is the deletion of a blob that a manifest needs.
	ErrInUse = &Error{Code: "DENIED", Message: "blob is in use"}
	// ErrMethod is a method that the resource does not have.
	ErrMethod = &Error{Code: "UNSUPPORTED", Message: "method not supported here"}
	// ErrPage is a paging parameter that makes no sense.
	ErrPage = &Error{Code: "UNSUPPORTED", Message: "invalid paging parameter"}
)

// With returns an error of the same kind about one case. Detail is marshalled
// as JSON and may be nil.
func (e *Error) With(detail any, format string, args ...any) *Error {
	kind := e
	if e.kind != nil {
		kind = e.kind
	}
	return &Error{Code: e.Code, Message: fmt.Sprintf(format, args...), Detail: detail, kind: kind}
}

func (e *Error) Error() string { return e.Code + ": " + e.Message }

// Is makes errors.Is find the kind of an error.
func (e *Error) Is(target error) bool { return e.kind != nil && target == error(e.kind) }

// Errors are several errors about one request, never none.
type Errors []*Error

func (es Errors) Error() string {
	if len(es) == 1 {
		return es[0].Error()
	}
	return fmt.Sprintf("%s (and %d more)", es[0].Error(), len(es)-1)
}

// Unwrap makes errors.Is and errors.As look into each.
func (es Errors) Unwrap() []error {
	out := make([]error, len(es))
	for i, e := range es {
		out[i] = e
	}
	return out
}

// Kind returns which of the kinds above the error is of.
func (e *Error) Kind() *Error {
	if e.kind != nil {
		return e.kind
	}
	return e
}
