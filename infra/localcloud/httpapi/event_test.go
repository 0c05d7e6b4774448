package httpapi_test

import (
	"context"
	"encoding/json"
	"maps"
	"net"
	"net/http/httptest"
	"regexp"
	"slices"
	"testing"
	"time"

	"github.com/berthregistry/berth/infra/localcloud/httpapi"
)

func TestEvent(t *testing.T) {
	d := open(t, httpapi.Config{
		AccountID: "111122223333", APIID: "abc",
		Routes: []httpapi.Route{{Method: "PUT", Path: "/v2/{path+}"}},
	})
	before := time.Now()
	got := d.exchange("PUT /v2/a%2Fb/manifests/1?x=1&y=%20&x=2 HTTP/1.1\r\nHost: abc.example.com:8443\r\n" +
		"User-Agent: test/1\r\nContent-Type: text/plain\r\nContent-Length: 2\r\n\r\nhi")
	e := d.event()
	c := e.RequestContext
	for name, pair := range map[string][2]string{
		"version":        {e.Version, "2.0"},
		"routeKey":       {e.RouteKey, "PUT /v2/{path+}"},
		"rawPath":        {e.RawPath, "/v2/a%2Fb/manifests/1"},
		"rawQueryString": {e.RawQueryString, "x=1&y=%20&x=2"},
		"query x":        {e.QueryStringParameters["x"], "1,2"},
		"query y":        {e.QueryStringParameters["y"], " "},
		"path":           {e.PathParameters["path"], "a/b/manifests/1"},
		"body":           {e.Body, "hi"},
		"accountId":      {c.AccountID, "111122223333"},
		"apiId":          {c.APIID, "abc"},
		"domainName":     {c.DomainName, "abc.example.com"},
		"domainPrefix":   {c.DomainPrefix, "abc"},
		"stage":          {c.Stage, "$default"},
		"requestId":      {c.RequestID, got.header.Get("Apigw-Requestid")},
		"routeKey again": {c.RouteKey, "PUT /v2/{path+}"},
		"method":         {c.HTTP.Method, "PUT"},
		"http.path":      {c.HTTP.Path, "/v2/a%2Fb/manifests/1"},
		"protocol":       {c.HTTP.Protocol, "HTTP/1.1"},
		"sourceIp":       {c.HTTP.SourceIP, "127.0.0.1"},
		"userAgent":      {c.HTTP.UserAgent, "test/1"},
	} {
		if pair[0] != pair[1] {
			t.Errorf("%s: got %q, want %q", name, pair[0], pair[1])
		}
	}
	if at := time.UnixMilli(c.TimeEpoch); at.Before(before.Add(-time.Second)) || at.After(time.Now()) {
		t.Errorf("timeEpoch: %v, and it was %v", at, before)
	}
	if at, err := time.Parse("02/Jan/2006:15:04:05 -0700", c.Time); err != nil || at.Unix() != c.TimeEpoch/1000 {
		t.Errorf("time: %q, %v", c.Time, err)
	}
	if !regexp.MustCompile(`^[A-Za-z0-9+/]{15}=$`).MatchString(c.RequestID) {
		t.Errorf("requestId %q", c.RequestID)
	}
}

// Fields that there is nothing to say in are missing, as in real events.
func TestEventWithoutMore(t *testing.T) {
	d := open(t, httpapi.Config{})
	d.do("GET", "/v2/", "")
	var fields map[string]json.RawMessage
	if err := json.Unmarshal(*d.raw.Load(), &fields); err != nil {
		t.Fatal(err)
	}
	want := []string{"headers", "isBase64Encoded", "rawPath", "rawQueryString", "requestContext", "routeKey", "version"}
	if got := slices.Sorted(maps.Keys(fields)); !slices.Equal(got, want) {
		t.Errorf("fields %q, want %q", got, want)
	}
}

