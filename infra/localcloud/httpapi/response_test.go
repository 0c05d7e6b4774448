package httpapi_test

import (
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/berthregistry/berth/infra/localcloud/httpapi"
)

func TestResponse(t *testing.T) {
	d := open(t, httpapi.Config{})
	d.function(response{
		StatusCode: 201,
		Headers: map[string]string{
			"content-type": "application/vnd.x+json", "Location": "/v2/a", "X-A": "b, c", "www-authenticate": "Bearer",
			"Connection": "close", "Content-Length": "99", "Date": "yesterday", "Upgrade": "h2c", "Transfer-Encoding": "chunked",
		},
		MultiValueHeaders: map[string][]string{"X-Many": {"1", "2"}}, // is of format 1.0
		Cookies:           []string{"a=1; Path=/", "b=2"},
		Body:              "h\u00e9llo",
	})
	got := d.do("PUT", "/v2/", "")
	if _, err := http.ParseTime(got.header.Get("Date")); err != nil {
		t.Errorf("Date: %v", err)
	}
	if id := got.header.Get("Apigw-Requestid"); id == "" || id != d.event().RequestContext.RequestID {
		t.Errorf("apigw-requestid %q", id)
	}
	got.header.Del("Date")
	got.header.Del("Apigw-Requestid")
	want := http.Header{
		"Content-Type": {"application/vnd.x+json"}, "Location": {"/v2/a"}, "X-A": {"b, c"}, "Www-Authenticate": {"Bearer"},
		"Set-Cookie": {"a=1; Path=/", "b=2"}, "Content-Length": {"6"},
	}
	if !maps.EqualFunc(got.header, want, slices.Equal) {
		t.Errorf("got  %v\nwant %v", got.header, want)
	}
	if got.status != 201 || got.body != "h\u00e9llo" {
		t.Errorf("got %d %q", got.status, got.body)
	}
}

func TestResponseBase64(t *testing.T) {
	d := open(t, httpapi.Config{})
	for _, body := range []string{"", "a", fill(1 << 20)} {
		d.function(response{StatusCode: 200, Body: b64(body), IsBase64Encoded: true})
		if got := d.do("GET", "/v2/", ""); got.body != body || got.length != int64(len(body)) {
			t.Errorf("%d bytes came as %d of %d", len(body), len(got.body), got.length)
		}
	}
}

// What the payload says is read as format 2.0 has it, whatever the order of the
// fields.
func TestPayloads(t *testing.T) {
	d := open(t, httpapi.Config{})
	const text, js = "text/plain; charset=utf-8", "application/json"
	for _, c := range []struct {
		payload     string
		status      int
		contentType string
		body        string
	}{
		{`{"statusCode":200}`, 200, text, ""},
		{` { "body" : "a\"\u00e9\\" , "statusCode" : 404 } ` + "\n", 404, text, "a\"\u00e9\\"},
		{`{"body":"YQ==","isBase64Encoded":true,"statusCode":200,"headers":null,"cookies":null}`, 200, text, "a"},
		{`{"statusCode":200,"body":null,"other":{"body":"x","a":[1,{"}":"\\\""}]}}`, 200, text, ""},
		{`{"headers":{"content-type":"a/b"},"statusCode":200,"statuscode":500,"Body":"x"}`, 200, "a/b", ""},
		// Without a status code the gateway infers the answer.
		{`"hello"`, 200, js, "hello"},
		{`"h\u00e9"`, 200, js, "h\u00e9"},
		{`{"message": "hello"}`, 200, js, `{"message": "hello"}`},
		{`{"body":"a","statusCode":null}`, 200, js, `{"body":"a","statusCode":null}`},
		{`{}`, 200, js, `{}`},
		{`null`, 200, js, `null`},
		{`[1, 2]`, 200, js, `[1, 2]`},
		{`12`, 200, js, `12`},
	} {
		d.returns = []byte(c.payload)
		got := d.do("GET", "/v2/", "")
		if got.status != c.status || got.header.Get("Content-Type") != c.contentType || got.body != c.body {
			t.Errorf("%s: got %d %q %q, want %d %q %q", c.payload,
				got.status, got.header.Get("Content-Type"), got.body, c.status, c.contentType, c.body)
		}
	}
}

