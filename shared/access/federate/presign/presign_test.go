package presign_test

import (
	"context"
	"encoding/base64"
	"errors"
	"net/url"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"

	"github.com/berthregistry/berth/shared/access/federate/presign"
)

func config(region string) aws.Config {
	return aws.Config{
		Region:      region,
		Credentials: credentials.NewStaticCredentialsProvider("ASIAEXAMPLEEXAMPLE", "a secret", "a token"),
	}
}

// signed is the URL in a password.
func signed(t *testing.T, cfg aws.Config, audience string) *url.URL {
	t.Helper()
	password, err := presign.Password(t.Context(), cfg, audience)
	if err != nil {
		t.Fatal(err)
	}
	text, err := base64.RawURLEncoding.DecodeString(password)
	if err != nil {
		t.Fatal(err)
	}
	u, err := url.Parse(string(text))
	if err != nil {
		t.Fatal(err)
	}
	return u
}

// The URL has what the registry's side pins, and no more.
func TestPassword(t *testing.T) {
	for region, host := range map[string]string{
		"eu-central-1": "sts.eu-central-1.amazonaws.com",
		"cn-north-1":   "sts.cn-north-1.amazonaws.com.cn",
		"":             "sts.us-east-1.amazonaws.com",
	} {
		u := signed(t, config(region), "registry.example.com")
		if got, want := u.Scheme+"://"+u.Host+u.Path, "https://"+host+"/"; got != want {
			t.Errorf("got a URL of %s, want %s", got, want)
		}
		want := map[string]string{
			"Action": "GetCallerIdentity", "Version": "2011-06-15",
			"X-Amz-Algorithm": "AWS4-HMAC-SHA256", "X-Amz-Expires": "900",
			"X-Amz-SignedHeaders": "host;x-berth-registry", "X-Amz-Security-Token": "a token",
		}
		for name, value := range want {
			if got := u.Query()[name]; len(got) != 1 || got[0] != value {
				t.Errorf("%s: got %q, want %q", name, got, value)
			}
		}
		if got, want := len(u.Query()), len(want)+3; got != want { // and credential, date, signature
			t.Errorf("got %d parameters, want %d: %s", got, want, u.RawQuery)
		}
		if strings.Contains(u.String(), "registry.example.com") {
			t.Errorf("the URL names the registry it is for: %s", u)
		}
	}
}

// The audience is signed: for another registry there is another signature.
func TestPasswordIsForOneRegistry(t *testing.T) {
	one := signed(t, config("us-east-1"), "registry.example.com").Query()
	other := signed(t, config("us-east-1"), "registry.example.org").Query()
	if one.Get("X-Amz-Date") == other.Get("X-Amz-Date") && one.Get("X-Amz-Signature") == other.Get("X-Amz-Signature") {
		t.Error("the signature is the same for two registries")
	}
}

// An endpoint of one's own is taken, as every client of AWS takes it.
func TestPasswordForAnotherEndpoint(t *testing.T) {
	cfg := config("us-east-1")
	cfg.BaseEndpoint = aws.String("http://127.0.0.1:1234")
	if got, want := signed(t, cfg, "registry.example.com").Host, "127.0.0.1:1234"; got != want {
		t.Errorf("got host %s, want %s", got, want)
	}
}

func TestPasswordWithoutCredentials(t *testing.T) {
	cfg := config("us-east-1")
	errNothing := errors.New("there are none")
	cfg.Credentials = aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
		return aws.Credentials{}, errNothing
	})
	if _, err := presign.Password(t.Context(), cfg, "registry.example.com"); !errors.Is(err, errNothing) {
		t.Errorf("got %v, want %v", err, errNothing)
	}
}
