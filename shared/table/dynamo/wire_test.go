package dynamo_test

import (
	"bytes"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodbstreams"

	"github.com/berthregistry/berth/shared/table/dynamo"
)

// A wire is where the HTTP requests of the SDK's clients arrive in place of a
// network: it makes the answers that no engine gives on request. It uses no
// sockets, so that tests on it can run in a synctest bubble, where the pauses
// between attempts cost nothing.
//
// It must be safe for concurrent use if the test calls from many goroutines.
type wire func(request) answer

// A request is what the SDK sent.
type request struct {
	op   string // such as "GetItem"
	body []byte
	http *http.Request
}

// into decodes the request.
func (r request) into(t testing.TB, v any) {
	t.Helper()
	if err := json.Unmarshal(r.body, v); err != nil {
		t.Errorf("body of %s: %v", r.op, err)
	}
}

// An answer is what the SDK gets. With err there is none: the connection broke.
type answer struct {
	status int
	body   string
	date   string // by the service's clock, if it says so
	err    error
}

func ok(body any) answer {
	out, err := json.Marshal(body)
	if err != nil {
		panic(err)
	}
	return answer{status: http.StatusOK, body: string(out)}
}

// failure is an answer with an error of DynamoDB, and what it says beside.
func failure(code string, more ...any) answer {
	body := map[string]any{"__type": "com.amazonaws.dynamodb.v20120810#" + code, "message": "because of the test"}
	for i := 0; i < len(more); i += 2 {
		body[more[i].(string)] = more[i+1]
	}
	a := ok(body)
	a.status = http.StatusBadRequest
	if code == "InternalServerError" {
		a.status = http.StatusInternalServerError
	}
	return a
}

// cancelled is the answer to a transaction that was called off, with a reason
// for each action.
func cancelled(reasons ...string) answer {
	var list []map[string]string
	for _, r := range reasons {
		list = append(list, map[string]string{"Code": r, "Message": "reason " + r})
	}
	return failure("TransactionCanceledException", "CancellationReasons", list)
}

// Do makes a wire the HTTP client of an SDK client.
func (w wire) Do(r *http.Request) (*http.Response, error) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, err
	}
	_, op, _ := strings.Cut(r.Header.Get("X-Amz-Target"), ".")
	a := w(request{op: op, body: body, http: r})
	if err := r.Context().Err(); err != nil {
		return nil, err
	}
	if a.err != nil {
		return nil, a.err
	}
	header := http.Header{"Content-Type": {"application/x-amz-json-1.0"}}
	if a.date != "" {
		header.Set("Date", a.date)
	}
	return &http.Response{
		StatusCode: a.status,
		Header:     header,
		Body:       io.NopCloser(bytes.NewBufferString(a.body)),
		Request:    r,
	}, nil
}

// newWired returns a store whose requests all go to w.
func newWired(w wire, retryer aws.Retryer) *dynamo.Store {
	return newWiredTo("registry", w, retryer, slog.New(slog.DiscardHandler))
}

// newWiredTo returns such a store on the table called name.
func newWiredTo(name string, w wire, retryer aws.Retryer, log *slog.Logger) *dynamo.Store {
	const region = "eu-central-1"
	address := "http://wire.invalid"
	client := dynamodb.New(dynamodb.Options{
		Region: region, BaseEndpoint: &address, Credentials: anybody, Retryer: retryer, HTTPClient: w,
	})
	streams := dynamodbstreams.New(dynamodbstreams.Options{
		Region: region, BaseEndpoint: &address, Credentials: anybody, Retryer: retryer, HTTPClient: w,
	})
	return dynamo.New(client, streams, name, log)
}
