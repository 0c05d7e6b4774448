package iam

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
)

const functions = "arn:aws:lambda:eu-central-1:123456789012:function:"

// invokeOf reads a request: its method and URL, and its header.
func invokeOf(t testing.TB, line string, header http.Header) (access, error) {
	t.Helper()
	method, rest, _ := strings.Cut(line, " ")
	u, err := url.ParseRequestURI(rest)
	if err != nil {
		t.Fatal(err)
	}
	p := newLambdaProtocol(Config{Region: "eu-central-1", Account: "123456789012"}).(lambdaProtocol)
	return p.access(&request{
		Request: &http.Request{Method: method, URL: u, Header: header}, path: u.Path, query: u.Query(),
	})
}

func ofType(kinds ...string) http.Header { return http.Header{invocationType: kinds} }

func TestInvokeAccess(t *testing.T) {
	for line, want := range map[string]string{
		"POST /2015-03-31/functions/verify/invocations":                                                           "lambda:InvokeFunction verify",
		"POST /2015-03-31/functions/team-Verify-X_1/invocations":                                                  "lambda:InvokeFunction team-Verify-X_1",
		"POST /2015-03-31/functions/arn%3Aaws%3Alambda%3Aeu-central-1%3A123456789012%3Afunction%3Av1/invocations": "lambda:InvokeFunction v1",
	} {
		a, err := invokeOf(t, line, ofType("Event"))
		if got := short([]access{a}, functions); err != nil || got != want {
			t.Errorf("%s: got %s, %v, want %s", line, got, err, want)
		}
	}
}

func TestInvokeUnknown(t *testing.T) {
	const line = "POST /2015-03-31/functions/verify/invocations"
	with := func(name string) http.Header {
		h := ofType("Event")
		h.Set(name, "x")
		return h
	}
	for _, test := range []struct {
		line   string
		header http.Header
	}{
		{line, http.Header{}}, // AWS would have it wait for the answer
		{line, ofType("RequestResponse")},
		{line, ofType("DryRun")},
		{line, ofType("Event", "Event")},
		{line, with("X-Amz-Log-Type")},
		{line, with("X-Amz-Client-Context")},
		{line, with("X-Amz-Tenant-Id")},
		{line + "?Qualifier=live", ofType("Event")},
		{"GET /2015-03-31/functions/verify/invocations", ofType("Event")},
		{"POST /2015-03-31/functions/verify", ofType("Event")},
		{"POST /2015-03-31/functions/verify/invocations/x", ofType("Event")},
		{"POST /2015-03-31/functions//invocations", ofType("Event")},
		{"POST /2015-03-31/functions/ver*/invocations", ofType("Event")},
		{"POST /2015-03-31/functions/verify%3Alive/invocations", ofType("Event")},
		{"POST /2015-03-31/functions/arn%3Aaws%3Alambda%3Aus-east-1%3A123456789012%3Afunction%3Av1/invocations", ofType("Event")},
		{"POST /2014-11-13/functions/verify/invoke-async", ofType("Event")},
	} {
		a, err := invokeOf(t, test.line, test.header)
		if why, ok := err.(refusal); !ok || why.reason != notImplemented {
			t.Errorf("%s %v: got %v, %v, want a refusal", test.line, test.header, a, err)
		}
	}
}

// FuzzInvoke has whatever is understood name one function here.
func FuzzInvoke(f *testing.F) {
	f.Add("/2015-03-31/functions/verify/invocations", "Event")
	f.Add("/2015-03-31/functions/"+functions+"v/invocations", "DryRun")
	f.Fuzz(func(t *testing.T, path, kind string) {
		p := newLambdaProtocol(Config{Region: "eu-central-1", Account: "123456789012"}).(lambdaProtocol)
		a, err := p.access(&request{
			Request: &http.Request{Method: http.MethodPost, URL: &url.URL{Path: path}, Header: ofType(kind)}, path: path,
		})
		if why, ok := err.(refusal); err != nil && (!ok || lambdaAnswers[why.reason].status < http.StatusBadRequest) {
			t.Fatalf("%q: %v is not a refusal that can be written", path, err)
		}
		name, ok := strings.CutPrefix(a.resource, functions)
		if err == nil && (!ok || !functionName.MatchString(name) || !strings.Contains(path, name) || kind != "Event") {
			t.Fatalf("%q of type %q is said to need %v", path, kind, a)
		}
	})
}