func TestMalformedPayloads(t *testing.T) {
	d := open(t, httpapi.Config{})
	for _, payload := range []string{
		``, `{`, `}`, `{"statusCode":200`, `{"statusCode":200}x`, `{"statusCode":200,}`, `{"statusCode" 200}`, `{statusCode:200}`,
		`{"statusCode":200 "body":"a"}`, `{"statusCode":200,"body":"a`, `{"statusCode":200,"body":a}`, `{"statusCode":200,"body":"\x"}`,
		`{"statusCode":"200"}`, `{"statusCode":0}`, `{"statusCode":101}`, `{"statusCode":600}`, `{"statusCode":200.5}`,
		`{"statusCode":200,"body":{}}`, `{"statusCode":200,"body":1}`, `{"body":1,"statusCode":200}`,
		`{"statusCode":200,"headers":{"a":1}}`, `{"headers":{"a":1},"statusCode":200}`, `{"statusCode":200,"headers":[]}`,
		`{"statusCode":200,"headers":{"a b":"c"}}`, `{"statusCode":200,"headers":{"":"c"}}`, `{"statusCode":200,"headers":{"a":"b\nc"}}`,
		`{"statusCode":200,"cookies":"a"}`, `{"statusCode":200,"cookies":["a\rb"]}`,
		`{"statusCode":200,"isBase64Encoded":true,"body":"a"}`, `{"statusCode":200,"isBase64Encoded":"yes"}`,
		`hello`, `"hello`, `[1`, `nul`,
	} {
		d.returns = []byte(payload)
		got := d.do("GET", "/v2/", "")
		if wantRefusal(t, got, 500, "Internal Server Error"); t.Failed() {
			t.Fatalf("payload %s", payload)
		}
	}
}

// Lambda returns no more than 6 MiB and 100 bytes.
func TestResponseLimit(t *testing.T) {
	d := open(t, httpapi.Config{})
	const frame = `{"statusCode":200,"body":""}`
	for size, status := range map[int]int{6<<20 + 100: 200, 6<<20 + 101: 500} {
		d.returns = []byte(frame[:len(frame)-2] + strings.Repeat("a", size-len(frame)) + `"}`)
		if got := d.do("GET", "/v2/", ""); got.status != status {
			t.Errorf("%d bytes: %d %s", size, got.status, got.body)
		}
	}
	d = open(t, httpapi.Config{Deviations: httpapi.Deviations{MaxResponse: 100}})
	d.function(response{StatusCode: 200, Body: strings.Repeat("a", 100)})
	wantRefusal(t, d.do("GET", "/v2/", ""), 500, "Internal Server Error")
}

// The answer to a HEAD has the length of the body that the function returned,
// and not the one that it set.
func TestHead(t *testing.T) {
	for _, c := range []struct {
		name  string
		dev   httpapi.Deviations
		own   string
		body  string
		wants string
	}{
		{"as assumed", httpapi.Deviations{}, "99", "abc", "3"},
		{"no body", httpapi.Deviations{}, "99", "", "0"},
		{"kept", httpapi.Deviations{KeepContentLength: true}, "99", "", "99"},
		{"kept, none set", httpapi.Deviations{KeepContentLength: true}, "", "abc", "3"},
		{"empty", httpapi.Deviations{EmptyHead: true}, "99", "abc", "0"},
	} {
		d := open(t, httpapi.Config{Deviations: c.dev})
		headers := map[string]string{}
		if c.own != "" {
			headers["Content-Length"] = c.own
		}
		d.function(response{StatusCode: 200, Headers: headers, Body: c.body})
		got := d.do("HEAD", "/v2/", "")
		if got.header.Get("Content-Length") != c.wants || got.body != "" {
			t.Errorf("%s: length %q, body %q, want %q and none", c.name, got.header.Get("Content-Length"), got.body, c.wants)
		}
		if got := d.do("GET", "/v2/", ""); got.body != c.body || got.length != int64(len(c.body)) {
			t.Errorf("%s: GET after it: %q of %d", c.name, got.body, got.length)
		}
	}
}

