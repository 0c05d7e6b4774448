package lambda_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/berthregistry/berth/infra/localcloud/lambda"
)

// reportsInitError is a runtime that can't start, and says so.
func reportsInitError() {
	call("POST", "init/error", `{"errorType":"Runtime.NoTable","errorMessage":"BERTH_TABLE is not set"}`)
	select {}
}

// misbehaves is a runtime that asks for what it must not at that moment, and
// answers its event with what it was told.
func misbehaves() {
	var told []string
	tell := func(method, path string) { told = append(told, call(method, path, "{}").text) }
	tell("POST", "invocation/1/response") // nothing was handed out yet
	next := call("GET", "invocation/next", "")
	id := next.header.Get("Lambda-Runtime-Aws-Request-Id")
	tell("GET", "invocation/next")        // it has not answered
	tell("POST", "init/error")            // that is over
	tell("POST", "invocation/1/response") // that is not the one
	tell("PUT", "invocation/"+id+"/response")
	answer, _ := json.Marshal(told)
	call("POST", "invocation/"+id+"/response", string(answer))
	call("POST", "invocation/"+id+"/response", `"once more"`)
	call("GET", "invocation/next", "")
}

type called struct {
	header http.Header
	text   string // status and errorType
}

func call(method, path, body string) called {
	url := "http://" + os.Getenv("AWS_LAMBDA_RUNTIME_API") + "/2018-06-01/runtime/" + path
	r, err := http.NewRequest(method, url, strings.NewReader(body))
	if err != nil {
		panic(err)
	}
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		panic(err)
	}
	defer answer.Body.Close()
	b, err := io.ReadAll(answer.Body)
	if err != nil {
		panic(err)
	}
	var problem struct{ ErrorType string }
	json.Unmarshal(b, &problem) // what is no JSON has no type
	return called{answer.Header, strings.TrimSpace(fmt.Sprint(answer.StatusCode, " ", problem.ErrorType))}
}

func TestRuntimeMisbehaves(t *testing.T) {
	f := newFunction(t, lambda.Config{Handler: "misbehaves", Timeout: 10 * time.Second})
	r := result(t, f, order{})
	const want = `["403 InvalidStateTransition","403 InvalidStateTransition","403 InvalidStateTransition","400 InvalidRequestID","405"]`
	if string(r.Payload) != want || r.Failed {
		t.Errorf("got  %s\nwant %s", r.Payload, want)
	}
}

func TestRuntimeReportsInitError(t *testing.T) {
	f := newFunction(t, lambda.Config{Handler: "reports init error", Timeout: 10 * time.Second})
	wantFailure(t, result(t, f, order{}), "Runtime.NoTable", "BERTH_TABLE is not set")
	if s := f.Stats(); s.Failed != 1 || len(s.Environments) != 0 {
		t.Errorf("got %+v", s)
	}
}
