package iam_test

import (
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"

	"github.com/berthregistry/berth/infra/localcloud/iam"
)

// noBody is the SHA-256 of nothing.
const noBody = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"

// presigned is a GetCallerIdentity as a URL, with a header that is signed.
func presigned(t *testing.T) *http.Request {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet,
		"https://sts.eu-central-1.amazonaws.com/?Action=GetCallerIdentity&Version=2011-06-15&X-Amz-Expires=900", nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("X-Berth-Registry", "registry.example.com")
	signed, header, err := v4.NewSigner().PresignHTTP(t.Context(), session, r, noBody, "sts", region, noon)
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

// A service without a proxy verifies for itself.
func TestVerifier(t *testing.T) {
	now := noon
	v := iam.NewVerifier("sts", region, func(id string) (secret, token string, ok bool) {
		return session.SecretAccessKey, session.SessionToken, id == session.AccessKeyID
	}, func() time.Time { return now })
	for _, test := range []struct {
		name   string
		change func(*http.Request)
		after  time.Duration
		want   error
	}{
		{"as signed", func(*http.Request) {}, 0, nil},
		{"another header", func(r *http.Request) { r.Header.Set("X-Berth-Registry", "other.example.com") }, 0, iam.ErrSignature},
		{"no header", func(r *http.Request) { r.Header.Del("X-Berth-Registry") }, 0, iam.ErrSignature},
		{"another host", func(r *http.Request) { r.Host = "sts.us-east-1.amazonaws.com" }, 0, iam.ErrSignature},
		{"another query", func(r *http.Request) { r.URL.RawQuery += "&More=1" }, 0, iam.ErrSignature},
		{"another key", func(r *http.Request) { r.URL.RawQuery = strings.Replace(r.URL.RawQuery, "ASIAPUSH", "ASIAPULL", 1) }, 0, iam.ErrUnknownKey},
		{"no signature", func(r *http.Request) { r.URL.RawQuery = "Action=GetCallerIdentity" }, 0, iam.ErrUnsigned},
		{"too late", func(*http.Request) {}, 16 * time.Minute, iam.ErrSignature},
	} {
		r := presigned(t)
		test.change(r)
		now = noon.Add(test.after)
		if id, err := v.Verify(r, noBody); !errors.Is(err, test.want) || (err == nil) != (id == session.AccessKeyID) {
			t.Errorf("%s: got %q, %v, want %v", test.name, id, err, test.want)
		}
	}
}
