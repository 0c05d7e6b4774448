package iam_test

import (
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"testing"
	"time"

	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"

	"github.com/berthregistry/berth/infra/localcloud/iam"
)

// presigned is a GetCallerIdentity as a URL, with a header that is signed.
func presigned(t *testing.T) *http.Request {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet,
		"https://sts.eu-central-1.amazonaws.com/?Action=GetCallerIdentity&Version=2011-06-15&X-Amz-Expires=900", nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("X-Berth-Registry", "registry.example.com")
	sum := sha256.Sum256(nil)
	signed, header, err := v4.NewSigner().PresignHTTP(t.Context(), session, r, hex.EncodeToString(sum[:]), "sts", region, noon)
	if err != nil {
		t.Fatal(err)
	}
	again, err := http.NewRequestWithContext(t.Context(), http.MethodGet, signed, nil)
	if err != nil {
		t.Fatal(err)
	}
	again.Header = header
	return again
}

// A service without a proxy verifies for itself, and refuses in its own words.
func TestVerifier(t *testing.T) {
	now := noon
	v := iam.NewVerifier(iam.STS, region, func(id string) (iam.Principal, bool) {
		return iam.Principal{Name: "push", Secret: session.SecretAccessKey, Token: session.SessionToken}, id == session.AccessKeyID
	}, func() time.Time { return now })
	if p, err := v.Verify(presigned(t), nil); err != nil || p.Name != "push" {
		t.Fatalf("got %q, %v, want push", p.Name, err)
	}
	for _, test := range []struct {
		name   string
		change func(*http.Request)
		after  time.Duration
		status int
		code   string
	}{
		{"another header", func(r *http.Request) { r.Header.Set("X-Berth-Registry", "other.example.com") }, 0, 403, "SignatureDoesNotMatch"},
		{"no header", func(r *http.Request) { r.Header.Del("X-Berth-Registry") }, 0, 403, "SignatureDoesNotMatch"},
		{"another host", func(r *http.Request) { r.Host = "sts.us-east-1.amazonaws.com" }, 0, 403, "SignatureDoesNotMatch"},
		{"another query", func(r *http.Request) { r.URL.RawQuery += "&More=1" }, 0, 403, "SignatureDoesNotMatch"},
		{"no signature", func(r *http.Request) { r.URL.RawQuery = "Action=GetCallerIdentity" }, 0, 403, "MissingAuthenticationToken"},
		{"too late", func(*http.Request) {}, 16 * time.Minute, 403, "AccessDenied"},
	} {
		r := presigned(t)
		test.change(r)
		now = noon.Add(test.after)
		_, err := v.Verify(r, nil)
		if status, code, text := iam.Refused(err); err == nil || status != test.status || code != test.code || text == "" {
			t.Errorf("%s: got %v as %d %s %q, want %d %s", test.name, err, status, code, text, test.status, test.code)
		}
	}
}
