package wire

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/berthregistry/berth/infra/localcloud/iam"
)

// lambdaOf is a Lambda that answers as it is told, and an invoker of it.
func lambdaOf(t *testing.T, name string, answer http.HandlerFunc) *invoker {
	t.Helper()
	server := httptest.NewServer(answer)
	t.Cleanup(server.Close)
	return newInvoker(Config{
		Verifier: name, Lambda: server.URL, Region: "eu-central-1",
		Credentials: aws.Credentials{AccessKeyID: "ASIAPUSH", SecretAccessKey: "hunter2", SessionToken: "a/token="},
	})
}

// The event arrives under the function's name, signed by the function's role.
func TestInvoke(t *testing.T) {
	for name, path := range map[string]string{
		"team-Verify-1": "/2015-03-31/functions/team-Verify-1/invocations",
		"arn:aws:lambda:eu-central-1:123456789012:function:v": "/2015-03-31/functions/arn%3Aaws%3Alambda%3Aeu-central-1%3A123456789012%3Afunction%3Av/invocations",
	} {
		calls := 0
		i := lambdaOf(t, name, func(w http.ResponseWriter, r *http.Request) {
			calls++
			body, _ := io.ReadAll(r.Body)
			if got, want := string(body), `{"repo":"team/app","id":"0a1b"}`; got != want {
				t.Errorf("the event is %s, want %s", got, want)
			}
			if got := r.Method + " " + r.RequestURI; got != "POST "+path {
				t.Errorf("got %s, want POST %s", got, path)
			}
			if got := r.Header.Get("X-Amz-Invocation-Type"); got != "Event" {
				t.Errorf("the invocation is of type %q", got)
			}
			sum := sha256.Sum256(body)
			keys := func(id string) (string, string, bool) { return "hunter2", "a/token=", id == "ASIAPUSH" }
			verifier := iam.NewVerifier(iam.Lambda, "eu-central-1", keys, time.Now)
			if _, err := verifier.Verify(r, hex.EncodeToString(sum[:])); err != nil {
				t.Errorf("the signature: %v", err)
			}
			w.WriteHeader(http.StatusAccepted)
		})
		if err := i.verify(t.Context(), "team/app", "0a1b"); err != nil || calls != 1 {
			t.Errorf("%s: %v after %d calls", name, err, calls)
		}
	}
}

// What passes is tried again, what does not is told at once.
func TestInvokeAgain(t *testing.T) {
	for _, tt := range []struct {
		name   string
		status int
		code   string
		times  int64 // it is answered so
		calls  int64
		err    string
		busy   bool
	}{
		{"throttled for a moment", 429, "TooManyRequestsException:", 2, 3, "", false},
		{"throttled for good", 429, "TooManyRequestsException", 100, attempts, "TooManyRequestsException", true},
		{"broken for a moment", 500, "ServiceException", 1, 2, "", false},
		{"not allowed", 403, "AccessDeniedException", 1, 1, "AccessDeniedException: not so", false},
		{"not there", 404, "ResourceNotFoundException", 1, 1, "ResourceNotFoundException", false},
		{"without a word", 418, "", 1, 1, "418", false},
	} {
		var calls atomic.Int64
		i := lambdaOf(t, "verify", func(w http.ResponseWriter, _ *http.Request) {
			if calls.Add(1) > tt.times {
				w.WriteHeader(http.StatusAccepted)
				return
			}
			w.Header().Set("X-Amzn-Errortype", tt.code)
			w.WriteHeader(tt.status)
			_, _ = io.WriteString(w, `{"Type":"User","Message":"not so"}`)
		})
		err := i.verify(t.Context(), "team/app", "0a1b")
		if (err == nil) != (tt.err == "") || err != nil && !strings.Contains(err.Error(), tt.err) || calls.Load() != tt.calls {
			t.Errorf("%s: got %v after %d calls, want %q after %d", tt.name, err, calls.Load(), tt.err, tt.calls)
		}
		if err != nil && (busy(err) != tt.busy || strings.Contains(err.Error(), "hunter2")) {
			t.Errorf("%s: %v, busy: %v", tt.name, err, busy(err))
		}
	}
}

// A connection that breaks is no answer: the event may have arrived, and comes
// once more.
func TestInvokeAfterABreak(t *testing.T) {
	var calls atomic.Int64
	i := lambdaOf(t, "verify", func(w http.ResponseWriter, _ *http.Request) {
		if calls.Add(1) == 1 {
			panic(http.ErrAbortHandler)
		}
		w.WriteHeader(http.StatusAccepted)
	})
	if err := i.verify(t.Context(), "team/app", "0a1b"); err != nil || calls.Load() != 2 {
		t.Errorf("got %v after %d calls", err, calls.Load())
	}
}

// Whoever has no time left does not wait for the next attempt.
func TestInvokeInTime(t *testing.T) {
	i := lambdaOf(t, "verify", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("X-Amzn-Errortype", "TooManyRequestsException")
		w.WriteHeader(http.StatusTooManyRequests)
	})
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	begun := time.Now()
	if err := i.verify(ctx, "team/app", "0a1b"); err == nil || time.Since(begun) > time.Second {
		t.Errorf("got %v after %v", err, time.Since(begun))
	}
}

func TestServiceURL(t *testing.T) {
	for _, tt := range []struct{ own, region, want string }{
		{"", "eu-central-1", "https://lambda.eu-central-1.amazonaws.com"},
		{"", "us-gov-west-1", "https://lambda.us-gov-west-1.amazonaws.com"},
		{"", "cn-north-1", "https://lambda.cn-north-1.amazonaws.com.cn"},
		{"http://127.0.0.1:9001/", "eu-central-1", "http://127.0.0.1:9001"},
	} {
		if got := serviceURL(tt.own, "lambda", tt.region); got != tt.want {
			t.Errorf("got %s, want %s", got, tt.want)
		}
	}
}
