package iam_test

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"

	"github.com/berthregistry/berth/infra/localcloud/iam"
)

// noon is the time of the tests of signatures.
var noon = time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)

// A guarded is a proxy before a server that notes what reaches it. Its
// principal may do everything.
type guarded struct {
	http.Handler
	now     time.Time
	reached string // what the last request was, in what matters of it
}

func newGuarded(t testing.TB, service iam.Service) *guarded {
	g := &guarded{now: noon}
	target := fakeTarget(t, func(_ http.ResponseWriter, r *http.Request) { g.reached = gist(r) })
	c := newConfig(t, service, target, policy(t, []string{"*"}, "*"))
	c.Clock = g.clock
	var err error
	if g.Handler, err = iam.NewProxy(c); err != nil {
		t.Fatal(err)
	}
	return g
}

func (g *guarded) clock() time.Time { return g.now }

// send returns the answer, and what has reached the server behind.
func (g *guarded) send(r *http.Request) (answer *httptest.ResponseRecorder, reached string) {
	g.reached = ""
	answer = httptest.NewRecorder()
	g.ServeHTTP(answer, r)
	return answer, g.reached
}

// gist is what a request asks for, without the signature of the root.
func gist(r *http.Request) string {
	body, _ := io.ReadAll(r.Body)
	lines := []string{r.Method + " " + r.RequestURI, string(body)}
	for _, name := range slices.Sorted(maps.Keys(r.Header)) {
		switch name {
		case "Authorization", "X-Amz-Date", "User-Agent":
		default:
			lines = append(lines, name+": "+strings.Join(r.Header[name], ","))
		}
	}
	return strings.Join(lines, "\n")
}

// signed is a request that a principal has signed, as it goes over the wire.
type signed struct {
	service iam.Service
	method  string
	url     string
	header  map[string]string
	body    string
	presign time.Duration // 0: by a header

	date    time.Time       // noon if zero
	by      aws.Credentials // session if zero
	region  string          // that of the tests if empty
	as      string          // name of the service, if another
	payload string          // what it says of its body, if not the truth
}

var (
	getItem = signed{
		service: iam.DynamoDB, method: http.MethodPost, url: "http://table.test/",
		header: map[string]string{"X-Amz-Target": "DynamoDB_20120810.GetItem", "Content-Type": "application/x-amz-json-1.0"},
		body:   `{"TableName":"state","Key":{"pk":{"S":"a"}}}`,
	}
	putObject = signed{
		service: iam.S3, method: http.MethodPut, url: "http://blobs.test/content/sha256%3Aab/1?x-id=PutObject",
		header: map[string]string{"Content-Type": "application/octet-stream", "If-None-Match": "*", "X-Amz-Meta-Who": "me"},
		body:   "bytes",
	}
	getURL = signed{
		service: iam.S3, method: http.MethodGet, presign: time.Minute,
		url: "http://blobs.test/content/sha256%3Aab/1?x-id=GetObject&response-content-type=text%2Fplain",
	}
	putURL = signed{
		service: iam.S3, method: http.MethodPut, presign: time.Minute,
		url:    "http://blobs.test/content/a?x-id=PutObject",
		header: map[string]string{"If-None-Match": "*", "X-Amz-Checksum-Sha256": "AAAA"},
		body:   "bytes",
	}
)

// wire signs the request with the SDK, and writes it.
func (s signed) wire(t testing.TB) []byte {
	t.Helper()
	r, err := http.NewRequest(s.method, s.url, strings.NewReader(s.body))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("User-Agent", "")
	for name, value := range s.header {
		r.Header.Set(name, value)
	}
	s.sign(t, r)
	var wire bytes.Buffer
	if err := r.Write(&wire); err != nil {
		t.Fatal(err)
	}
	return wire.Bytes()
}

