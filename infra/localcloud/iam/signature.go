package iam

import (
	"crypto/subtle"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	"github.com/aws/smithy-go/encoding/httpbinding"
)

// verifier proves claims, by signing each request once more.
type verifier struct {
	service    Service
	region     string
	principals func(string) (Principal, bool)
	clock      func() time.Time
	signer     *v4.Signer
}

// newSigner returns a signer for a service. S3 takes paths as they are, all
// others escape them once more. A signer keeps keys by access key ID alone, so
// there is one for those who call us, and another for the server behind.
func newSigner(s Service) *v4.Signer {
	return v4.NewSigner(func(o *v4.SignerOptions) { o.DisableURIPathEscaping = s == S3 })
}

func newVerifier(c Config) *verifier {
	return &verifier{
		service: c.Service, region: c.Region, principals: c.Principals, clock: c.Clock, signer: newSigner(c.Service),
	}
}

// verify returns the principal that has signed a request with this payload
// hash, or a refusal.
func (v *verifier) verify(r *http.Request, query url.Values, c claim, payload string) (Principal, error) {
	principal, err := v.identify(c)
	if err != nil {
		return Principal{}, err
	}
	if err := c.covers(r.Header); err != nil {
		return Principal{}, err
	}
	if err := c.current(v.clock()); err != nil {
		return Principal{}, err
	}
	credentials := aws.Credentials{AccessKeyID: c.keyID, SecretAccessKey: principal.Secret, SessionToken: principal.Token}
	want, err := v.sign(r, query, c, credentials, payload)
	if err != nil {
		return Principal{}, err
	}
	if !same(c.signature, want) {
		return Principal{}, refusal{reason: wrongSignature}
	}
	return principal, nil
}

// identify finds the principal of a claim, still unproven.
func (v *verifier) identify(c claim) (Principal, error) {
	if c.service != string(v.service) {
		return Principal{}, malformed("the service must be '" + string(v.service) + "'")
	}
	if c.region != v.region {
		return Principal{}, malformed("the region '" + c.region + "' is wrong; expecting '" + v.region + "'")
	}
	principal, ok := v.principals(c.keyID)
	if !ok {
		return Principal{}, refusal{reason: unknownKey}
	}
	if !same(c.token, principal.Token) {
		return Principal{}, refusal{reason: wrongToken}
	}
	return principal, nil
}

// sign returns the signature that the request should have.
func (v *verifier) sign(r *http.Request, query url.Values, c claim, by aws.Credentials, payload string) (string, error) {
	again, ctx := onlySigned(r, c), r.Context()
	if !c.presigned {
		err := v.signer.SignHTTP(ctx, by, again, payload, c.service, c.region, c.date)
		_, signature, _ := strings.Cut(again.Header.Get("Authorization"), "Signature=")
		return signature, err
	}
	unsigned := cloneWithout(query, "X-Amz-Signature")
	again.URL.RawQuery = unsigned.Encode()
	signed, _, err := v.signer.PresignHTTP(ctx, by, again, payload, c.service, c.region, c.date,
		func(o *v4.SignerOptions) { o.DisableHeaderHoisting = true })
	_, signature, _ := strings.Cut(signed, "&X-Amz-Signature=")
	return signature, err
}

// onlySigned is the request without what its claim leaves unsigned. The signer
// signs whatever it is given.
func onlySigned(r *http.Request, c claim) *http.Request {
	again := &http.Request{
		Method: r.Method,
		URL:    &url.URL{Scheme: "http", Host: r.Host, Path: r.URL.Path, RawQuery: r.URL.RawQuery},
		Host:   r.Host,
		Header: http.Header{},
	}
	again.URL.RawPath = escape(r.URL.Path)
	for name, values := range r.Header {
		if slices.Contains(c.headers, strings.ToLower(name)) {
			again.Header[name] = slices.Clone(values)
		}
	}
	if slices.Contains(c.headers, "content-length") {
		again.ContentLength = r.ContentLength
	}
	return again
}

// escape writes a path as signatures have it, and as it is sent on: there is
// one way to write each.
func escape(path string) string { return httpbinding.EscapePath(path, false) }

// same compares without telling by its time how much is the same.
func same(a, b string) bool { return subtle.ConstantTimeCompare([]byte(a), []byte(b)) == 1 }

// cloneWithout returns a copy of query that lacks these parameters.
func cloneWithout(query url.Values, names ...string) url.Values {
	rest := url.Values{}
	for name, values := range query {
		if !slices.Contains(names, name) {
			rest[name] = values
		}
	}
	return rest
}
