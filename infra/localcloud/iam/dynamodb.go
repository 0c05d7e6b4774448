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

// dynamoLimit is the size of the largest request, as DynamoDB has it.
const dynamoLimit = 16 << 20

// dynamoProtocol is DynamoDB's: a POST of JSON, and the operation in a header.
type dynamoProtocol struct {
	prefix    string // of ARNs in this region and account
	partition string // attribute of the partition key
	iterators *iterators
}

func newDynamoProtocol(c Config) protocol {
	return dynamoProtocol{
		prefix:    "arn:aws:dynamodb:" + c.Region + ":" + c.Account + ":",
		partition: c.PartitionKey,
		iterators: newIterators(c.Clock),
	}
}

// payload is always the hash of the body itself.
func (dynamoProtocol) payload(r *request, c claim) (string, error) {
	if c.presigned {
		return "", unknown("a presigned request")
	}
	if err := r.buffer(dynamoLimit); err != nil {
		return "", err
	}
	sum := sha256.Sum256(r.body)
	return hex.EncodeToString(sum[:]), nil
}

func (dynamoProtocol) path(r *http.Request) string { return r.URL.Path }

func (p dynamoProtocol) read(r *request) (call, error) {
	targets := r.Header.Values("X-Amz-Target")
	if r.Method != http.MethodPost || r.path != "/" || len(r.query) > 0 || len(targets) != 1 {
		return nil, unknown("%s %s with targets %q", r.Method, r.URL, targets)
	}
	accesses, err := dynamoAccesses(dynamoRequest{prefix: p.prefix, partition: p.partition, iterators: p.iterators}, targets[0], r.body)
	if err != nil {
		return nil, err
	}
	return dynamoCall{needs: accesses, iterators: p.iterators}, nil
}

// refuse writes an error of DynamoDB, whose checksum some clients verify.
func (dynamoProtocol) refuse(w http.ResponseWriter, _ *request, why refusal) {
	answer := dynamoAnswers[why.reason]
	// Strings are always encoded.
	body, _ := json.Marshal(map[string]string{"__type": answer.code, "message": cmp.Or(why.text, answer.text)})
	w.Header().Set("Content-Type", "application/x-amz-json-1.0")
	w.Header().Set("X-Amz-Crc32", strconv.FormatUint(uint64(crc32.ChecksumIEEE(body)), 10))
	w.WriteHeader(answer.status)
	_, _ = w.Write(body) // there is nobody to tell
}

func (dynamoProtocol) requestIDs() []string { return []string{"X-Amzn-Requestid"} }

// dynamoCall is a request to DynamoDB that has been understood.
type dynamoCall struct {
	needs     []access
	iterators *iterators
}

func (c dynamoCall) accesses() []access { return c.needs }

func (dynamoCall) divisible() bool { return false }

// answer remembers the iterators that a stream gives out.
func (c dynamoCall) answer(resp *http.Response, _ func(access) bool) error {
	switch c.needs[0].action {
	case "dynamodb:GetShardIterator", "dynamodb:GetRecords":
		return c.iterators.remember(resp, c.needs[0].resource)
	}
	return nil
}