func TestEventHeaders(t *testing.T) {
	d := open(t, httpapi.Config{})
	d.exchange("GET /v2/ HTTP/1.1\r\nHost: a.example\r\nACCEPT: x\r\nAccept: y, z\r\nEmpty:\r\nAuthorization: Basic abc\r\n" +
		"Connection: close\r\nTE: trailers\r\nProxy-Authenticate: b\r\nX-Forwarded-For: 10.0.0.1\r\nX-Forwarded-Proto: https\r\n" +
		"X-Forwarded-Port: 1\r\nX-Amzn-Trace-Id: mine\r\nRange: bytes=0-1\r\nX-Quote: \"a\\\"\tb\r\n\r\n")
	got := d.event().Headers
	_, port, err := net.SplitHostPort(d.addr)
	if err != nil {
		t.Fatal(err)
	}
	trace := got["x-amzn-trace-id"]
	if !regexp.MustCompile(`^Root=1-[0-9a-f]{8}-[0-9a-f]{24}$`).MatchString(trace) {
		t.Errorf("trace id %q", trace)
	}
	delete(got, "x-amzn-trace-id")
	want := map[string]string{
		"host": "a.example", "accept": "x,y, z", "empty": "", "authorization": "Basic abc", "range": "bytes=0-1",
		"x-quote": "\"a\\\"\tb", "content-length": "0",
		"x-forwarded-for": "10.0.0.1, 127.0.0.1", "x-forwarded-proto": "http", "x-forwarded-port": port,
	}
	if !maps.Equal(got, want) {
		t.Errorf("got  %v\nwant %v", got, want)
	}
}

func TestEventCookies(t *testing.T) {
	d := open(t, httpapi.Config{})
	d.do("GET", "/", "", "Cookie", `a=1; b="x,y"`, "Cookie", "c=3;")
	e := d.event()
	if want := []string{"a=1", `b="x,y"`, "c=3"}; !slices.Equal(e.Cookies, want) {
		t.Errorf("got %q, want %q", e.Cookies, want)
	}
	if _, ok := e.Headers["cookie"]; ok {
		t.Error("cookies are in the headers as well")
	}
}

// The path and the query come as the client wrote them.
func TestEventTarget(t *testing.T) {
	d := open(t, httpapi.Config{})
	for _, c := range [][3]string{
		{"/v2/", "/v2/", ""},
		{"/v2", "/v2", ""},
		{"/", "/", ""},
		{"/v2/a%2Fb/tags/list", "/v2/a%2Fb/tags/list", ""},
		{"/v2/a%2fb%3F", "/v2/a%2fb%3F", ""},
		{"/v2/a+b?c+d=e+f", "/v2/a+b", "c+d=e+f"},
		{"//v2//a/", "//v2//a/", ""},
		{"/v2/../x/./y", "/v2/../x/./y", ""},
		{"/v2/a?", "/v2/a", ""},
		{"/v2/a?b?c", "/v2/a", "b?c"},
		{"/v2/sha256:abc@x,y;z=(1)", "/v2/sha256:abc@x,y;z=(1)", ""},
		{"/v2/%E2%82%AC\u20ac", "/v2/%E2%82%AC\u20ac", ""},
		{"http://other.example/v2/x?y=z", "/v2/x", "y=z"},
		{"http://other.example", "/", ""},
		{"http://other.example?y=z/a", "/", "y=z/a"},
	} {
		if got := d.exchange("GET " + c[0] + " HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"); got.status != 200 {
			t.Errorf("%s: %d %s", c[0], got.status, got.body)
			continue
		}
		if e := d.event(); e.RawPath != c[1] || e.RequestContext.HTTP.Path != c[1] || e.RawQueryString != c[2] {
			t.Errorf("%s: got %q and %q, want %q and %q", c[0], e.RawPath, e.RawQueryString, c[1], c[2])
		}
	}
}

