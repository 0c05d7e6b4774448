package gateway_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"io"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/lambdacontext"
	"github.com/awslabs/aws-lambda-go-api-proxy/core"

	"github.com/berthregistry/berth/shared/distribution"
	"github.com/berthregistry/berth/shared/gateway"
)

// seen is what a handler sees of an event, its body read.
func seen(t testing.TB, e gateway.Request) (*http.Request, []byte) {
	t.Helper()
	var got *http.Request
	var body []byte
	f := gateway.New(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		got = r
		var err error
		if body, err = io.ReadAll(r.Body); err != nil {
			t.Errorf("read body: %v", err)
		}
	}))
	if a := invoke(t, f, e); a.StatusCode != 200 || got == nil {
		t.Fatalf("%s %s = %d %s", e.RequestContext.HTTP.Method, e.RawPath, a.StatusCode, a.body)
	}
	return got, body
}

// A path means what it means on a socket: escapes, plus signs and slashes are
// as they were sent.
func TestURL(t *testing.T) {
	for _, c := range []struct{ path, query, want, escaped string }{
		{"/v2/", "", "/v2/", "/v2/"},
		{"/v2", "", "/v2", "/v2"},
		{"//v2//a/", "", "//v2//a/", "//v2//a/"},
		{"///", "", "///", "///"},
		{"/v2/a%2Fb/manifests/x", "", "/v2/a/b/manifests/x", "/v2/a%2Fb/manifests/x"},
		{"/v2/a+b/%2B", "", "/v2/a+b/+", "/v2/a+b/%2B"},
		{"/v2/a%20b/%C3%AB", "", "/v2/a b/ë", "/v2/a%20b/%C3%AB"},
		{"/v2/a:b@c", "", "/v2/a:b@c", "/v2/a:b@c"},
		{"/v2/../etc", "", "/v2/../etc", "/v2/../etc"},
		{"/v2/", "n=1&last=a%2Fb+c&tag=1&tag=2", "/v2/", "/v2/"},
		{"/v2/", "a=%zz;&&=", "/v2/", "/v2/"}, // a query is whatever it is
	} {
		e := event("GET", c.path, c.query)
		e.PathParameters = map[string]string{"proxy": "decoded and not to be used"}
		e.QueryStringParameters = map[string]string{"n": "joined,and,not,to,be,used"}
		r, _ := seen(t, e)
		uri := c.path
		if c.query != "" {
			uri += "?" + c.query
		}
		if r.URL.Path != c.want || r.URL.EscapedPath() != c.escaped || r.URL.RawQuery != c.query || r.RequestURI != uri {
			t.Errorf("%s: path %q, escaped %q, query %q, URI %q", uri, r.URL.Path, r.URL.EscapedPath(), r.URL.RawQuery, r.RequestURI)
		}
		if r.URL.Host != "" || r.URL.Scheme != "" {
			t.Errorf("%s: URL of a request to a server has no host: %s", uri, r.URL)
		}
	}
	r, _ := seen(t, sample(t, "manifest-put"))
	if got := r.URL.Query()["tag"]; !slices.Equal(got, []string{"1.0", "latest"}) {
		t.Errorf("two parameters of one name: %q", got)
	}
	r, _ = seen(t, sample(t, "referrers"))
	if got := r.URL.Query().Get("artifactType"); got != "application/vnd.example.sbom.v1+json" {
		t.Errorf("an escaped plus: %q", got)
	}
}

func TestMethodIsAsSent(t *testing.T) {
	for _, method := range []string{"GET", "HEAD", "PATCH", "get", "PROPFIND"} {
		if r, _ := seen(t, event(method, "/v2/", "")); r.Method != method {
			t.Errorf("method %q, want %q", r.Method, method)
		}
	}
}

