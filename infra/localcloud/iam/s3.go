package iam

import (
	"bytes"
	"cmp"
	"encoding/xml"
	"fmt"
	"io"
	"net"
	"net/http"
	"regexp"
	"strconv"
	"strings"
)

// s3Protocol is S3's: the path is the object, method and query the operation.
type s3Protocol struct{ domain string }

const unsignedPayload = "UNSIGNED-PAYLOAD"

var sha256Hex = regexp.MustCompile(`^[0-9a-f]{64}$`)

// payload is what the request says of its body. That it is so is verified by
// the server behind, who is told it as well.
func (s3Protocol) payload(r *request, c claim) (string, error) {
	said := r.Header.Values(payloadHeader)
	switch {
	case r.ContentLength < 0:
		return "", refusal{reason: notImplemented} // S3 wants to know the length first
	case len(said) == 0 && c.presigned:
		return unsignedPayload, nil
	case len(said) != 1:
		return "", refusal{reason: noPayload}
	case said[0] != unsignedPayload && !sha256Hex.MatchString(said[0]):
		return "", unknown("payload %q", said[0])
	}
	return said[0], nil
}

// path turns a request for a virtual host into path-style.
func (p s3Protocol) path(r *http.Request) string {
	host := r.Host
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	if bucket, ok := strings.CutSuffix(host, "."+p.domain); ok && p.domain != "" {
		return "/" + bucket + r.URL.Path
	}
	return r.URL.Path
}

func (p s3Protocol) read(r *request) (call, error) {
	parsed, err := parseS3(r.Method, r.path, r.query, r.Header)
	if err != nil {
		return nil, err
	}
	c := s3Call{s3Request: parsed, needs: parsed.accesses(r.Header)}
	if parsed.operation.name == deleteObjects {
		c.needs, err = readKeys(r, parsed.bucket)
	}
	return c, err
}

// refuse writes an error of S3.
func (s3Protocol) refuse(w http.ResponseWriter, r *request, why refusal) {
	if c, ok := r.call.(s3Call); ok && c.operation.name == deleteObjects && why.reason == accessDenied {
		writeXML(w, http.StatusOK, c.noneDeleted())
		return
	}
	answer := s3Answers[why.reason]
	writeXML(w, answer.status, s3Error{
		Code: answer.code, Message: cmp.Or(why.text, answer.text), Resource: r.URL.Path,
		RequestID: w.Header().Get(s3RequestID), HostID: w.Header().Get(s3HostID),
	})
}

const (
	s3RequestID = "X-Amz-Request-Id"
	s3HostID    = "X-Amz-Id-2"
)

func (s3Protocol) requestIDs() []string { return []string{s3RequestID, s3HostID} }

type s3Error struct {
	XMLName   xml.Name `xml:"Error"`
	Code      string
	Message   string
	Resource  string
	RequestID string `xml:"RequestId"`
	HostID    string `xml:"HostId"`
}

func writeXML(w http.ResponseWriter, status int, v any) {
	body, _ := xml.Marshal(v) // structs of strings are always encoded
	w.Header().Set("Content-Type", "application/xml")
	w.WriteHeader(status)
	_, _ = io.WriteString(w, xml.Header) // there is nobody to tell
	_, _ = w.Write(body)
}

// s3Call is a request to S3 that has been understood.
type s3Call struct {
	s3Request
	needs []access
}

func (c s3Call) accesses() []access { return c.needs }

func (c s3Call) divisible() bool { return c.operation.name == deleteObjects }

// answer hides from whoever may not list a bucket what is absent there: AWS
// says 403 then, as it does for what may not be read.
func (c s3Call) answer(resp *http.Response, may func(access) bool) error {
	if resp.StatusCode != http.StatusNotFound || !c.reads() || !saysAbsent(resp) {
		return nil
	}
	bucket := c.bucket
	if c.source != "" {
		bucket, _, _ = strings.Cut(c.source, "/")
	}
	if may(access{action: "s3:ListBucket", resource: bucketARN(bucket)}) {
		return nil
	}
	hidden := s3Error{
		Code: s3Answers[accessDenied].code, Message: s3Answers[accessDenied].text,
		RequestID: resp.Header.Get(s3RequestID), HostID: resp.Header.Get(s3HostID),
	}
	return replace(resp, http.StatusForbidden, hidden)
}

// reads reports whether the call reads an object, or copies one.
func (c s3Call) reads() bool {
	return c.source != "" || c.key != "" && c.operation.action == "s3:GetObject"
}

// saysAbsent reports whether a 404 is about an object. That to HEAD does not
// say.
func saysAbsent(resp *http.Response) bool {
	if resp.Request.Method == http.MethodHead {
		return true
	}
	body, err := io.ReadAll(io.LimitReader(resp.Body, 64<<10))
	resp.Body = rest{io.MultiReader(bytes.NewReader(body), resp.Body), resp.Body}
	return err == nil && bytes.Contains(body, []byte("<Code>NoSuchKey</Code>"))
}

// rest is a body of which some has been read ahead.
type rest struct {
	io.Reader
	io.Closer
}

// replace puts another answer in the place of one. That to a HEAD has no body.
func replace(resp *http.Response, status int, v any) error {
	body, err := xml.Marshal(v)
	if err != nil {
		return fmt.Errorf("write answer: %w", err)
	}
	body = append([]byte(xml.Header), body...)
	resp.Body.Close()
	resp.StatusCode, resp.Status = status, ""
	if resp.Request.Method == http.MethodHead {
		body = nil
	}
	resp.Header.Set("Content-Type", "application/xml")
	resp.Header.Set("Content-Length", strconv.Itoa(len(body)))
	resp.ContentLength = int64(len(body))
	resp.Body = io.NopCloser(bytes.NewReader(body))
	return nil
}
