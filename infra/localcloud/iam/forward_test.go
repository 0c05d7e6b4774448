package iam_test

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	awss3 "github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/smithy-go"

	"github.com/berthregistry/berth/infra/localcloud/iam"
)

// all may do everything.
func all(t testing.TB) iam.Policy { return policy(t, []string{"*"}, "*") }

// present signs a request of now, and sends it to a proxy, from a body of its
// own if there is one.
func present(t testing.TB, proxy string, s signed, body io.ReadCloser, header http.Header) *http.Response {
	t.Helper()
	s.date = time.Now()
	s.url = proxy + strings.TrimPrefix(s.url, "http://blobs.test")
	r, err := http.NewRequestWithContext(t.Context(), s.method, s.url, strings.NewReader(s.body))
	if err != nil {
		t.Fatal(err)
	}
	for name, value := range s.header {
		r.Header.Set(name, value)
	}
	s.sign(t, r)
	for name, values := range header {
		r.Header[name] = values
	}
	if body != nil {
		r.Body = body
	}
	// A transport of its own asks for no compression on top.
	transport := &http.Transport{DisableCompression: true}
	t.Cleanup(transport.CloseIdleConnections)
	resp, err := transport.RoundTrip(r)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { resp.Body.Close() })
	return resp
}

// What the caller says and what the server answers pass unharmed.
func TestHeadersPass(t *testing.T) {
	var got *http.Request
	target := fakeTarget(t, func(w http.ResponseWriter, r *http.Request) {
		got = r
		w.Header().Set("ETag", `"e"`)
		w.Header().Set("Content-Range", "bytes 2-5/100")
		w.Header().Set("X-Amz-Meta-Who", "them")
		w.Header().Set("Content-Length", "4")
		w.WriteHeader(http.StatusPartialContent)
		io.WriteString(w, "body")
	})
	proxy := serve(t, newConfig(t, iam.S3, target, all(t)))
	resp := present(t, proxy, getURL, nil, http.Header{"Range": {"bytes=2-5"}, "If-None-Match": {`"x"`}})
	for name, want := range map[string]string{
		"Range": "bytes=2-5", "If-None-Match": `"x"`, "Accept-Encoding": "",
		"X-Amz-Content-Sha256": "UNSIGNED-PAYLOAD", "X-Amz-Security-Token": "", "X-Forwarded-For": "",
	} {
		if got := got.Header.Get(name); got != want {
			t.Errorf("request, %s: got %q, want %q", name, got, want)
		}
	}
	if want := "/content/sha256%3Aab/1?response-content-type=text%2Fplain&x-id=GetObject"; got.RequestURI != want {
		t.Errorf("target: got %s, want %s", got.RequestURI, want)
	}
	if by := got.Header.Get("Authorization"); !strings.Contains(by, "Credential=root/") {
		t.Errorf("signed: got %q, want it by the root", by)
	}
	body, err := io.ReadAll(resp.Body)
	if err != nil || string(body) != "body" || resp.StatusCode != http.StatusPartialContent || resp.ContentLength != 4 {
		t.Errorf("answer: got %s, %d bytes, %q, %v", resp.Status, resp.ContentLength, body, err)
	}
	for name, want := range map[string]string{"ETag": `"e"`, "Content-Range": "bytes 2-5/100", "X-Amz-Meta-Who": "them"} {
		if got := resp.Header.Get(name); got != want {
			t.Errorf("answer, %s: got %q, want %q", name, got, want)
		}
	}
	if resp.Header.Get("X-Amz-Request-Id") == "" || resp.Header.Get("X-Amz-Id-2") == "" {
		t.Error("the answer has no ids")
	}
}

// The answer to a HEAD has the length of what it does not hold, and a 304 has
// no body.
func TestAnswersWithoutBody(t *testing.T) {
	proxy := serve(t, newConfig(t, iam.S3, fakeTarget(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("ETag", `"e"`)
		if got := r.Header.Get("Accept-Encoding"); got != "" {
			t.Errorf("%s: got Accept-Encoding %q, which the caller did not ask for", r.Method, got)
		}
		if r.Header.Get("If-None-Match") != "" {
			w.WriteHeader(http.StatusNotModified)
			return
		}
		w.Header().Set("Content-Length", "12345678901")
	}), all(t)))
	head := getURL
	head.method = http.MethodHead
	if resp := present(t, proxy, head, nil, nil); resp.StatusCode != http.StatusOK || resp.ContentLength != 12345678901 {
		t.Errorf("HEAD: got %s, %d bytes", resp.Status, resp.ContentLength)
	}
	resp := present(t, proxy, getURL, nil, http.Header{"If-None-Match": {`"e"`}})
	if body, err := io.ReadAll(resp.Body); resp.StatusCode != http.StatusNotModified || len(body) > 0 || err != nil {
		t.Errorf("GET: got %s, %q, %v", resp.Status, body, err)
	}
}