// A header value with commas is one value; what belongs to the connection is
// where net/http has it.
func TestHeader(t *testing.T) {
	e := sample(t, "manifest-get-cookies")
	e.Headers["x-list"] = "a, b,  c"
	r, _ := seen(t, e)
	for name, want := range map[string]string{
		"Accept":            "text/html,application/xhtml+xml,*/*;q=0.8",
		"If-Modified-Since": "Sat, 21 Nov 2026 08:00:00 GMT",
		"X-List":            "a, b,  c",
		"Cookie":            `session=5f3a9c; theme="a, b"`,
		"X-Request-Id":      e.RequestContext.RequestID,
		"X-Forwarded-Proto": "https",
	} {
		if got := r.Header[name]; !slices.Equal(got, []string{want}) {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
	if r.Host != "registry.example.com" || r.Header["Host"] != nil {
		t.Errorf("host %q, header %q", r.Host, r.Header["Host"])
	}
	if got := len(r.Header); got != len(e.Headers)-1+2 { // without host, with cookie and id
		t.Errorf("%d headers: %v", got, slices.Sorted(maps.Keys(r.Header)))
	}
	before := r.Header.Clone()
	for name := range before {
		r.Header.Add(name, "added")
	}
	for name, values := range before {
		if got := r.Header[name]; !slices.Equal(got, append(values, "added")) {
			t.Errorf("%s: %q, what is added to one header must not be in another", name, got)
		}
	}
}

func TestClientKeepsItsRequestID(t *testing.T) {
	e := with(event("GET", "/", ""), "x-request-id", "mine")
	e.RequestContext.RequestID = "theirs"
	if r, _ := seen(t, e); r.Header.Get("X-Request-Id") != "mine" {
		t.Errorf("id %q", r.Header["X-Request-Id"])
	}
}

func TestPeer(t *testing.T) {
	for _, c := range []struct{ ip, host, wantAddr, wantHost string }{
		{"203.0.113.24", "", "203.0.113.24:0", "registry.test"},
		{"2001:db8::1", "edge.example.com:8443", "[2001:db8::1]:0", "edge.example.com:8443"},
		{"", "", "", "registry.test"},
	} {
		e := event("GET", "/", "")
		if c.host != "" {
			e = with(e, "host", c.host)
		}
		e.RequestContext.HTTP.SourceIP = c.ip
		if r, _ := seen(t, e); r.RemoteAddr != c.wantAddr || r.Host != c.wantHost {
			t.Errorf("from %q to %q: %q, %q", c.ip, c.host, r.RemoteAddr, r.Host)
		}
	}
}

func TestRequestBody(t *testing.T) {
	binary := bytes.Repeat([]byte{0, 0xff, '"', '\n'}, 1000)
	text := event("PUT", "/", "")
	text.Body = `{"author":"Zoë"}`
	looksEncoded := event("PUT", "/", "")
	looksEncoded.Body = "aGVsbG8="
	for name, c := range map[string]struct {
		event gateway.Request
		want  []byte
	}{
		"base64":            {carrying(event("PATCH", "/", ""), binary), binary},
		"text":              {text, []byte(text.Body)},
		"text like base64":  {looksEncoded, []byte("aGVsbG8=")},
		"nothing":           {event("GET", "/", ""), nil},
		"nothing in base64": {carrying(event("PUT", "/", ""), nil), nil},
	} {
		r, got := seen(t, c.event)
		if !bytes.Equal(got, c.want) || r.ContentLength != int64(len(c.want)) {
			t.Errorf("%s: %d bytes, length %d, want %d", name, len(got), r.ContentLength, len(c.want))
		}
		if len(c.want) == 0 && r.Body != http.NoBody {
			t.Errorf("%s: a body that is there", name)
		}
	}
}

// Deadline, values and the event's own context reach the handler.
func TestContext(t *testing.T) {
	deadline := time.Now().Add(29 * time.Second)
	ctx, cancel := context.WithDeadline(t.Context(), deadline)
	defer cancel()
	ctx = lambdacontext.NewContext(ctx, &lambdacontext.LambdaContext{AwsRequestID: "invocation"})
	e := sample(t, "ping")
	var got context.Context
	f := gateway.New(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { got = r.Context() }))
	if _, err := f(ctx, e); err != nil {
		t.Fatal(err)
	}
	if d, ok := got.Deadline(); !ok || !d.Equal(deadline) {
		t.Errorf("deadline %v, want %v", d, deadline)
	}
	if lc, ok := lambdacontext.FromContext(got); !ok || lc.AwsRequestID != "invocation" {
		t.Errorf("invocation %+v", lc)
	}
	if rc, ok := core.GetAPIGatewayV2ContextFromContext(got); !ok || rc.RequestID != e.RequestContext.RequestID || rc.DomainName != e.RequestContext.DomainName {
		t.Errorf("request context %+v", rc)
	}
}

// What is no request is answered, and never fails the invocation: the client
// would get an error of the gateway's, and the operator an alarm.
func TestBadEvent(t *testing.T) {
	f := function(gateway.New(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("the handler was asked") })))
	garbage := event("PUT", "/v2/", "")
	garbage.Body, garbage.IsBase64Encoded = "not base64!", true
	host := event("GET", "/v2/", "")
	host.RequestContext.DomainName = "no host%"
	for name, e := range map[string]gateway.Request{
		"empty":        {},
		"no method":    event("", "/v2/", ""),
		"odd method":   event("G T", "/v2/", ""),
		"no path":      event("GET", "", ""),
		"no slash":     event("GET", "v2/", ""),
		"another host": event("GET", "https://example.com/v2/", ""),
		"bad escape":   event("GET", "/v2/%zz", ""),
		"cut escape":   event("GET", "/v2/%2", ""),
		"control":      event("GET", "/v2/\x00", ""),
		"line break":   event("GET", "/v2/", "a=b\r\nHost: x"),
		"bad base64":   garbage,
		"cut base64":   {RawPath: "/", Body: "aGVsbG", IsBase64Encoded: true, RequestContext: garbage.RequestContext},
		"bad domain":   host,
	} {
		e.RequestContext.RequestID = "id-of-the-request"
		a := invoke(t, f, e)
		var body struct {
			Errors []struct{ Code, Message string }
		}
		if err := json.Unmarshal(a.body, &body); err != nil || len(body.Errors) != 1 || body.Errors[0].Code == "" || body.Errors[0].Message == "" {
			t.Errorf("%s: %s is not a list of one error", name, a.body)
		}
		if a.StatusCode != 400 || a.get("Content-Type") != "application/json" || a.get("X-Request-Id") != "id-of-the-request" {
			t.Errorf("%s: %d %v", name, a.StatusCode, a.Headers)
		}
	}
}

