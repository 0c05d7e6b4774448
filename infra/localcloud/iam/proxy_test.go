package iam_test

import (
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/berthregistry/berth/infra/localcloud/iam"
)

const (
	region  = "eu-central-1"
	account = "123456789012"
)

// session is the credentials of the principal of the tests.
var session = aws.Credentials{
	AccessKeyID: "ASIAPUSH", SecretAccessKey: "a secret of push", SessionToken: "a/session+token=",
}

// policy allows these actions on these resources.
func policy(t testing.TB, actions []string, resources ...string) iam.Policy {
	t.Helper()
	p, err := iam.NewPolicy(iam.Statement{Effect: "Allow", Actions: actions, Resources: resources})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// newConfig returns the settings of a proxy before target, for a principal of
// which no more is to be said than its policy.
func newConfig(t testing.TB, service iam.Service, target string, allowed iam.Policy) iam.Config {
	t.Helper()
	address, err := url.Parse(target)
	if err != nil {
		t.Fatal(err)
	}
	return iam.Config{
		Service: service, Target: address, Region: region, Account: account, PartitionKey: "pk",
		Root: aws.Credentials{AccessKeyID: "root", SecretAccessKey: "root's secret"},
		Log:  slog.New(slog.DiscardHandler),
		Principals: func(id string) (iam.Principal, bool) {
			return iam.Principal{
				Name: "push", Role: "PushRole", Policy: allowed,
				Secret: session.SecretAccessKey, Token: session.SessionToken,
			}, id == session.AccessKeyID
		},
	}
}

// serve starts a proxy and returns its address.
func serve(t testing.TB, c iam.Config) string {
	t.Helper()
	proxy, err := iam.NewProxy(c)
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(proxy)
	t.Cleanup(server.Close)
	return server.URL
}

// service returns the value of a variable that names a service of the tests.
func service(t testing.TB, variable string) string {
	t.Helper()
	switch value := os.Getenv(variable); {
	case value != "":
		return value
	case os.Getenv("BERTH_TEST_REQUIRE") == "1":
		t.Fatalf("%s is not set, and BERTH_TEST_REQUIRE=1 wants it", variable)
	default:
		t.Skipf("%s is not set: start what scripts/services has and set it to the address", variable)
	}
	return ""
}

// fakeTarget starts a server to stand behind a proxy. With a nil handler it
// must not be called.
func fakeTarget(t testing.TB, handler http.HandlerFunc) string {
	t.Helper()
	if handler == nil {
		handler = func(_ http.ResponseWriter, r *http.Request) { t.Errorf("%s %s was let through", r.Method, r.URL) }
	}
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	return server.URL
}
