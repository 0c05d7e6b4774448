package httpapi_test

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-lambda-go/events"

	"github.com/berthregistry/berth/infra/localcloud/httpapi"
)

type (
	event    = events.APIGatewayV2HTTPRequest
	response = events.APIGatewayV2HTTPResponse
	invoke   = func(context.Context, []byte) ([]byte, error)
)

// A door is a front door on a socket with one function behind it, which notes
// what it is handed.
type door struct {
	t    testing.TB
	url  string
	addr string

	returns []byte // what the function returns
	fails   error
	calls   atomic.Int32
	last    atomic.Pointer[event]
	raw     atomic.Pointer[[]byte] // of the last event
}

// open starts a door. Routes of the config without a function get the door's.
func open(t testing.TB, cfg httpapi.Config) *door {
	t.Helper()
	d := &door{t: t, returns: []byte(`{"statusCode":200,"body":"hello"}`)}
	if cfg.Routes == nil {
		cfg.Routes = []httpapi.Route{{Path: "$default"}}
	}
	for i := range cfg.Routes {
		if cfg.Routes[i].Invoke == nil {
			cfg.Routes[i].Invoke = d.invoke
		}
	}
	h, err := httpapi.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	d.addr, d.url = l.Addr().String(), "http://"+l.Addr().String()
	ctx, cancel := context.WithCancel(context.Background()) // outlives the test's, to serve its clean-ups
	served := make(chan error, 1)
	go func() { served <- httpapi.Serve(ctx, l, h) }()
	t.Cleanup(func() {
		http.DefaultClient.CloseIdleConnections()
		cancel()
		if err := <-served; err != nil {
			t.Errorf("serve: %v", err)
		}
	})
	return d
}

func (d *door) invoke(_ context.Context, raw []byte) ([]byte, error) {
	var e event
	if err := json.Unmarshal(raw, &e); err != nil {
		d.t.Errorf("event does not unmarshal: %v\n%s", err, raw)
	}
	d.raw.Store(&raw)
	d.last.Store(&e)
	d.calls.Add(1)
	return d.returns, d.fails
}

// function makes the function return a response of format 2.0.
func (d *door) function(r response) {
	d.t.Helper()
	payload, err := json.Marshal(r)
	if err != nil {
		d.t.Fatal(err)
	}
	d.returns = payload
}

// event returns what the function was handed last.
func (d *door) event() event {
	d.t.Helper()
	e := d.last.Load()
	if e == nil {
		d.t.Fatal("the function was not called")
	}
	return *e
}

// An answer is all of a response, read to its end.
type answer struct {
	status int
	header http.Header
	length int64
	body   string
}

// do sends a request. Headers are pairs of name and value.
func (d *door) do(method, target, body string, headers ...string) answer {
	d.t.Helper()
	req, err := http.NewRequestWithContext(context.Background(), method, d.url+target, strings.NewReader(body))
	if err != nil {
		d.t.Fatal(err)
	}
	for i := 0; i < len(headers); i += 2 {
		req.Header.Add(headers[i], headers[i+1])
	}
	return d.send(req)
}

