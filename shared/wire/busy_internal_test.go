package wire

import (
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/berthregistry/berth/shared/blobs/s3"
	"github.com/berthregistry/berth/shared/settings"
)

// A store that throttles past all retries is not an internal error: clients
// come back after a 429 with the spec's code, and give up after a 500.
func TestBusyStores(t *testing.T) {
	for name, tt := range map[string]struct {
		status    int
		body      string
		method    string
		target    string
		answers   int
		wantsCode string
	}{
		"table": {400, `{"__type":"com.amazonaws.dynamodb.v20120810#ProvisionedThroughputExceededException","message":"slow down"}`,
			"GET", "/v2/team/app/manifests/1", 429, "TOOMANYREQUESTS"},
		"other trouble": {400, `{"__type":"com.amazonaws.dynamodb.v20120810#ResourceNotFoundException","message":"no such table"}`,
			"GET", "/v2/team/app/manifests/1", 500, "UNKNOWN"},
	} {
		t.Run(name, func(t *testing.T) {
			calls := 0
			service := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				calls++
				w.Header().Set("Content-Type", "application/x-amz-json-1.0")
				w.WriteHeader(tt.status)
				_, _ = io.WriteString(w, tt.body)
			}))
			defer service.Close()
			h := Handler(Config{
				Access: Open,
				Table:  "t", Bucket: "b", Region: "us-east-1", DynamoDB: service.URL, S3: service.URL, Settings: new(settings.Settings),
				Credentials: aws.Credentials{AccessKeyID: "key", SecretAccessKey: "secret"},
			}, slog.New(slog.DiscardHandler), tt.method)
			answer := httptest.NewRecorder()
			h.ServeHTTP(answer, httptest.NewRequestWithContext(t.Context(), tt.method, tt.target, nil))
			if answer.Code != tt.answers || !strings.Contains(answer.Body.String(), tt.wantsCode) {
				t.Errorf("got %d %s, want %d %s", answer.Code, answer.Body, tt.answers, tt.wantsCode)
			}
			if throttled := tt.answers == 429; throttled != (calls == attempts) || throttled != (answer.Header().Get("Retry-After") != "") {
				t.Errorf("%d calls, Retry-After %q", calls, answer.Header().Get("Retry-After"))
			}
		})
	}
}

func TestBusyBucket(t *testing.T) {
	for code, want := range map[string]bool{"SlowDown": true, "ServiceUnavailable": true, "AccessDenied": false} {
		service := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(http.StatusServiceUnavailable)
			_, _ = io.WriteString(w, "<Error><Code>"+code+"</Code></Error>")
		}))
		c := Config{Region: "us-east-1", S3: service.URL, Credentials: aws.Credentials{AccessKeyID: "key", SecretAccessKey: "secret"}}
		err := s3.New(newS3(c), "b", "").Put(t.Context(), "k", []byte("x"))
		if busy(err) != want {
			t.Errorf("%s: got busy %t of %v, want %t", code, busy(err), err, want)
		}
		service.Close()
	}
}
