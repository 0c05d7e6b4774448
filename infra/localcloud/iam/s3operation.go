package iam

import (
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
)

// An operation is how a request to S3 is told from others, and what it needs.
type operation struct {
	name   string
	method string
	object bool // it is on an object, not on a bucket
	copies bool // it names another object as its source
	tags   bool // a header of it may say the object's tags
	needs  []string
	may    []string // further parameters
	action string
}

// overrides are the parameters by which a reader sets headers of the answer.
var overrides = []string{
	"response-cache-control", "response-content-disposition", "response-content-encoding",
	"response-content-language", "response-content-type", "response-expires",
}

// operations is all of S3 that is known here. Parameters that are not listed
// make another operation of a request (acl, restore, versionId ...), with a
// permission of its own; so none may be there that is not listed.
var operations = []operation{
	{name: "GetObject", method: http.MethodGet, object: true, may: overrides, action: "s3:GetObject"},
	{name: "HeadObject", method: http.MethodHead, object: true, may: overrides, action: "s3:GetObject"},
	{name: "PutObject", method: http.MethodPut, object: true, tags: true, action: "s3:PutObject"},
	{name: "CopyObject", method: http.MethodPut, object: true, copies: true, tags: true, action: "s3:PutObject"},
	{name: "DeleteObject", method: http.MethodDelete, object: true, action: "s3:DeleteObject"},

	{name: "GetObjectTagging", method: http.MethodGet, object: true, needs: []string{"tagging="}, action: "s3:GetObjectTagging"},
	{name: "PutObjectTagging", method: http.MethodPut, object: true, needs: []string{"tagging="}, action: "s3:PutObjectTagging"},
	{name: "DeleteObjectTagging", method: http.MethodDelete, object: true, needs: []string{"tagging="}, action: "s3:DeleteObjectTagging"},

	{name: "CreateMultipartUpload", method: http.MethodPost, object: true, tags: true,
		needs: []string{"uploads="}, action: "s3:PutObject"},
	{name: "UploadPart", method: http.MethodPut, object: true,
		needs: []string{"partNumber", "uploadId"}, action: "s3:PutObject"},
	{name: "UploadPartCopy", method: http.MethodPut, object: true, copies: true,
		needs: []string{"partNumber", "uploadId"}, action: "s3:PutObject"},
	{name: "CompleteMultipartUpload", method: http.MethodPost, object: true,
		needs: []string{"uploadId"}, action: "s3:PutObject"},
	{name: "AbortMultipartUpload", method: http.MethodDelete, object: true,
		needs: []string{"uploadId"}, action: "s3:AbortMultipartUpload"},
	{name: "ListParts", method: http.MethodGet, object: true, needs: []string{"uploadId"},
		may: []string{"max-parts", "part-number-marker"}, action: "s3:ListMultipartUploadParts"},

	{name: "HeadBucket", method: http.MethodHead, action: "s3:ListBucket"},
	{name: "ListObjectsV2", method: http.MethodGet, needs: []string{"list-type=2"},
		may:    []string{"continuation-token", "delimiter", "encoding-type", "fetch-owner", "max-keys", "prefix", "start-after"},
		action: "s3:ListBucket"},
	{name: "ListMultipartUploads", method: http.MethodGet, needs: []string{"uploads="},
		may:    []string{"delimiter", "encoding-type", "key-marker", "max-uploads", "prefix", "upload-id-marker"},
		action: "s3:ListBucketMultipartUploads"},
	{name: deleteObjects, method: http.MethodPost, needs: []string{"delete="}, action: "s3:DeleteObject"},
}

const deleteObjects = "DeleteObjects"

// s3Request is what a request to S3 asks for.
type s3Request struct {
	operation operation
	bucket    string
	key       string // empty: the bucket itself
	source    string // of a copy, as BUCKET/KEY
	tagging   tagging
}

func bucketARN(bucket string) string      { return "arn:aws:s3:::" + bucket }
func objectARN(bucket, key string) string { return "arn:aws:s3:::" + bucket + "/" + key }

