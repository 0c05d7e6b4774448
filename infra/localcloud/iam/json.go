package iam

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"hash/crc32"
	"net/http"
	"strconv"
)

// jsonProtocol is what the services share that are asked by a POST of JSON,
// with the operation in a header.
type jsonProtocol struct {
	contentType string
	limit       int64 // of a body, in bytes
	answers     map[reason]answer
}

// payload is always the hash of the body itself.
func (p jsonProtocol) payload(r *request, c claim) (string, error) {
	if c.presigned {
		return "", unknown("a presigned request")
	}
	if err := r.buffer(p.limit); err != nil {
		return "", err
	}
	sum := sha256.Sum256(r.body)
	return hex.EncodeToString(sum[:]), nil
}

func (jsonProtocol) path(r *http.Request) string { return r.URL.Path }

// target is the operation that a request names, by the service's own prefix.
func (jsonProtocol) target(r *request) (string, error) {
	targets := r.Header.Values("X-Amz-Target")
	if r.Method != http.MethodPost || r.path != "/" || len(r.query) > 0 || len(targets) != 1 {
		return "", unknown("%s %s with targets %q", r.Method, r.URL, targets)
	}
	return targets[0], nil
}

// refuse writes an error, and the checksum that clients of DynamoDB verify.
func (p jsonProtocol) refuse(w http.ResponseWriter, _ *request, why refusal) {
	answer := p.answers[why.reason]
	// Strings are always encoded.
	body, _ := json.Marshal(map[string]string{"__type": answer.code, "message": cmp.Or(why.text, answer.text)})
	w.Header().Set("Content-Type", p.contentType)
	w.Header().Set("X-Amz-Crc32", strconv.FormatUint(uint64(crc32.ChecksumIEEE(body)), 10))
	w.WriteHeader(answer.status)
	_, _ = w.Write(body) // there is nobody to tell
}

func (jsonProtocol) requestIDs() []string { return []string{"X-Amzn-Requestid"} }
