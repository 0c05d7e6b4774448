package iam_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/berthregistry/berth/infra/localcloud/iam"
)

// invoke starts the function verify.
var invoke = signed{
	service: iam.Lambda, method: http.MethodPost, url: "http://lambda.test/2015-03-31/functions/verify/invocations",
	header: map[string]string{"X-Amz-Invocation-Type": "Event", "Content-Type": "application/json"},
	body:   `{"repo":"team/app"}`,
}

// A principal invokes the one function that its policy names, and hears in AWS's
// words that it may not invoke another.
func TestFunctionsAreGuarded(t *testing.T) {
	g := newGuarded(t, iam.Lambda)
	c := newConfig(t, iam.Lambda, fakeTarget(t, func(w http.ResponseWriter, r *http.Request) {
		g.reached = gist(r)
		w.WriteHeader(http.StatusAccepted)
	}), policy(t, []string{"lambda:InvokeFunction"}, "arn:aws:lambda:"+region+":"+account+":function:verify"))
	c.Clock = g.clock
	var err error
	if g.Handler, err = iam.NewProxy(c); err != nil {
		t.Fatal(err)
	}
	answer, reached := g.send(read(t, invoke.wire(t)))
	if answer.Code != http.StatusAccepted || !strings.Contains(reached, invoke.body) {
		t.Errorf("got %d %s, and %q behind", answer.Code, answer.Body, reached)
	}
	other := invoke
	other.url = strings.Replace(other.url, "verify", "token", 1)
	answer, reached = g.send(read(t, other.wire(t)))
	const want = "is not authorized to perform: lambda:InvokeFunction on resource: arn:aws:lambda:eu-central-1:123456789012:function:token because no identity-based policy allows"
	if answer.Code != http.StatusForbidden || !strings.Contains(answer.Body.String(), want) || reached != "" {
		t.Errorf("got %d %s, want a refusal", answer.Code, answer.Body)
	}
}

// Lambda's refusals say their names in a header.
func TestInvokeRefusals(t *testing.T) {
	for _, test := range []struct {
		name   string
		change func(s *signed)
		status int
		code   string
	}{
		{"as it should be", func(*signed) {}, 200, ""},
		{"by its ARN", func(s *signed) {
			s.url = strings.Replace(s.url, "verify", "arn%3Aaws%3Alambda%3Aeu-central-1%3A123456789012%3Afunction%3Averify", 1)
		}, 200, ""},
		{"another service", func(s *signed) { s.as = "s3" }, 403, "IncompleteSignatureException"},
		{"a body that is another", func(s *signed) { s.payload = "UNSIGNED-PAYLOAD" }, 403, "InvalidSignatureException"},
		{"too large", func(s *signed) { s.body = strings.Repeat(" ", 1<<20+1) }, 413, "RequestTooLargeException"},
		{"another kind", func(s *signed) { s.header = map[string]string{"X-Amz-Invocation-Type": "DryRun"} }, 501, "UnknownOperationException"},
	} {
		s := invoke
		test.change(&s)
		answer, _ := newGuarded(t, iam.Lambda).send(read(t, s.wire(t)))
		if got := answer.Header().Get("X-Amzn-Errortype"); answer.Code != test.status || got != test.code {
			t.Errorf("%s: got %d %q, want %d %q", test.name, answer.Code, got, test.status, test.code)
		}
	}
}

// One who is asked too often says so, and the event is not taken.
func TestInvokeIsThrottled(t *testing.T) {
	g := newGuarded(t, iam.Lambda)
	c := newConfig(t, iam.Lambda, fakeTarget(t, nil), policy(t, []string{"*"}, "*"))
	c.Clock, c.Fail = g.clock, func() bool { return true }
	var err error
	if g.Handler, err = iam.NewProxy(c); err != nil {
		t.Fatal(err)
	}
	answer, _ := g.send(read(t, invoke.wire(t)))
	if got := answer.Header().Get("X-Amzn-Errortype"); answer.Code != http.StatusTooManyRequests || got != "TooManyRequestsException" {
		t.Errorf("got %d %q", answer.Code, got)
	}
}
