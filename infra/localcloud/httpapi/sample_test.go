package httpapi_test

import (
	"encoding/base64"
	"encoding/json"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/berthregistry/berth/infra/localcloud/httpapi"
)

// The functions are tested with samples of events. Each request that a sample
// stands for becomes the same event here.
func TestSamples(t *testing.T) {
	samples, err := filepath.Glob("../../../events/http-api/*.json")
	if err != nil || len(samples) == 0 {
		t.Fatalf("no samples: %v", err)
	}
	d := open(t, httpapi.Config{Routes: []httpapi.Route{
		{Path: "$default"},
		{Method: "POST", Path: "/{proxy+}"}, {Method: "PUT", Path: "/{proxy+}"}, {Method: "PATCH", Path: "/{proxy+}"},
		{Method: "DELETE", Path: "/{proxy+}"},
	}})
	for _, name := range samples {
		t.Run(filepath.Base(name), func(t *testing.T) {
			raw, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			var want event
			if err := json.Unmarshal(raw, &want); err != nil {
				t.Fatal(err)
			}
			d.exchange(request(t, want))
			got := d.event()
			plain(&got)
			plain(&want)
			if !reflect.DeepEqual(got, want) {
				t.Errorf("got  %+v\nwant %+v", got, want)
			}
		})
	}
}

// request writes what the client of a sample must have sent.
func request(t *testing.T, e event) string {
	t.Helper()
	var b strings.Builder
	target := e.RawPath
	if e.RawQueryString != "" {
		target += "?" + e.RawQueryString
	}
	b.WriteString(e.RequestContext.HTTP.Method + " " + target + " HTTP/1.1\r\n")
	for name, value := range e.Headers {
		if !strings.HasPrefix(name, "x-forwarded-") {
			b.WriteString(name + ": " + value + "\r\n")
		}
	}
	if len(e.Cookies) > 0 {
		b.WriteString("cookie: " + strings.Join(e.Cookies, "; ") + "\r\n")
	}
	b.WriteString("\r\n")
	body := []byte(e.Body)
	if e.IsBase64Encoded {
		var err error
		if body, err = base64.StdEncoding.DecodeString(e.Body); err != nil {
			t.Fatal(err)
		}
	}
	b.Write(body)
	return b.String()
}

// plain takes out of an event what belongs to the one time and place.
func plain(e *event) {
	for _, name := range []string{"x-amzn-trace-id", "x-forwarded-for", "x-forwarded-port", "x-forwarded-proto"} {
		if e.Headers[name] == "" {
			e.Headers[name+" is missing"] = "yes"
		}
		delete(e.Headers, name)
	}
	c := &e.RequestContext
	for _, field := range []*string{&c.AccountID, &c.APIID, &c.RequestID, &c.Time, &c.HTTP.SourceIP} {
		if *field == "" {
			*field = "is missing"
		} else {
			*field = ""
		}
	}
	c.TimeEpoch = 0
}
