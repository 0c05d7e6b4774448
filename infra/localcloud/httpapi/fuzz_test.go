package httpapi_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"
	"unicode/utf8"

	"github.com/berthregistry/berth/infra/localcloud/httpapi"
)

// Whatever net/http takes for a request is answered, and what reaches the
// function is an event with the whole body.
func FuzzRequest(f *testing.F) {
	for _, seed := range []string{
		"GET /v2/ HTTP/1.1\r\nHost: a\r\n\r\n",
		"GET //v2/a%2Fb/?x=%zz&x=1&=;& HTTP/1.0\r\nCookie: a=b; c\r\nCookie: d\r\n\r\n",
		"PUT http://h:1/p+q HTTP/1.1\r\nHost: [::1]:5\r\nContent-Type: text/plain\r\nContent-Length: 4\r\n\r\n\x00\"\\\xff",
		"PUT / HTTP/1.1\r\nHost: a\r\nContent-Type: application/vnd.oci.empty.v1+json\r\nContent-Length: 3\r\n\r\n\xe2\x82\xff",
		"POST /\xff\xe2\x82\xac HTTP/1.1\r\nTransfer-Encoding: chunked\r\nX-\x7f: \xff\r\n\r\n2\r\nab\r\n0\r\n\r\n",
		"OPTIONS * HTTP/1.1\r\nHost: \"\\\r\n\r\n",
		"CONNECT a HTTP/1.1\r\nHost: a\r\n\r\n",
	} {
		for _, flags := range []byte{0, 1, 2, 4, 7} {
			f.Add([]byte(seed), flags)
		}
	}
	f.Fuzz(func(t *testing.T, raw []byte, flags byte) {
		sent, body := parse(raw)
		if sent == nil {
			return // net/http answers it by itself
		}
		h, err := httpapi.New(httpapi.Config{
			Log:        io.Discard,
			Deviations: httpapi.Deviations{DecodePath: flags&1 != 0, PlusIsSpace: flags&2 != 0, TextBodies: flags&4 != 0},
			Routes: []httpapi.Route{{Method: "GET", Path: "/{a}/{b+}", Invoke: check(t, body)},
				{Path: "$default", Invoke: check(t, body)}},
		})
		if err != nil {
			t.Fatal(err)
		}
		w := httptest.NewRecorder()
		h.ServeHTTP(w, sent)
		if w.Code < 200 || w.Code > 599 || w.Header().Get("Apigw-Requestid") == "" {
			t.Errorf("answer %d %v", w.Code, w.Header())
		}
	})
}

// parse reads a request, and once more for its body, which is nil if it breaks
// off.
func parse(raw []byte) (*http.Request, []byte) {
	again, err := http.ReadRequest(bufio.NewReader(bytes.NewReader(raw)))
	if err != nil {
		return nil, nil
	}
	body, err := io.ReadAll(again.Body)
	if err != nil {
		body = nil
	}
	sent, err := http.ReadRequest(bufio.NewReader(bytes.NewReader(raw)))
	if err != nil {
		return nil, nil
	}
	return sent, body
}

// check is a function that wants an event with a body.
func check(t *testing.T, want []byte) invoke {
	return func(_ context.Context, raw []byte) ([]byte, error) {
		if !utf8.Valid(raw) {
			t.Errorf("event is not UTF-8: %q", raw)
		}
		var e event
		if err := json.Unmarshal(raw, &e); err != nil {
			t.Fatalf("event does not unmarshal: %v\n%q", err, raw)
		}
		got := []byte(e.Body)
		if e.IsBase64Encoded {
			var err error
			if got, err = base64.StdEncoding.DecodeString(e.Body); err != nil {
				t.Errorf("body: %v", err)
			}
		}
		// What is not UTF-8 is replaced, byte by byte, where TextBodies has it arrive as text.
		if whole := bytes.Equal(got, want); !whole && (e.IsBase64Encoded || string(got) != string([]rune(string(want)))) {
			t.Errorf("body %q, want %q", got, want)
		}
		if e.RawPath == "" || e.RawPath[0] != '/' {
			t.Errorf("path %q", e.RawPath)
		}
		return []byte(`{"statusCode":200}`), nil
	}
}

// Whatever a function returns is answered, and what encoding/json takes for a
// response comes out as that says it.
func FuzzPayload(f *testing.F) {
	for _, seed := range []string{
		`{"statusCode":200,"headers":{"Content-Type":"a/b"},"multiValueHeaders":null,"body":"YWJj","isBase64Encoded":true,"cookies":null}`,
		`{"statusCode":404,"body":"a\"\u00e9\\"}`, `{"body":"x","statusCode":200,"other":[{"a":"}\\\""},1e5,null]}`,
		`"hello"`, `{"a":1}`, `[]`, `null`, `{"statusCode":200}x`, `{"statusCode":200,"body":"a`, `{"a":"\`, ``, `{"a":tru"x"}`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, payload []byte) {
		h, err := httpapi.New(httpapi.Config{Routes: []httpapi.Route{{
			Path:   "$default",
			Invoke: func(context.Context, []byte) ([]byte, error) { return payload, nil },
		}}})
		if err != nil {
			t.Fatal(err)
		}
		before := bytes.Clone(payload)
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequest("GET", "/v2/", nil))
		if !bytes.Equal(payload, before) {
			t.Error("the payload was changed")
		}
		status, body, ok := expect(payload)
		if ok && (w.Code != status || w.Body.String() != body) {
			t.Errorf("%q: got %d %q, want %d %q", payload, w.Code, w.Body, status, body)
		}
	})
}

// expect reads the payloads that leave nothing open: no repeated or oddly
// spelt members, no headers.
func expect(payload []byte) (status int, body string, ok bool) {
	var fields map[string]json.RawMessage
	if json.Unmarshal(payload, &fields) != nil || !utf8.Valid(payload) || fields["headers"] != nil || fields["cookies"] != nil {
		return 0, "", false
	}
	for _, name := range []string{"statusCode", "body", "isBase64Encoded"} {
		if bytes.Count(payload, []byte(`"`+name+`"`)) > 1 || bytes.Contains(payload, []byte(`\u`)) {
			return 0, "", false
		}
	}
	var r struct {
		StatusCode      int
		Body            string
		IsBase64Encoded bool
	}
	for name, into := range map[string]any{"statusCode": &r.StatusCode, "body": &r.Body, "isBase64Encoded": &r.IsBase64Encoded} {
		if raw, present := fields[name]; present && json.Unmarshal(raw, into) != nil {
			return 0, "", false
		}
	}
	if r.StatusCode < 200 || r.StatusCode > 599 || r.StatusCode == 204 || r.StatusCode == 304 || r.IsBase64Encoded {
		return 0, "", false
	}
	return r.StatusCode, r.Body, true
}
