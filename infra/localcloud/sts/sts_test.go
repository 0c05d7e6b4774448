package sts_test

import (
	"encoding/base64"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	awssts "github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/aws/smithy-go"

	"github.com/berthregistry/berth/infra/localcloud/sts"
	"github.com/berthregistry/berth/shared/access/federate/presign"
)

const (
	keyID    = "ASIADEPLOYDEPLOY"
	registry = "registry.example.com"
)

var deploy = sts.Principal{
	ARN:    "arn:aws:sts::123456789012:assumed-role/deploy/me",
	UserID: "AROADEPLOY:me", Secret: "a secret", Token: "a token",
}

// A service is STS on a socket. What its fields say may change.
type service struct {
	url     string
	late    time.Duration // by which its clock is ahead
	failure *sts.Failure
}

func newService(t *testing.T) *service {
	s := &service{}
	handler, err := sts.New(sts.Config{
		Region:     "us-east-1",
		Principals: func(id string) (sts.Principal, bool) { return deploy, id == keyID },
		Clock:      func() time.Time { return time.Now().Add(s.late) },
		Fail: func() (sts.Failure, bool) {
			if s.failure == nil {
				return sts.Failure{}, false
			}
			return *s.failure, true
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	s.url = server.URL
	return s
}

// config is that of a client with these credentials.
func (s *service) config(id, secret, token string) aws.Config {
	return aws.Config{
		Region: "us-east-1", BaseEndpoint: &s.url, RetryMaxAttempts: 1,
		Credentials: credentials.NewStaticCredentialsProvider(id, secret, token),
	}
}

// Amazon's client understands who it is, and why it is nobody.
func TestGetCallerIdentity(t *testing.T) {
	s := newService(t)
	for _, test := range []struct {
		name              string
		id, secret, token string
		late              time.Duration
		failure           *sts.Failure
		want              string // code of the error
	}{
		{name: "known", id: keyID, secret: deploy.Secret, token: deploy.Token},
		{name: "another secret", id: keyID, secret: "a guess", token: deploy.Token, want: "SignatureDoesNotMatch"},
		{name: "no token", id: keyID, secret: deploy.Secret, want: "InvalidClientTokenId"},
		{name: "unknown key", id: "ASIASTRANGER", secret: deploy.Secret, token: deploy.Token, want: "InvalidClientTokenId"},
		{name: "late", id: keyID, secret: deploy.Secret, token: deploy.Token, late: time.Hour, want: "SignatureDoesNotMatch"},
		{name: "throttled", id: keyID, secret: deploy.Secret, token: deploy.Token, failure: &sts.Failure{Status: 400, Code: "Throttling"}, want: "Throttling"},
	} {
		t.Run(test.name, func(t *testing.T) {
			s.late, s.failure = test.late, test.failure
			client := awssts.NewFromConfig(s.config(test.id, test.secret, test.token))
			got, err := client.GetCallerIdentity(t.Context(), nil)
			if test.want != "" {
				refused, ok := errors.AsType[smithy.APIError](err)
				if !ok || refused.ErrorCode() != test.want {
					t.Errorf("got error %v, want %s", err, test.want)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if *got.Arn != deploy.ARN || *got.Account != "123456789012" || *got.UserId != deploy.UserID {
				t.Errorf("got %s, %s, %s", *got.Arn, *got.Account, *got.UserId)
			}
		})
	}
}

// A presigned URL counts for the registry that is named beside it, as long as
// it says, and not if it was touched.
func TestPresigned(t *testing.T) {
	const expired, wrong = "Request has expired", "<Code>SignatureDoesNotMatch</Code>"
	for _, test := range []struct {
		name     string
		registry string
		late     time.Duration
		change   func(url string) string
		want     string
	}{
		{"as it is", registry, 0, nil, "<Arn>" + deploy.ARN + "</Arn>"},
		{"nearly over", registry, presign.Life - 10*time.Second, nil, "<Account>123456789012</Account>"},
		{"over", registry, presign.Life + 10*time.Second, nil, expired},
		{"for another registry", "registry.example.org", 0, nil, wrong},
		{"for nobody", "", 0, nil, wrong},
		{"a longer life", registry, 0, replace("Expires=900", "Expires=901"), wrong},
		{"another header signed", registry, 0, replace("x-berth-registry", "accept"), wrong},
		{"only the host signed", registry, 0, replace("%3Bx-berth-registry", ""), wrong},
		{"another action", registry, 0, replace("GetCallerIdentity", "GetSessionToken"), "<Code>InvalidAction</Code>"},
		{"two actions", registry, 0, func(url string) string { return url + "&Action=GetSessionToken" }, "<Code>InvalidAction</Code>"},
		{"more", registry, 0, func(url string) string { return url + "&x=y" }, wrong},
		{"another service", registry, 0, replace("%2Fsts%2F", "%2Fs3%2F"), "<Code>IncompleteSignature</Code>"},
		{"unsigned", registry, 0, func(url string) string { return url[:strings.Index(url, "&X-Amz")] }, "<Code>MissingAuthenticationToken</Code>"},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := newService(t)
			s.late = test.late
			url := s.presigned(t)
			if test.change != nil {
				url = test.change(url)
			}
			if _, got := get(t, url, test.registry, ""); !strings.Contains(got, test.want) {
				t.Errorf("got %s, want %s", got, test.want)
			}
		})
	}
}

// Who asks for JSON gets JSON.
func TestJSON(t *testing.T) {
	s := newService(t)
	for name, want := range map[string]string{
		registry: `{"GetCallerIdentityResponse":{"GetCallerIdentityResult":{"Arn":"` + deploy.ARN + `",`,
		"other":  `{"Error":{"Type":"Sender","Code":"SignatureDoesNotMatch",`,
	} {
		kind, got := get(t, s.presigned(t), name, "application/json")
		if kind != "application/json" || !strings.HasPrefix(got, want) {
			t.Errorf("got %s %s, want %s", kind, got, want)
		}
	}
}

// presigned is a URL for the registry of these tests.
func (s *service) presigned(t *testing.T) string {
	t.Helper()
	password, err := presign.Password(t.Context(), s.config(keyID, deploy.Secret, deploy.Token), registry)
	if err != nil {
		t.Fatal(err)
	}
	url, err := base64.RawURLEncoding.DecodeString(password)
	if err != nil {
		t.Fatal(err)
	}
	return string(url)
}

func replace(old, by string) func(string) string {
	return func(url string) string { return strings.Replace(url, old, by, 1) }
}

func get(t *testing.T, url, registry, accept string) (kind, body string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	if registry != "" {
		r.Header.Set("X-Berth-Registry", registry)
	}
	r.Header.Set("Accept", accept)
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.Header.Get("Content-Type"), string(text)
}