func TestBodilessStatus(t *testing.T) {
	d := open(t, httpapi.Config{})
	for _, status := range []int{204, 304} {
		d.function(response{StatusCode: status, Headers: map[string]string{"Etag": `"x"`}, Body: "not to be seen"})
		got := d.do("GET", "/v2/", "")
		if got.status != status || got.body != "" || got.header.Get("Etag") != `"x"` || got.header["Content-Length"] != nil {
			t.Errorf("%d: %+v", status, got)
		}
	}
	d.function(response{StatusCode: 307, Headers: map[string]string{"Location": "https://s3/x"}})
	if got := d.do("GET", "/v2/", ""); got.status != 307 || got.length != 0 || got.header.Get("Location") != "https://s3/x" {
		t.Errorf("307: %+v", got)
	}
}

func TestBreakStatus(t *testing.T) {
	d := open(t, httpapi.Config{Deviations: httpapi.Deviations{Break204: true, Break304: true}})
	for returned, want := range map[int]int{204: 200, 304: 502, 200: 200, 307: 307} {
		d.function(response{StatusCode: returned})
		got := d.do("GET", "/v2/", "")
		if got.status != want || (got.body != "") != (returned == 204 || returned == 304) {
			t.Errorf("%d became %d %q, want %d", returned, got.status, got.body, want)
		}
		if got.length != int64(len(got.body)) {
			t.Errorf("%d: length %d of %q", returned, got.length, got.body)
		}
	}
}

func TestRemapAuthenticate(t *testing.T) {
	d := open(t, httpapi.Config{Deviations: httpapi.Deviations{RemapAuthenticate: true}})
	d.function(response{StatusCode: 401, Headers: map[string]string{"WWW-Authenticate": `Bearer realm="x"`}})
	got := d.do("GET", "/v2/", "")
	if got.header.Get("Www-Authenticate") != "" || got.header.Get("X-Amzn-Remapped-Www-Authenticate") != `Bearer realm="x"` {
		t.Errorf("got %v", got.header)
	}
}

func TestRawResponses(t *testing.T) {
	d := open(t, httpapi.Config{Deviations: httpapi.Deviations{RawResponses: true}})
	d.function(response{StatusCode: 200, Body: b64("abc"), IsBase64Encoded: true})
	if got := d.do("GET", "/v2/", ""); got.body != b64("abc") || got.header.Get("Content-Length") != strconv.Itoa(len(b64("abc"))) {
		t.Errorf("got %q, %v", got.body, got.header)
	}
}

func TestClockSkew(t *testing.T) {
	for _, skew := range []time.Duration{0, -20 * time.Minute} {
		d := open(t, httpapi.Config{Deviations: httpapi.Deviations{ClockSkew: skew}})
		at, err := http.ParseTime(d.do("GET", "/v2/", "").header.Get("Date"))
		if off := at.Sub(time.Now().Add(skew)); err != nil || off.Abs() > 10*time.Second {
			t.Errorf("skew %v: Date is off by %v, %v", skew, off, err)
		}
	}
}

func TestThrottledStatus(t *testing.T) {
	d := open(t, httpapi.Config{Deviations: httpapi.Deviations{ThrottledStatus: 429}})
	d.fails = httpapi.ErrThrottled
	wantRefusal(t, d.do("GET", "/v2/", ""), 429, "Too Many Requests")
}
