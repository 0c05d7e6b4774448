package iam

import (
	"cmp"
	"encoding/json"
	"net/http"
	"regexp"
	"strings"
)

// invokeLimit is the size of the largest event that nobody waits for: 1 MB.
const invokeLimit = 1 << 20

// invokePath is where a function is invoked by its name or its ARN.
var invokePath = regexp.MustCompile(`^/2015-03-31/functions/([^/]+)/invocations$`)

// functionName is one without a version or an alias, which would be another
// resource.
var functionName = regexp.MustCompile(`^[a-zA-Z0-9_-]{1,64}$`)

const invocationType = "X-Amz-Invocation-Type"

// invokePlain are the headers that belong to the signature. Others change what
// an invocation is, and none but its type is known here.
var invokePlain = regexp.MustCompile(`^X-Amz-(Content-Sha256|Date|Invocation-Type|Security-Token|User-Agent)$`)

// lambdaProtocol is that of Lambda, as far as functions are invoked without
// waiting for their answer.
type lambdaProtocol struct {
	jsonProtocol
	prefix string // of ARNs in this region and account
}

func newLambdaProtocol(c Config) protocol {
	return lambdaProtocol{
		jsonProtocol: jsonProtocol{"application/json", invokeLimit, lambdaAnswers},
		prefix:       "arn:aws:lambda:" + c.Region + ":" + c.Account + ":function:",
	}
}

func (p lambdaProtocol) read(r *request) (call, error) {
	needs, err := p.access(r)
	if err != nil {
		return nil, err
	}
	return invokeCall{needs}, nil
}

func (p lambdaProtocol) access(r *request) (access, error) {
	path := invokePath.FindStringSubmatch(r.path)
	if r.Method != http.MethodPost || path == nil || len(r.query) > 0 {
		return access{}, unknown("%s %s", r.Method, r.URL)
	}
	for name := range r.Header {
		if strings.HasPrefix(name, "X-Amz-") && !invokePlain.MatchString(name) {
			return access{}, unknown("an invocation with the header %q", name)
		}
	}
	if kinds := r.Header[invocationType]; len(kinds) != 1 || kinds[0] != "Event" {
		return access{}, unknown("an invocation of type %q", kinds)
	}
	name := strings.TrimPrefix(path[1], p.prefix)
	if !functionName.MatchString(name) {
		return access{}, unknown("function %q", path[1])
	}
	return access{action: "lambda:InvokeFunction", resource: p.prefix + name}, nil
}

// refuse writes an error: its name is in a header, its text in the body.
func (p lambdaProtocol) refuse(w http.ResponseWriter, _ *request, why refusal) {
	answer := p.answers[why.reason]
	// Strings are always encoded.
	body, _ := json.Marshal(map[string]string{"Type": "User", "Message": cmp.Or(why.text, answer.text)})
	w.Header().Set("Content-Type", p.contentType)
	w.Header().Set("X-Amzn-Errortype", answer.code)
	w.WriteHeader(answer.status)
	_, _ = w.Write(body) // there is nobody to tell
}

// invokeCall is an invocation that has been understood.
type invokeCall struct{ needs access }

func (c invokeCall) accesses() []access { return []access{c.needs} }

func (invokeCall) divisible() bool { return false }

func (invokeCall) answer(*http.Response, func(access) bool) error { return nil }