// Bodies are streamed, both ways: the server behind reads the first bytes of a
// part before the last are written, and so does the caller of an answer.
func TestBodiesAreStreamed(t *testing.T) {
	const size = 10 << 20
	arrived := make(chan int64, 1)
	proxy := serve(t, newConfig(t, iam.S3, fakeTarget(t, func(w http.ResponseWriter, r *http.Request) {
		first := make([]byte, 1)
		if _, err := io.ReadFull(r.Body, first); err != nil {
			t.Error(err)
		}
		arrived <- r.ContentLength
		n, err := io.Copy(io.Discard, r.Body)
		if n != size-1 || err != nil {
			t.Errorf("got %d more bytes, %v", n, err)
		}
		w.Header().Set("Content-Length", "2")
		io.WriteString(w, "a")
		http.NewResponseController(w).Flush()
		arrived <- 0
		io.WriteString(w, "b")
	}), all(t)))
	upload := putURL
	upload.body = strings.Repeat("x", size)
	body, more := io.Pipe()
	go func() {
		more.Write([]byte("x"))
		if got := <-arrived; got != size {
			t.Errorf("length: got %d, want %d", got, size)
		}
		io.WriteString(more, upload.body[1:])
		more.Close()
	}()
	resp := present(t, proxy, upload, body, nil)
	first := make([]byte, 1)
	if _, err := io.ReadFull(resp.Body, first); err != nil || resp.ContentLength != 2 {
		t.Errorf("got %q, %v, length %d", first, err, resp.ContentLength)
	}
	<-arrived
}

// A client that asks first is told to go on only if its bytes are wanted.
func TestExpectContinue(t *testing.T) {
	target := fakeTarget(t, func(_ http.ResponseWriter, r *http.Request) {
		if got := r.Header.Get("Expect"); got != "100-continue" {
			t.Errorf("got Expect %q", got)
		}
		if body, err := io.ReadAll(r.Body); string(body) != "bytes" || err != nil {
			t.Errorf("got %q, %v", body, err)
		}
	})
	for _, test := range []struct {
		policy iam.Policy
		want   []int
	}{
		{all(t), []int{http.StatusContinue, http.StatusOK}},
		{iam.Policy{}, []int{http.StatusForbidden}},
	} {
		proxy, err := url.Parse(serve(t, newConfig(t, iam.S3, target, test.policy)))
		if err != nil {
			t.Fatal(err)
		}
		conn, err := net.Dial("tcp", proxy.Host)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		conn.SetDeadline(time.Now().Add(10 * time.Second))
		put := putObject
		put.date = time.Now()
		head, body, _ := strings.Cut(string(put.wire(t)), "\r\n\r\n")
		fmt.Fprintf(conn, "%s\r\nExpect: 100-continue\r\n\r\n", head)
		answers := bufio.NewReader(conn)
		var got []int
		for len(got) == 0 || got[len(got)-1] == http.StatusContinue {
			resp, err := http.ReadResponse(answers, nil)
			if err != nil {
				t.Fatalf("after answers %v: %v", got, err)
			}
			// The server behind and the proxy both say it, and a client must
			// be able to hear it twice (RFC 9110, section 15.2).
			if again := slices.Contains(got, resp.StatusCode); again {
				continue
			}
			got = append(got, resp.StatusCode)
			if resp.StatusCode == http.StatusContinue {
				io.WriteString(conn, body)
			}
		}
		if !slices.Equal(got, test.want) {
			t.Errorf("got answers %v, want %v", got, test.want)
		}
	}
}