func TestEventQuery(t *testing.T) {
	d := open(t, httpapi.Config{})
	for query, want := range map[string]map[string]string{
		"a=1&b=2&a=3":        {"a": "1,3", "b": "2"},
		"a":                  {"a": ""},
		"a=&=b&&":            {"a": "", "": "b"},
		"a%20b=c%2Cd+e":      {"a b": "c,d e"},
		"digest=sha256%3Aab": {"digest": "sha256:ab"},
		"a=%zz":              {"a": "%zz"},
		"a=b;c=d":            {"a": "b;c=d"},
		"a=%ff":              {"a": "\ufffd"},
		"":                   nil,
	} {
		d.do("GET", "/v2/?"+query, "")
		if e := d.event(); e.RawQueryString != query || !maps.Equal(e.QueryStringParameters, want) {
			t.Errorf("%q: got %q %q, want %q", query, e.RawQueryString, e.QueryStringParameters, want)
		}
	}
}

func TestDecodePath(t *testing.T) {
	d := open(t, httpapi.Config{
		Deviations: httpapi.Deviations{DecodePath: true},
		Routes:     []httpapi.Route{{Path: "/{path+}"}},
	})
	for sent, want := range map[string]string{
		"/v2/a%2Fb/tags":  "/v2/a/b/tags",
		"/v2/sha256%3Aab": "/v2/sha256:ab",
		"/v2/a%20+b":      "/v2/a +b",
		"/v2/a%252Fb":     "/v2/a%2Fb",
		"/v2/a%3Fb%23c":   "/v2/a",
		"/v2/%22%0A":      "/v2/\"\n",
		"/v2/%ff":         "/v2/\ufffd",
	} {
		d.do("GET", sent+"?q=%2F", "")
		e := d.event()
		if e.RawPath != want || e.PathParameters["path"] != want[1:] || e.RawQueryString != "q=%2F" {
			t.Errorf("%s: got %q, %q and %q, want %q", sent, e.RawPath, e.PathParameters, e.RawQueryString, want)
		}
	}
}

func TestPlusIsSpace(t *testing.T) {
	d := open(t, httpapi.Config{Deviations: httpapi.Deviations{PlusIsSpace: true}})
	d.do("GET", "/v2/a+b?c=d+e", "")
	if e := d.event(); e.RawPath != "/v2/a%20b" || e.RawQueryString != "c=d%20e" {
		t.Errorf("got %q and %q", e.RawPath, e.RawQueryString)
	}
}

func TestStagePrefix(t *testing.T) {
	d := open(t, httpapi.Config{
		Deviations: httpapi.Deviations{StagePrefix: "/prod"},
		Routes:     []httpapi.Route{{Path: "/v2/{path+}"}},
	})
	d.do("GET", "/v2/a", "")
	if e := d.event(); e.RawPath != "/prod/v2/a" || e.RequestContext.HTTP.Path != "/prod/v2/a" || e.PathParameters["path"] != "a" {
		t.Errorf("got %q, %q and %q", e.RawPath, e.RequestContext.HTTP.Path, e.PathParameters)
	}
}

// Functions are told how the client really came, which on AWS is https.
func TestEventOrigin(t *testing.T) {
	for _, tls := range []bool{false, true} {
		var e event
		h, err := httpapi.New(httpapi.Config{Routes: []httpapi.Route{{
			Path: "$default",
			Invoke: func(_ context.Context, raw []byte) ([]byte, error) {
				return []byte(`{"statusCode":204}`), json.Unmarshal(raw, &e)
			},
		}}})
		if err != nil {
			t.Fatal(err)
		}
		s := httptest.NewUnstartedServer(h)
		start, want := s.Start, "http"
		if tls {
			start, want = s.StartTLS, "https"
		}
		start()
		t.Cleanup(s.Close)
		resp, err := s.Client().Get(s.URL + "/v2/")
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		_, port, _ := net.SplitHostPort(s.Listener.Addr().String())
		if e.Headers["x-forwarded-proto"] != want || e.Headers["x-forwarded-port"] != port {
			t.Errorf("want %s and %s, got %v", want, port, e.Headers)
		}
	}
}