// parseS3 tells what a request is. Its path is that of path-style, decoded, and
// its query is without the parts of a signature.
func parseS3(method, path string, query url.Values, header http.Header) (s3Request, error) {
	var r s3Request
	if err := checkHeaders(header); err != nil {
		return r, err
	}
	var err error
	if r.bucket, r.key, err = splitPath(path); err != nil {
		return r, err
	}
	copies := header["X-Amz-Copy-Source"]
	for _, op := range operations {
		if op.method == method && op.object == (r.key != "") && op.copies == (len(copies) > 0) && op.takes(query) {
			r.operation = op
			if op.copies {
				if r.source, err = parseSource(copies); err != nil {
					return r, err
				}
			}
			r.tagging, err = parseTagging(op, header)
			return r, err
		}
	}
	return r, unknown("%s on %q with parameters %q", method, path, query)
}

// takes reports whether a request with this query can be the operation.
func (op operation) takes(query url.Values) bool {
	for _, need := range op.needs {
		name, value, valued := strings.Cut(need, "=")
		if !query.Has(name) || valued && query.Get(name) != value {
			return false
		}
	}
	for name, values := range query {
		if len(values) != 1 || !op.knows(name) {
			return false
		}
	}
	return true
}

func (op operation) knows(name string) bool {
	// The SDK says the operation's name by x-id. The rest is what a presigned
	// URL holds of headers: S3 passes over them, and so do we.
	if name == "x-id" || hoisted.MatchString(name) || slices.Contains(op.may, name) {
		return true
	}
	return slices.ContainsFunc(op.needs, func(need string) bool {
		needed, _, _ := strings.Cut(need, "=")
		return needed == name
	})
}

var hoisted = regexp.MustCompile(`^(?i)x-amz-(checksum-[a-z0-9-]+|sdk-checksum-algorithm)$`)

var bucketName = regexp.MustCompile(`^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$`)

// splitPath takes a path into bucket and key.
func splitPath(path string) (bucket, key string, err error) {
	bucket, key, _ = strings.Cut(strings.TrimPrefix(path, "/"), "/")
	if !bucketName.MatchString(bucket) {
		return "", "", unknown("bucket %q", bucket)
	}
	if key == "" {
		return bucket, "", nil
	}
	return bucket, key, checkKey(key)
}

// checkKey refuses a key that a server may take for another: one with dots for
// a folder, or with nothing.
func checkKey(key string) error {
	for part := range strings.SplitSeq(key, "/") {
		if part == "" || part == "." || part == ".." {
			return unknown("key %q, which a server may take for another", key)
		}
	}
	return nil
}

// parseSource reads the header of a copy that names its source.
func parseSource(values []string) (string, error) {
	if len(values) != 1 {
		return "", unknown("copy of %q", values)
	}
	source, query, _ := strings.Cut(values[0], "?")
	decoded, err := url.PathUnescape(source)
	if err != nil || query != "" {
		return "", unknown("copy of %q", values)
	}
	bucket, key, err := splitPath(decoded)
	if err != nil || key == "" {
		return "", unknown("copy of %q", values)
	}
	return bucket + "/" + key, nil
}

// accesses says what the request needs, but for the keys in its body.
func (r s3Request) accesses(header http.Header) []access {
	if r.key == "" {
		return []access{{action: r.operation.action, resource: bucketARN(r.bucket)}}
	}
	object := objectARN(r.bucket, r.key)
	all := []access{{action: r.operation.action, resource: object}}
	if r.source != "" {
		all = append(all, access{action: "s3:GetObject", resource: "arn:aws:s3:::" + r.source})
	}
	all = append(all, r.tagAccesses()...)
	// Whoever writes on condition of an ETag learns whether it is that.
	if etag := header.Get("If-Match"); etag != "" && etag != "*" && r.operation.action != "s3:GetObject" {
		all = append(all, access{action: "s3:GetObject", resource: object})
	}
	return all
}

// plain are the headers of S3 that need no permission beyond that of their
// operation, and those on tags, which parseTagging reads. Others do need one
// (x-amz-acl, x-amz-object-lock-mode ...), or might.
var plain = regexp.MustCompile(`^X-Amz-(` +
	`Checksum-[A-Za-z0-9-]+|Content-Sha256|Copy-Source(-If-[A-Za-z-]+|-Range)?|Date|Meta-.+|` +
	`Metadata-Directive|Mp-Object-Size|Sdk-Checksum-Algorithm|Security-Token|Storage-Class|` +
	`Tagging(-Directive)?|User-Agent)$`)

func checkHeaders(header http.Header) error {
	for name := range header {
		if strings.HasPrefix(name, "X-Amz-") && !plain.MatchString(name) {
			return unknown("header %q", name)
		}
	}
	return nil
}
