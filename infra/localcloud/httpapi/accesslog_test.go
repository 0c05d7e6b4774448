package httpapi_test

import (
	"encoding/json"
	"errors"
	"io"
	"maps"
	"net"
	"strings"
	"testing"

	"github.com/berthregistry/berth/infra/localcloud/httpapi"
)

// As the template has it, folded into one line.
const logFormat = `{"requestId":"$context.requestId", "ip":"$context.identity.sourceIp", ` +
	`"userAgent":"$context.identity.userAgent", "host":"$context.domainName", "method":"$context.httpMethod", ` +
	`"path":"$context.path", "protocol":"$context.protocol", "route":"$context.routeKey", "status":"$context.status", ` +
	`"responseLength":"$context.responseLength", "integrationStatus":"$context.integrationStatus", ` +
	`"integrationError":"$context.integrationErrorMessage", "error":"$context.error.message", "cost":"$10"}`

func TestAccessLog(t *testing.T) {
	lines, w := io.Pipe()
	written := json.NewDecoder(lines)
	d := open(t, httpapi.Config{Log: w, LogFormat: logFormat, Deviations: httpapi.Deviations{MaxRequest: 5}})
	for _, c := range []struct {
		request string
		fails   error
		want    map[string]string
	}{
		{
			"GET /v2/a%2Fb?secret=1 HTTP/1.1\r\nUser-Agent: \"quoted\" \\\r\n", nil,
			map[string]string{"method": "GET", "path": "/v2/a%2Fb", "route": "$default", "status": "200", "responseLength": "5",
				"integrationStatus": "200", "integrationError": "-", "error": "-", "userAgent": `"quoted" \`},
		},
		{
			"PUT /v2/x HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 6\r\n", nil,
			map[string]string{"method": "PUT", "path": "/v2/x", "route": "$default", "status": "413", "responseLength": "38",
				"integrationStatus": "-", "integrationError": "-", "error": "Request Entity Too Large", "userAgent": "-"},
		},
		{
			"HEAD /v2/x HTTP/1.1\r\n", errors.New("exit\nstatus 1"),
			map[string]string{"method": "HEAD", "path": "/v2/x", "route": "$default", "status": "500", "responseLength": "35",
				"integrationStatus": "200", "integrationError": "exit\nstatus 1", "error": "Internal Server Error", "userAgent": "-"},
		},
	} {
		d.fails = c.fails
		answered := make(chan answer, 1)
		go func() { answered <- d.exchange(c.request + "Host: a.example\r\n\r\n") }()
		var got map[string]string
		if err := written.Decode(&got); err != nil {
			t.Fatal(err)
		}
		c.want["requestId"] = (<-answered).header.Get("Apigw-Requestid")
		maps.Copy(c.want, map[string]string{"ip": "127.0.0.1", "host": "a.example", "protocol": "HTTP/1.1", "cost": "$10"})
		if !maps.Equal(got, c.want) {
			t.Errorf("got  %v\nwant %v", got, c.want)
		}
	}
}

// Without a format there is one, and each of its lines is JSON.
func TestAccessLogDefault(t *testing.T) {
	lines, w := io.Pipe()
	d := open(t, httpapi.Config{Log: w})
	go d.do("GET", "/v2/", "")
	var got map[string]string
	if err := json.NewDecoder(lines).Decode(&got); err != nil || got["status"] != "200" || net.ParseIP(got["ip"]) == nil {
		t.Errorf("got %v, %v", got, err)
	}
}

func TestAccessLogVariables(t *testing.T) {
	for _, name := range []string{
		"accountId", "apiId", "dataProcessed", "domainPrefix", "error.messageString", "extendedRequestId", "requestTime",
		"requestTimeEpoch", "responseLatency", "stage", "awsEndpointRequestId", "integration.requestId", "integration.status",
		"integration.error", "integration.integrationStatus", "integration.latency", "integrationLatency",
	} {
		var line strings.Builder
		h, err := httpapi.New(httpapi.Config{Log: &line, LogFormat: "[$context." + name + "]"})
		if err != nil {
			t.Error(err)
			continue
		}
		wantRefusal(t, record(t, h, "GET / HTTP/1.1\r\nHost: a\r\n\r\n"), 404, "Not Found")
		if got := line.String(); len(got) < len("[-]\n") || got[0] != '[' || !strings.HasSuffix(got, "]\n") {
			t.Errorf("%s: %q", name, got)
		}
	}
}