// The gateway refuses a header block above 10,240 bytes with 431, so such an
// event does not come. One that does is nothing special.
func TestLargeHeader(t *testing.T) {
	f := function(gateway.New(newRegistry(t, distribution.Door{})))
	e := sample(t, "ping")
	e.Headers["authorization"] = "Bearer " + strings.Repeat("x", 12<<10)
	if a := invoke(t, f, e); a.StatusCode != 200 {
		t.Errorf("%d %s", a.StatusCode, a.body)
	}
	r, _ := seen(t, e)
	if got := r.Header.Get("Authorization"); got != e.Headers["authorization"] {
		t.Errorf("%d bytes arrived", len(got))
	}
}

// As much as an event of 6 MB holds arrives as it was sent.
func TestLargeRequest(t *testing.T) {
	e := sample(t, "upload-patch")
	layer := bytes.Repeat([]byte{0, 1, 2, 0xfe, 0xff}, 900_000) // 4.5 MB, 6.0 MB in base64
	e.Body = base64.StdEncoding.EncodeToString(layer)
	raw, err := json.Marshal(e)
	if err != nil || len(raw) < 6_000_000 || len(raw) > 6<<20 {
		t.Fatalf("an event of %d bytes: %v", len(raw), err)
	}
	if r, got := seen(t, e); !bytes.Equal(got, layer) || r.ContentLength != int64(len(layer)) {
		t.Errorf("%d bytes, length %d, want %d", len(got), r.ContentLength, len(layer))
	}
}