func (s signed) sign(t testing.TB, r *http.Request) {
	t.Helper()
	signer := v4.NewSigner(func(o *v4.SignerOptions) { o.DisableURIPathEscaping = s.service == iam.S3 })
	by, date := s.by, s.date
	if by.AccessKeyID == "" {
		by = session
	}
	if date.IsZero() {
		date = noon
	}
	region, as := cmp.Or(s.region, region), cmp.Or(s.as, string(s.service))
	sum := sha256.Sum256([]byte(s.body))
	payload := cmp.Or(s.payload, hex.EncodeToString(sum[:]))
	if s.presign == 0 {
		if s.service == iam.S3 {
			r.Header.Set("X-Amz-Content-Sha256", payload)
		}
		if err := signer.SignHTTP(context.Background(), by, r, payload, as, region, date); err != nil {
			t.Fatal(err)
		}
		return
	}
	query := r.URL.Query()
	query.Set("X-Amz-Expires", fmt.Sprint(int(s.presign.Seconds())))
	r.URL.RawQuery = query.Encode()
	presigned, _, err := signer.PresignHTTP(context.Background(), by, r, "UNSIGNED-PAYLOAD", as, region, date)
	if err == nil {
		r.URL, err = url.Parse(presigned)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// read is the request as a server reads it.
func read(t testing.TB, wire []byte) *http.Request {
	t.Helper()
	r, err := http.ReadRequest(bufio.NewReader(bytes.NewReader(wire)))
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// Of a signed request no byte can be changed so that another request comes
// through. The bodies of S3 are left to S3: it is told their hash.
func TestEveryByteIsSigned(t *testing.T) {
	for name, s := range map[string]signed{"dynamodb": getItem, "s3": putObject, "lambda": invoke, "presigned GET": getURL, "presigned PUT": putURL} {
		t.Run(name, func(t *testing.T) {
			g, wire := newGuarded(t, s.service), s.wire(t)
			_, want := g.send(read(t, wire))
			if want == "" {
				t.Fatal("the request as it was signed was refused")
			}
			if strings.Contains(want, "Security-Token") {
				t.Errorf("the session token was handed on:\n%s", want)
			}
			end := len(wire)
			if s.service == iam.S3 {
				end -= len(s.body)
			}
			for i := range end {
				for _, flip := range []byte{0x01, 0x20, 0x80} {
					changed := bytes.Clone(wire)
					changed[i] ^= flip
					r, err := http.ReadRequest(bufio.NewReader(bytes.NewReader(changed)))
					if err != nil {
						continue // a server reads no further
					}
					if answer, got := g.send(r); got != "" && got != want {
						t.Fatalf("let through (%d)\n%s\nas\n%s", answer.Code, changed, got)
					}
				}
			}
		})
	}
}

// What is signed wrongly is refused, each in the words of its service.
func TestSignatureRefusals(t *testing.T) {
	stranger := session
	stranger.AccessKeyID = "ASIASTRANGER"
	guess := session
	guess.SecretAccessKey = "a guess"
	tokenless := session
	tokenless.SessionToken = ""
	for _, test := range []struct {
		name         string
		of           func(s signed) signed
		s3, dynamodb string
	}{
		{"as it should be", func(s signed) signed { return s }, "", ""},
		{"a key nobody has", func(s signed) signed { s.by = stranger; return s }, "InvalidAccessKeyId", "UnrecognizedClientException"},
		{"another secret", func(s signed) signed { s.by = guess; return s }, "SignatureDoesNotMatch", "InvalidSignatureException"},
		{"no session token", func(s signed) signed { s.by = tokenless; return s }, "InvalidToken", "UnrecognizedClientException"},
		{"another region", func(s signed) signed { s.region = "us-east-1"; return s }, "AuthorizationHeaderMalformed", "IncompleteSignatureException"},
		{"another service", func(s signed) signed { s.as = "sqs"; return s }, "AuthorizationHeaderMalformed", "IncompleteSignatureException"},
		{"within the skew", func(s signed) signed { s.date = noon.Add(-15 * time.Minute); return s }, "", ""},
		{"too early", func(s signed) signed { s.date = noon.Add(15*time.Minute + time.Second); return s }, "RequestTimeTooSkewed", "InvalidSignatureException"},
		{"too late", func(s signed) signed { s.date = noon.Add(-15*time.Minute - time.Second); return s }, "RequestTimeTooSkewed", "InvalidSignatureException"},
		{"chunks that are signed", func(s signed) signed { s.payload = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD"; return s }, "NotImplemented", "InvalidSignatureException"},
	} {
		for base, want := range map[*signed]string{&putObject: test.s3, &getItem: test.dynamodb} {
			t.Run(test.name+"/"+string(base.service), func(t *testing.T) {
				answer, _ := newGuarded(t, base.service).send(read(t, test.of(*base).wire(t)))
				wantCode(t, answer, want)
			})
		}
	}
}

// wantCode fails unless an answer is the error of this code, or none if it is
// empty.
func wantCode(t *testing.T, answer *httptest.ResponseRecorder, code string) {
	t.Helper()
	body := answer.Body.String()
	switch {
	case code == "" && answer.Code != http.StatusOK:
		t.Errorf("got %d %s, want it let through", answer.Code, body)
	case code != "" && (answer.Code < 400 || !strings.Contains(body, "<Code>"+code+"</Code>") && !strings.Contains(body, "#"+code+`"`)):
		t.Errorf("got %d %s, want %s", answer.Code, body, code)
	}
}

// What is done to a presigned URL breaks it.
func TestPresignedRefusals(t *testing.T) {
	for _, test := range []struct {
		name   string
		change func(r *http.Request, q url.Values)
		after  time.Duration
		want   string
	}{
		{"as it was made", func(*http.Request, url.Values) {}, 0, ""},
		{"a header that needs no signature", func(r *http.Request, _ url.Values) { r.Header.Set("Range", "bytes=0-1") }, 0, ""},
		{"in its last second", func(*http.Request, url.Values) {}, time.Minute, ""},
		{"expired", func(*http.Request, url.Values) {}, time.Minute + time.Second, "AccessDenied"},
		{"not begun", func(*http.Request, url.Values) {}, -16 * time.Minute, "AccessDenied"},
		{"a digest added", func(_ *http.Request, q url.Values) { q.Set("digest", "sha256:ab") }, 0, "SignatureDoesNotMatch"},
		{"a parameter twice", func(_ *http.Request, q url.Values) { q.Add("x-id", "GetObject") }, 0, "SignatureDoesNotMatch"},
		{"a longer life", func(_ *http.Request, q url.Values) { q.Set("X-Amz-Expires", "61") }, 0, "SignatureDoesNotMatch"},
		{"a life of eight days", func(_ *http.Request, q url.Values) { q.Set("X-Amz-Expires", "691200") }, 0, "AuthorizationHeaderMalformed"},
		{"no life", func(_ *http.Request, q url.Values) { q.Del("X-Amz-Expires") }, 0, "AuthorizationHeaderMalformed"},
		{"no token", func(_ *http.Request, q url.Values) { q.Del("X-Amz-Security-Token") }, 0, "InvalidToken"},
		{"two signatures", func(_ *http.Request, q url.Values) { q.Add("X-Amz-Signature", "ab") }, 0, "AuthorizationHeaderMalformed"},
		{"no host among the headers", func(_ *http.Request, q url.Values) { q.Set("X-Amz-SignedHeaders", "range") }, 0, "AuthorizationHeaderMalformed"},
		{"another method", func(r *http.Request, _ url.Values) { r.Method = http.MethodDelete }, 0, "SignatureDoesNotMatch"},
		{"another key", func(r *http.Request, _ url.Values) { r.URL.Path += "x" }, 0, "SignatureDoesNotMatch"},
		{"an unsigned header of AWS", func(r *http.Request, _ url.Values) { r.Header.Set("X-Amz-Meta-Who", "me") }, 0, "AccessDenied"},
		{"signed twice", func(r *http.Request, _ url.Values) { r.Header.Set("Authorization", "AWS4-HMAC-SHA256 ...") }, 0, "InvalidArgument"},
	} {
		t.Run(test.name, func(t *testing.T) {
			g := newGuarded(t, iam.S3)
			g.now = noon.Add(test.after)
			r := read(t, getURL.wire(t))
			query := r.URL.Query()
			test.change(r, query)
			r.URL.RawQuery = query.Encode()
			answer, _ := g.send(r)
			wantCode(t, answer, test.want)
		})
	}
}

// What the parser of a query passes over was not verified, and must not come
// through.
func TestQueryThatIsPassedOver(t *testing.T) {
	for _, more := range []string{"&a;b=c", "&%zz=1"} {
		r := read(t, getURL.wire(t))
		r.URL.RawQuery += more
		answer, _ := newGuarded(t, iam.S3).send(r)
		wantCode(t, answer, "InvalidArgument")
	}
}

// DynamoDB takes one operation, by a POST of a bounded body.
func TestDynamoShape(t *testing.T) {
	for _, test := range []struct {
		name   string
		change func(s *signed)
		want   string
	}{
		{"another method", func(s *signed) { s.method = http.MethodPut }, "UnknownOperationException"},
		{"another path", func(s *signed) { s.url += "table" }, "UnknownOperationException"},
		{"a query", func(s *signed) { s.url += "?x=y" }, "UnknownOperationException"},
		{"presigned", func(s *signed) { s.presign = time.Minute }, "UnknownOperationException"},
		{"no target", func(s *signed) { s.header = nil }, "UnknownOperationException"},
		{"too large", func(s *signed) { s.body = strings.Repeat(" ", 16<<20+1) }, "RequestEntityTooLargeException"},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := getItem
			test.change(&s)
			answer, _ := newGuarded(t, iam.DynamoDB).send(read(t, s.wire(t)))
			wantCode(t, answer, test.want)
		})
	}
	// Two values are signed as one with a comma between.
	both := getItem
	both.header = map[string]string{"X-Amz-Target": "DynamoDB_20120810.GetItem,DynamoDB_20120810.DeleteItem"}
	r := read(t, both.wire(t))
	r.Header["X-Amz-Target"] = []string{"DynamoDB_20120810.GetItem", "DynamoDB_20120810.DeleteItem"}
	answer, _ := newGuarded(t, iam.DynamoDB).send(r)
	wantCode(t, answer, "UnknownOperationException")
}

// A credential of another day than the request is no credential.
func TestCredentialOfAnotherDay(t *testing.T) {
	r := read(t, putObject.wire(t))
	r.Header.Set("Authorization", strings.Replace(r.Header.Get("Authorization"), "/20261121/", "/20261120/", 1))
	answer, _ := newGuarded(t, iam.S3).send(r)
	wantCode(t, answer, "AuthorizationHeaderMalformed")
}

func TestUnsigned(t *testing.T) {
	for _, test := range []struct {
		of     signed
		header []string
		want   string
	}{
		{getItem, nil, "MissingAuthenticationTokenException"},
		{putObject, nil, "AccessDenied"},
		{putObject, []string{"Basic dXNlcjpwYXNz"}, "AuthorizationHeaderMalformed"},
		{putObject, []string{"AWS4-HMAC-SHA256 "}, "AuthorizationHeaderMalformed"},
		{putObject, []string{"AWS4-HMAC-SHA256 Credential=a/b/c/d/aws4_request, SignedHeaders=host, Signature=e"}, "AuthorizationHeaderMalformed"},
		{putObject, []string{"AWS4-HMAC-SHA256 Credential=a, Credential=b, SignedHeaders=host, Signature=c"}, "AuthorizationHeaderMalformed"},
		{putObject, []string{"AWS4-HMAC-SHA256 a", "AWS4-HMAC-SHA256 b"}, "AuthorizationHeaderMalformed"},
	} {
		r := read(t, test.of.wire(t))
		r.Header["Authorization"] = test.header
		answer, _ := newGuarded(t, test.of.service).send(r)
		wantCode(t, answer, test.want)
	}
}

// FuzzAuthorization has no header prove who sent it but the one that was
// signed.
func FuzzAuthorization(f *testing.F) {
	wire := putObject.wire(f)
	want := read(f, wire).Header.Get("Authorization")
	f.Add(want, "20261121T120000Z")
	f.Add(strings.Replace(want, "Signature=", "Signature=0", 1), "20261121T120000Z")
	f.Add("AWS4-HMAC-SHA256 Credential=////, SignedHeaders=;, Signature=", "")
	g := newGuarded(f, iam.S3)
	f.Fuzz(func(t *testing.T, authorization, date string) {
		r := read(t, wire)
		r.Header.Set("Authorization", authorization)
		r.Header.Set("X-Amz-Date", date)
		_, reached := g.send(r)
		// Blanks and the order of the three parts do not matter.
		if reached != "" && !strings.Contains(authorization, want[strings.Index(want, "Signature="):]) {
			t.Errorf("%q was believed", authorization)
		}
	})
}
