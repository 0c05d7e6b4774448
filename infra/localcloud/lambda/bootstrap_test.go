package lambda_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"runtime"
	"strings"
	"testing"
	"time"

	awslambda "github.com/aws/aws-lambda-go/lambda"
	"github.com/aws/aws-lambda-go/lambdacontext"
)

// parentVariable makes this binary a program that has children and is killed.
const parentVariable = "BERTH_TEST_PARENT"

// The tests are the function as well: started with the address of a runtime
// API, this binary is a bootstrap made with Amazon's own runtime.
func TestMain(m *testing.M) {
	if os.Getenv("AWS_LAMBDA_RUNTIME_API") != "" {
		bootstrap()
		return
	}
	if os.Getenv(parentVariable) != "" {
		parent()
	}
	os.Exit(m.Run())
}

// bootstrap does what it is called: the handler's name says how it starts, the
// event what it does then.
func bootstrap() {
	switch os.Getenv("_HANDLER") {
	case "exits":
		fmt.Fprintln(os.Stderr, "BERTH_TABLE is not set")
		os.Exit(3)
	case "hangs":
		select {}
	case "reports init error":
		reportsInitError()
	case "misbehaves":
		misbehaves()
	case "echoes":
		awslambda.Start(func(event json.RawMessage) (json.RawMessage, error) { return event, nil })
	default:
		var f function
		awslambda.Start(f.handle)
	}
}

// An order is the event of the tests.
type order struct {
	Do    string        `json:"do"`
	Text  string        `json:"text"`
	Size  int           `json:"size"`
	Sleep time.Duration `json:"sleep"`
}

// A seen is what the function tells of itself.
type seen struct {
	PID     int               `json:"pid"`
	Count   int               `json:"count"` // of events in this process
	ID      string            `json:"id"`
	ARN     string            `json:"arn"`
	Trace   string            `json:"trace"`
	Remains time.Duration     `json:"remains"`
	Text    string            `json:"text"`
	Env     map[string]string `json:"env"`
}

type function struct{ count int }

func (f *function) handle(ctx context.Context, o order) (any, error) {
	f.count++
	time.Sleep(o.Sleep)
	switch o.Do {
	case "fail":
		return nil, errors.New(o.Text)
	case "panic":
		panic(o.Text)
	case "exit":
		os.Exit(o.Size)
	case "large":
		return strings.Repeat("x", o.Size-2), nil // the quotes are part of the answer
	case "print":
		fmt.Println("to stdout: " + o.Text)
		fmt.Fprintln(os.Stderr, "to stderr: "+o.Text)
	case "grow":
		grow()
	case "touch":
		return nil, os.WriteFile(o.Text, nil, 0o600)
	case "touch later":
		go func() {
			time.Sleep(100 * time.Millisecond)
			os.WriteFile(o.Text, nil, 0o600)
		}()
	}
	return f.look(ctx, o), nil
}

func (f *function) look(ctx context.Context, o order) seen {
	lc, _ := lambdacontext.FromContext(ctx)
	deadline, _ := ctx.Deadline()
	env := map[string]string{}
	for _, e := range os.Environ() {
		name, value, _ := strings.Cut(e, "=")
		env[name] = value
	}
	return seen{
		PID: os.Getpid(), Count: f.count, ID: lc.AwsRequestID, ARN: lc.InvokedFunctionArn,
		Trace: env["_X_AMZN_TRACE_ID"], Remains: time.Until(deadline), Text: o.Text, Env: env,
	}
}

// grow takes memory until somebody objects.
func grow() {
	var all [][]byte
	for {
		piece := make([]byte, 4<<20)
		for i := range piece {
			piece[i] = 1
		}
		all = append(all, piece)
		runtime.KeepAlive(all)
		time.Sleep(time.Millisecond)
	}
}
