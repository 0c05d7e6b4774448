package sts

import (
	"crypto/rand"
	"encoding/json"
	"encoding/xml"
	"errors"
	"net/http"
	"strings"

	"github.com/berthregistry/berth/infra/localcloud/iam"
)

// identity is the answer to GetCallerIdentity.
type identity struct {
	XMLName xml.Name `xml:"https://sts.amazonaws.com/doc/2011-06-15/ GetCallerIdentityResponse" json:"-"`
	Result  result   `xml:"GetCallerIdentityResult" json:"GetCallerIdentityResult"`
	Meta    metadata `xml:"ResponseMetadata" json:"ResponseMetadata"`
}

type result struct {
	ARN     string `xml:"Arn" json:"Arn"`
	UserID  string `xml:"UserId" json:"UserId"`
	Account string `xml:"Account" json:"Account"`
}

type metadata struct {
	RequestID string `xml:"RequestId" json:"RequestId"`
}

// failed is the answer to what goes wrong.
type failed struct {
	XMLName   xml.Name `xml:"https://sts.amazonaws.com/doc/2011-06-15/ ErrorResponse" json:"-"`
	Error     fault    `xml:"Error" json:"Error"`
	RequestID string   `xml:"RequestId" json:"RequestId"`
}

type fault struct {
	Type    string `xml:"Type" json:"Type"`
	Code    string `xml:"Code" json:"Code"`
	Message string `xml:"Message" json:"Message"`
}

// answer writes XML, or JSON to those who ask for it. In JSON the name of an
// answer is a member around it, but not of a failure.
func answer(w http.ResponseWriter, r *http.Request, status int, body any) {
	header, encode := "text/xml", xml.Marshal
	if strings.Contains(r.Header.Get("Accept"), "application/json") {
		header, encode = "application/json", json.Marshal
		if _, ok := body.(identity); ok {
			body = map[string]any{"GetCallerIdentityResponse": body}
		}
	}
	text, err := encode(body)
	if err != nil {
		panic(err) // strings in structs have a form in both
	}
	w.Header().Set("Content-Type", header)
	w.WriteHeader(status)
	_, _ = w.Write(text) // whoever has gone needs no answer
}

// A refusal is an error in STS's words.
type refusal struct {
	status     int
	code, text string
}

func (r refusal) Error() string { return r.code + ": " + r.text }

// disbelief puts into STS's words why a signature is not believed.
func disbelief(err error) error {
	switch {
	case errors.Is(err, iam.ErrUnsigned):
		return refusal{http.StatusForbidden, "MissingAuthenticationToken", "Request is missing Authentication Token"}
	case errors.Is(err, iam.ErrUnknownKey):
		return refusal{http.StatusForbidden, "InvalidClientTokenId", "The security token included in the request is invalid."}
	case errors.Is(err, iam.ErrSignature):
		return refusal{http.StatusForbidden, "SignatureDoesNotMatch", err.Error()}
	case errors.Is(err, iam.ErrMalformed):
		return refusal{http.StatusBadRequest, "IncompleteSignature", err.Error()}
	}
	return err
}

func refuse(w http.ResponseWriter, r *http.Request, err error) {
	why, ok := errors.AsType[refusal](err)
	if !ok {
		why = refusal{http.StatusInternalServerError, "InternalFailure", "An internal error has occurred."}
	}
	blame := "Sender"
	if why.status >= http.StatusInternalServerError {
		blame = "Receiver"
	}
	answer(w, r, why.status, failed{Error: fault{blame, why.code, why.text}, RequestID: rand.Text()})
}
