package iam

import (
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

const (
	algorithm = "AWS4-HMAC-SHA256"
	dateForm  = "20060102T150405Z"
	maxSkew   = 15 * time.Minute
	maxExpiry = 7 * 24 * time.Hour
)

// A claim is what a request says about its signature, before any of it is
// proven.
type claim struct {
	presigned bool // it is in the query, not in the header
	keyID     string
	region    string
	service   string
	date      time.Time
	expires   time.Duration // only of a presigned one
	headers   []string      // names of those signed, in lower case
	signature string
	token     string
}

// readClaim reads the claim of a request. It has one, or it is refused.
func readClaim(r *http.Request, query url.Values) (claim, error) {
	header := r.Header.Values("Authorization")
	presigned := query.Has("X-Amz-Signature") || query.Has("X-Amz-Algorithm")
	switch {
	case presigned && len(header) > 0:
		return claim{}, refusal{invalidRequest, "Only one auth mechanism allowed; the request has both query parameters and the Authorization header."}
	case presigned:
		return readQueryClaim(query)
	case len(header) == 1:
		return readHeaderClaim(header[0], r.Header)
	case len(header) == 0:
		return claim{}, refusal{reason: noSignature}
	}
	return claim{}, malformed("there are several")
}

func malformed(why string) error {
	return refusal{malformedSignature, "The authorization is malformed: " + why + "."}
}

// readHeaderClaim reads
//
//	AWS4-HMAC-SHA256 Credential=..., SignedHeaders=..., Signature=...
func readHeaderClaim(text string, header http.Header) (claim, error) {
	var c claim
	rest, ok := strings.CutPrefix(text, algorithm+" ")
	if !ok {
		return c, malformed("it is not " + algorithm)
	}
	parts := map[string]string{}
	for part := range strings.SplitSeq(rest, ",") {
		name, value, _ := strings.Cut(strings.TrimSpace(part), "=")
		if _, twice := parts[name]; twice {
			return c, malformed(name + " is there twice")
		}
		parts[name] = value
	}
	if len(parts) != 3 {
		return c, malformed("it needs Credential, SignedHeaders and Signature, and no more")
	}
	date, token := header.Values("X-Amz-Date"), header.Values("X-Amz-Security-Token")
	if len(date) != 1 || len(token) > 1 {
		return c, refusal{accessDenied, "AWS authentication requires a valid x-amz-date header"}
	}
	c.token = header.Get("X-Amz-Security-Token")
	return c, c.read(parts["Credential"], parts["SignedHeaders"], parts["Signature"], date[0])
}

// readQueryClaim reads the parameters of a presigned URL.
func readQueryClaim(query url.Values) (claim, error) {
	c := claim{presigned: true}
	for _, name := range signatureParameters {
		if n := len(query[name]); n > 1 || n == 0 && name != "X-Amz-Security-Token" {
			return c, malformed("the query needs " + name + " once")
		}
	}
	if query.Get("X-Amz-Algorithm") != algorithm {
		return c, malformed("it is not " + algorithm)
	}
	seconds, err := strconv.ParseInt(query.Get("X-Amz-Expires"), 10, 32)
	c.expires = time.Duration(seconds) * time.Second
	if err != nil || c.expires <= 0 || c.expires > maxExpiry {
		return c, malformed("X-Amz-Expires is no number of seconds up to a week")
	}
	c.token = query.Get("X-Amz-Security-Token")
	return c, c.read(query.Get("X-Amz-Credential"), query.Get("X-Amz-SignedHeaders"),
		query.Get("X-Amz-Signature"), query.Get("X-Amz-Date"))
}

// signatureParameters is what of a presigned URL belongs to the signature.
var signatureParameters = []string{
	"X-Amz-Algorithm", "X-Amz-Credential", "X-Amz-Date", "X-Amz-Expires",
	"X-Amz-Security-Token", "X-Amz-Signature", "X-Amz-SignedHeaders",
}

// read takes the parts that both forms have. A credential is
// KEY/yyyymmdd/REGION/SERVICE/aws4_request.
func (c *claim) read(credential, headers, signature, date string) error {
	scope := strings.Split(credential, "/")
	if len(scope) != 5 || scope[4] != "aws4_request" {
		return malformed("the credential is not of the form KEY/DATE/REGION/SERVICE/aws4_request")
	}
	at, err := time.Parse(dateForm, date)
	if err != nil || scope[1] != date[:len("yyyymmdd")] {
		return malformed("its date is none, or not that of the credential")
	}
	c.keyID, c.region, c.service, c.date = scope[0], scope[2], scope[3], at
	c.headers = strings.Split(headers, ";")
	c.signature = signature
	return nil
}

// covers refuses a claim that leaves out a header which must be signed: the
// host, and each that a service acts upon by itself.
func (c claim) covers(header http.Header) error {
	if !slices.Contains(c.headers, "host") {
		return malformed("'Host' must be a 'SignedHeader' in the AWS Authorization")
	}
	for name := range header {
		lower := strings.ToLower(name)
		if strings.HasPrefix(lower, "x-amz-") && !slices.Contains(c.headers, lower) {
			return refusal{accessDenied, "There were headers present in the request which were not signed: " + lower}
		}
	}
	return nil
}

// expired is what S3 says of a presigned URL whose time is over.
var expired = refusal{accessDenied, "Request has expired"}

// current refuses a claim that is not of this time.
func (c claim) current(now time.Time) error {
	switch age := now.Sub(c.date); {
	case c.presigned && age < -maxSkew:
		return refusal{accessDenied, "Request is not valid yet"}
	case c.presigned && age > c.expires:
		return expired
	case !c.presigned && age.Abs() > maxSkew:
		return refusal{reason: tooSkewed}
	}
	return nil
}
