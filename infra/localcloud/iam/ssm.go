package iam

import (
	"encoding/json"
	"maps"
	"net/http"
	"regexp"
	"slices"
	"strings"
)

// ssmLimit is more than the largest parameter needs, which has 8 KB.
const ssmLimit = 64 << 10

const ssmTarget = "AmazonSSM."

// ssmFields lists the operations on one parameter that need the permission of
// their own name and nothing else, each with the fields of which that is true.
// Tags need another permission, and a KeyId one in KMS. The key that SSM takes
// without it is open, through SSM, to everybody in the account.
var ssmFields = map[string][]string{
	"GetParameter": {"Name", "WithDecryption"},
	"PutParameter": {"DataType", "Description", "Name", "Overwrite", "Tier", "Type", "Value"},
}

// parameterName is one that needs no escaping; a version may follow it.
var parameterName = regexp.MustCompile(`^(/?[a-zA-Z0-9_.-]+(?:/[a-zA-Z0-9_.-]+)*)(?::[0-9]+)?$`)

// ssmProtocol is that of SSM, as far as it keeps parameters.
type ssmProtocol struct {
	jsonProtocol
	prefix string // of ARNs in this region and account
}

func newSSMProtocol(c Config) protocol {
	return ssmProtocol{
		jsonProtocol: jsonProtocol{"application/x-amz-json-1.1", ssmLimit, ssmAnswers},
		prefix:       "arn:aws:ssm:" + c.Region + ":" + c.Account + ":",
	}
}

func (p ssmProtocol) read(r *request) (call, error) {
	target, err := p.target(r)
	if err != nil {
		return nil, err
	}
	needs, err := p.access(target, r.body)
	if err != nil {
		return nil, err
	}
	return ssmCall{needs}, nil
}

func (p ssmProtocol) access(target string, body []byte) (access, error) {
	operation := strings.TrimPrefix(target, ssmTarget)
	known, ok := ssmFields[operation]
	if !ok || operation == target {
		return access{}, unknown("target %q", target)
	}
	var of fields
	if err := json.Unmarshal(body, &of); err != nil {
		return access{}, refusal{invalidRequest, "The body is not an object of JSON."}
	}
	for name := range maps.Keys(of) {
		if !slices.Contains(known, name) {
			return access{}, unknown("%s with %q", operation, name)
		}
	}
	name := parameterName.FindStringSubmatch(text(of["Name"]))
	if name == nil {
		return access{}, unknown("parameter %q", text(of["Name"]))
	}
	return access{action: "ssm:" + operation, resource: p.prefix + "parameter/" + strings.TrimPrefix(name[1], "/")}, nil
}

// ssmCall is a request to SSM that has been understood.
type ssmCall struct{ needs access }

func (c ssmCall) accesses() []access { return []access{c.needs} }

func (ssmCall) divisible() bool { return false }

func (ssmCall) answer(*http.Response, func(access) bool) error { return nil }
