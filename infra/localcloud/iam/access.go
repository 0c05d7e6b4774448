package iam

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
)

// An access is one action on one resource, in the words of policies. A request
// needs all of its accesses.
type access struct {
	action   string   // such as s3:GetObject
	resource string   // its ARN
	keys     []string // partition keys of the items it is about, sorted; only in DynamoDB
}

func (a access) equal(b access) bool {
	return a.action == b.action && a.resource == b.resource && slices.Equal(a.keys, b.keys)
}

// unknown is the refusal of what no rule of ours speaks of.
func unknown(format string, args ...any) error {
	return refusal{notImplemented, "localcloud does not know what permission this needs: " + fmt.Sprintf(format, args...)}
}

// buffer reads the body of a request, up to limit bytes, and puts it back to be
// read again.
func (r *request) buffer(limit int64) error {
	body, err := io.ReadAll(http.MaxBytesReader(nil, r.Body, limit))
	if _, ok := errors.AsType[*http.MaxBytesError](err); ok {
		return refusal{reason: requestTooLarge}
	}
	if err != nil {
		return refusal{reason: incompleteBody}
	}
	r.body = body
	r.Body = io.NopCloser(bytes.NewReader(body))
	r.ContentLength = int64(len(body))
	r.TransferEncoding = nil
	return nil
}