func (d *door) send(req *http.Request) answer {
	d.t.Helper()
	resp, err := http.DefaultTransport.RoundTrip(req)
	if err != nil {
		d.t.Fatalf("%s %s: %v", req.Method, req.URL, err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		d.t.Fatalf("%s %s: %v", req.Method, req.URL, err)
	}
	return answer{resp.StatusCode, resp.Header, resp.ContentLength, string(body)}
}

// wantRefusal checks an answer of the gateway's own.
func wantRefusal(t testing.TB, got answer, status int, message string) {
	t.Helper()
	if want := `{"message":"` + message + `"}`; got.status != status || got.body != want {
		t.Errorf("got %d %s, want %d %s", got.status, got.body, status, want)
	}
	if ct := got.header.Get("Content-Type"); ct != "application/json" {
		t.Errorf("Content-Type of a refusal: %q", ct)
	}
	if got.header.Get("Apigw-Requestid") == "" || got.header.Get("Date") == "" {
		t.Errorf("a refusal without apigw-requestid or date: %v", got.header)
	}
}

func TestFunctionThatFails(t *testing.T) {
	d := open(t, httpapi.Config{})
	d.fails = errors.New("exit status 2")
	wantRefusal(t, d.do("GET", "/v2/", ""), 500, "Internal Server Error")
	d.fails = errors.Join(errors.New("all busy"), httpapi.ErrThrottled)
	wantRefusal(t, d.do("GET", "/v2/", ""), 503, "Service Unavailable")
	d.fails = nil
	if a := d.do("GET", "/v2/", ""); a.status != 200 || a.body != "hello" {
		t.Errorf("after failures: %+v", a)
	}
}

func TestThrottle(t *testing.T) {
	var on atomic.Bool
	d := open(t, httpapi.Config{Throttle: on.Load})
	if a := d.do("GET", "/v2/", ""); a.status != 200 {
		t.Errorf("not throttled: %d", a.status)
	}
	on.Store(true)
	wantRefusal(t, d.do("GET", "/v2/", ""), 429, "Too Many Requests")
	if d.calls.Load() != 1 {
		t.Error("a throttled request reached the function")
	}
}

// The limit of 30 s holds whatever the function's own is, and the function goes
// on after it: its context is not cancelled.
func TestTimeout(t *testing.T) {
	for _, limit := range []time.Duration{0, 10 * time.Second, time.Hour} {
		synctest.Test(t, func(t *testing.T) {
			ended := false
			h, err := httpapi.New(httpapi.Config{Timeout: limit, Routes: []httpapi.Route{{
				Path: "$default",
				Invoke: func(ctx context.Context, _ []byte) ([]byte, error) {
					select {
					case <-ctx.Done():
						t.Errorf("the function was cancelled: %v", ctx.Err())
					case <-time.After(35 * time.Second):
						ended = true
					}
					return []byte(`{"statusCode":200}`), nil
				},
			}}})
			if err != nil {
				t.Fatal(err)
			}
			began := time.Now()
			got := record(t, h, "GET /v2/ HTTP/1.1\r\nHost: a\r\n\r\n")
			want := 30 * time.Second
			if limit == 10*time.Second {
				want = limit
			}
			if took := time.Since(began); took != want {
				t.Errorf("limit %v: answered after %v, want %v", limit, took, want)
			}
			wantRefusal(t, got, 503, "Service Unavailable")
			time.Sleep(10 * time.Second)
			synctest.Wait()
			if limit != 10*time.Second && !ended {
				t.Error("the function did not go on")
			}
			time.Sleep(time.Minute)
		})
	}
}

// A client that hangs up does not stop the function either.
func TestClientGoesAway(t *testing.T) {
	entered, gone, cancelled := make(chan bool), make(chan bool), make(chan bool, 1)
	d := open(t, httpapi.Config{Routes: []httpapi.Route{{
		Path: "$default",
		Invoke: func(ctx context.Context, _ []byte) ([]byte, error) {
			close(entered)
			<-gone
			time.Sleep(50 * time.Millisecond) // for the server to see that the connection is closed
			cancelled <- ctx.Err() != nil
			return []byte(`{"statusCode":200}`), nil
		},
	}}})
	ctx, hangUp := context.WithCancel(t.Context())
	req, err := http.NewRequestWithContext(ctx, "GET", d.url+"/v2/", nil)
	if err != nil {
		t.Fatal(err)
	}
	go func() {
		<-entered
		hangUp()
		close(gone)
	}()
	if _, err := http.DefaultTransport.RoundTrip(req); err == nil {
		t.Fatal("the client did not hang up")
	}
	if <-cancelled {
		t.Error("the function was cancelled with its client")
	}
}

func TestNewRefusesConfig(t *testing.T) {
	f := func(context.Context, []byte) ([]byte, error) { return nil, nil }
	for name, cfg := range map[string]httpapi.Config{
		"no function":          {Routes: []httpapi.Route{{Path: "$default"}}},
		"no slash":             {Routes: []httpapi.Route{{Path: "v2", Invoke: f}}},
		"empty path":           {Routes: []httpapi.Route{{Method: "GET", Invoke: f}}},
		"greedy in the middle": {Routes: []httpapi.Route{{Path: "/{a+}/b", Invoke: f}}},
		"half a variable":      {Routes: []httpapi.Route{{Path: "/{a", Invoke: f}}},
		"text and variable":    {Routes: []httpapi.Route{{Path: "/v{a}", Invoke: f}}},
		"variable, no name":    {Routes: []httpapi.Route{{Path: "/{+}", Invoke: f}}},
		"twice the same":       {Routes: []httpapi.Route{{Path: "/{a+}", Invoke: f}, {Path: "/{b+}", Invoke: f}}},
		"twice $default":       {Routes: []httpapi.Route{{Path: "$default", Invoke: f}, {Path: "$default", Method: "GET", Invoke: f}}},
		"unknown log variable": {LogFormat: "$context.statuss"},
	} {
		if _, err := httpapi.New(cfg); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

func b64(s string) string { return base64.StdEncoding.EncodeToString([]byte(s)) }
