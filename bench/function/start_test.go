package function_test

import (
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/berthregistry/berth/bench/function"
)

// initTime is what this program, as a function, takes for its start.
const initTime = 100 * time.Millisecond

// TestMain lets this program be a function when it is started as one.
func TestMain(m *testing.M) {
	api := os.Getenv("AWS_LAMBDA_RUNTIME_API")
	if api == "" {
		os.Exit(m.Run())
	}
	time.Sleep(initTime)
	resp, err := http.Get("http://" + api + "/2018-06-01/runtime/invocation/next")
	if err == nil {
		resp.Body.Close()
	}
	os.Exit(3) // only if the API gave it work, or went away
}

func TestColdStart(t *testing.T) {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	runtime, err := function.NewRuntime()
	if err != nil {
		t.Fatal(err)
	}
	defer runtime.Close()
	for range 3 {
		got, err := runtime.ColdStart(t.Context(), self)
		if err != nil {
			t.Fatal(err)
		}
		if got < initTime || got > initTime+5*time.Second {
			t.Errorf("got %v, want a little more than %v", got, initTime)
		}
	}
}

func TestFunctionThatDoesNotStart(t *testing.T) {
	runtime, err := function.NewRuntime()
	if err != nil {
		t.Fatal(err)
	}
	defer runtime.Close()
	script := t.TempDir() + "/bootstrap"
	if err := os.WriteFile(script, []byte("#!/bin/sh\necho BERTH_TABLE is not set >&2\nexit 1\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	_, err = runtime.ColdStart(t.Context(), script)
	if err == nil || !strings.Contains(err.Error(), "exit status 1") || !strings.Contains(err.Error(), "BERTH_TABLE is not set") {
		t.Errorf("got %v, want how it ended and what it said", err)
	}
	if _, err := runtime.ColdStart(t.Context(), script+"-absent"); err == nil {
		t.Error("a bootstrap that is not there was started")
	}
}
