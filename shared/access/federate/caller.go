package federate

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"errors"
	"regexp"
	"strings"
)

// A caller is somebody as AWS knows them.
type caller struct {
	ARN     string `json:"Arn" xml:"Arn"`
	UserID  string `json:"UserId" xml:"UserId"`
	Account string `json:"Account" xml:"Account"`
}

const maxARN = 1024 // bytes; longer than any of AWS

// arnForm is an ARN of a user, a root, an assumed role or a federated user.
// Names in it are of letters, digits and +=,.@_- and paths of printable ASCII.
var arnForm = regexp.MustCompile(`^arn:(aws[a-z-]*):(?:iam|sts)::([0-9]{12}):([!-~]+)$`)

// principal is the ARN that rules speak of. Of who has assumed a role that is
// the role: the session's name is the caller's own choice. An assumed role's
// ARN lacks the role's path, so a role with a path is written without it.
func (c caller) principal() string {
	parts := arnForm.FindStringSubmatch(c.ARN)
	if parts == nil {
		return c.ARN
	}
	if session, ok := strings.CutPrefix(parts[3], "assumed-role/"); ok {
		role, _, _ := strings.Cut(session, "/")
		return "arn:" + parts[1] + ":iam::" + parts[2] + ":role/" + role
	}
	return c.ARN
}

// check reports what makes an answer unusable.
func (c caller) check() error {
	parts := arnForm.FindStringSubmatch(c.ARN)
	if parts == nil || parts[2] != c.Account || len(c.ARN) > maxARN || len(c.UserID) > maxARN {
		return errors.New("answer names no principal")
	}
	return nil
}

// readCaller reads an answer to GetCallerIdentity, which is JSON if STS knows
// that we asked for it, and otherwise XML.
func readCaller(body []byte) (caller, error) {
	var in struct {
		Response struct {
			Result caller `json:"GetCallerIdentityResult"`
		} `json:"GetCallerIdentityResponse"`
	}
	var as struct {
		XMLName xml.Name `xml:"GetCallerIdentityResponse"`
		Result  caller   `xml:"GetCallerIdentityResult"`
	}
	var found caller
	if err := json.Unmarshal(body, &in); err == nil {
		found = in.Response.Result
	} else if err := xml.Unmarshal(body, &as); err == nil {
		found = as.Result
	} else {
		return caller{}, errors.New("answer is neither JSON nor XML")
	}
	return found, found.check()
}

// codeOf returns the code of an error of STS; empty if it has none.
func codeOf(body []byte) string {
	var in struct {
		Error struct{ Code string }
	}
	if bytes.HasPrefix(bytes.TrimSpace(body), []byte("{")) {
		_ = json.Unmarshal(body, &in) // what is no error of STS has no code
	} else {
		_ = xml.Unmarshal(body, &in)
	}
	return in.Error.Code
}