// Who may not list a bucket does not learn what is absent there.
func TestAbsentIsHidden(t *testing.T) {
	proxied := func(p iam.Policy, body string) string {
		return serve(t, newConfig(t, iam.S3, fakeTarget(t, func(w http.ResponseWriter, r *http.Request) {
			w.WriteHeader(http.StatusNotFound)
			io.WriteString(w, body)
		}), p))
	}
	const absent = "<Error><Code>NoSuchKey</Code></Error>"
	head, copied, listed := getURL, putObject, policy(t, []string{"s3:Get*", "s3:Put*"}, "*")
	head.method = http.MethodHead
	copied.header = map[string]string{"X-Amz-Copy-Source": "others/a"}
	elsewhere, err := iam.NewPolicy(
		iam.Statement{Effect: "Allow", Actions: []string{"s3:*"}, Resources: []string{"arn:aws:s3:::content*"}},
		iam.Statement{Effect: "Allow", Actions: []string{"s3:GetObject"}, Resources: []string{"*"}},
	)
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		name   string
		policy iam.Policy
		of     signed
		body   string
		want   int
	}{
		{"GET of who may list", all(t), getURL, absent, 404},
		{"HEAD of who may list", all(t), head, "", 404},
		{"GET", listed, getURL, absent, 403},
		{"HEAD", listed, head, "", 403},
		{"copy", listed, copied, absent, 403},
		{"copy into a bucket that may be listed", elsewhere, copied, absent, 403},
		{"copy of who may list", all(t), copied, absent, 404},
		{"no bucket", listed, getURL, "<Error><Code>NoSuchBucket</Code></Error>", 404},
		{"no upload", listed, copied, "<Error><Code>NoSuchUpload</Code></Error>", 404},
	} {
		t.Run(test.name, func(t *testing.T) {
			resp := present(t, proxied(test.policy, test.body), test.of, nil, nil)
			body, err := io.ReadAll(resp.Body)
			if resp.StatusCode != test.want || err != nil {
				t.Errorf("got %s, %v, want %d", resp.Status, err, test.want)
			}
			if test.want == 403 && test.of.method == http.MethodHead && resp.ContentLength != 0 {
				t.Errorf("got a length of %d, want none", resp.ContentLength)
			}
			if test.want == 404 && test.body != string(body) {
				t.Errorf("got %q, want what the server says", body)
			}
			if test.want == 403 && test.of.method != http.MethodHead && !bytes.Contains(body, []byte("<Code>AccessDenied</Code>")) {
				t.Errorf("got %q, want AccessDenied", body)
			}
		})
	}
}

// An unreachable server is an error that clients try again, not a refusal.
func TestUnreachable(t *testing.T) {
	gone := httptest.NewServer(nil)
	gone.Close()
	resp := present(t, serve(t, newConfig(t, iam.S3, gone.URL, all(t))), putObject, nil, nil)
	if body, _ := io.ReadAll(resp.Body); resp.StatusCode != http.StatusServiceUnavailable || !bytes.Contains(body, []byte("ServiceUnavailable")) {
		t.Errorf("S3: got %s %s", resp.Status, body)
	}
	client := newClient(serve(t, newConfig(t, iam.DynamoDB, gone.URL, all(t))), session)
	_, err := client.DescribeTable(t.Context(), &dynamodb.DescribeTableInput{TableName: aws.String("state")})
	wantAPIError(t, err, "InternalServerError")
}

// A request that is given up midway is not answered with success.
func TestGivenUp(t *testing.T) {
	begun, end := make(chan bool), make(chan bool)
	target := fakeTarget(t, func(http.ResponseWriter, *http.Request) {
		begun <- true
		<-end
	})
	defer close(end)
	proxy, err := iam.NewProxy(newConfig(t, iam.S3, target, all(t)))
	if err != nil {
		t.Fatal(err)
	}
	// As when a server is told to stop: it is not the caller who has gone.
	stopped, stop := context.WithCancel(t.Context())
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		proxy.ServeHTTP(w, r.WithContext(stopped))
	}))
	t.Cleanup(server.Close)
	go func() {
		<-begun
		stop()
	}()
	put := putObject
	put.date, put.url = time.Now(), server.URL+"/content/a"
	r := read(t, put.wire(t))
	r.URL, err = url.Parse(put.url)
	if err != nil {
		t.Fatal(err)
	}
	if resp, err := http.DefaultTransport.RoundTrip(r); err == nil {
		t.Errorf("got %s, want no answer", resp.Status)
	}
}

func TestFail(t *testing.T) {
	throttled := func(service iam.Service) string {
		c := newConfig(t, service, fakeTarget(t, nil), all(t))
		c.Fail = func() bool { return true }
		return serve(t, c)
	}
	_, err := newClient(throttled(iam.DynamoDB), session).DescribeTable(t.Context(), &dynamodb.DescribeTableInput{TableName: aws.String("state")})
	wantAPIError(t, err, "ProvisionedThroughputExceededException")
	_, err = newS3(throttled(iam.S3), region, session).HeadBucket(t.Context(), &awss3.HeadBucketInput{Bucket: aws.String("content")})
	if err == nil || !strings.Contains(err.Error(), "503") {
		t.Errorf("HEAD: got %v, want 503", err)
	}
	_, err = newS3(throttled(iam.S3), region, session).DeleteObject(t.Context(), &awss3.DeleteObjectInput{Bucket: aws.String("content"), Key: aws.String("a")})
	wantAPIError(t, err, "SlowDown")
}

func wantAPIError(t *testing.T, err error, code string) {
	t.Helper()
	if api, ok := errors.AsType[smithy.APIError](err); !ok || api.ErrorCode() != code {
		t.Errorf("got %v, want %s", err, code)
	}
}
