package function_test

import (
	"bytes"
	"fmt"
	"io"
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
	if err := serve("http://"+api+"/2018-06-01/runtime/invocation/", os.Getenv("MODE")); err != nil {
		fmt.Fprintln(os.Stderr, err)
	}
	os.Exit(3)
}

// serve answers each event with itself, or with an error in mode "fail", or
// ends in mode "end".
func serve(api, mode string) error {
	for {
		resp, err := http.Get(api + "next")
		if err != nil {
			return err
		}
		event, err := io.ReadAll(resp.Body)
		resp.Body.Close()
		if err != nil {
			return err
		}
		answer := "response"
		switch mode {
		case "end":
			return fmt.Errorf("asked for %s", event)
		case "fail":
			answer = "error"
		}
		id := resp.Header.Get("Lambda-Runtime-Aws-Request-Id")
		if resp, err = http.Post(api+id+"/"+answer, "application/json", bytes.NewReader(event)); err != nil {
			return err
		}
		resp.Body.Close()
	}
}

// self is this program, which is linked to another folder so that what it
// prints is not written beside the original.
func self(t *testing.T) string {
	t.Helper()
	path, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	link := t.TempDir() + "/bootstrap"
	if err := os.Symlink(path, link); err != nil {
		t.Fatal(err)
	}
	return link
}

func start(t *testing.T, variables ...string) *function.Environment {
	t.Helper()
	e, err := function.Start(t.Context(), self(t), variables...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(e.Stop)
	return e
}

func TestColdStart(t *testing.T) {
	bootstrap := self(t)
	for range 3 {
		got, err := function.ColdStart(t.Context(), bootstrap)
		if err != nil {
			t.Fatal(err)
		}
		if got < initTime || got > initTime+5*time.Second {
			t.Errorf("got %v, want a little more than %v", got, initTime)
		}
	}
}

func TestFunctionThatDoesNotStart(t *testing.T) {
	script := t.TempDir() + "/bootstrap"
	if err := os.WriteFile(script, []byte("#!/bin/sh\necho BERTH_TABLE is not set >&2\nexit 1\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	_, err := function.Start(t.Context(), script)
	if err == nil || !strings.Contains(err.Error(), "exit status 1") || !strings.Contains(err.Error(), "BERTH_TABLE is not set") {
		t.Errorf("got %v, want how it ended and what it said", err)
	}
	if _, err := function.Start(t.Context(), script+"-absent"); err == nil {
		t.Error("a bootstrap that is not there was started")
	}
}

func TestInvoke(t *testing.T) {
	e := start(t)
	for _, event := range []string{`{"a":1}`, `{"b":2}`} {
		got, err := e.Invoke(t.Context(), []byte(event))
		if err != nil || string(got) != event {
			t.Errorf("got %s, %v; want %s", got, err, event)
		}
	}
}

func TestEveryEventIsCounted(t *testing.T) {
	e := start(t)
	const during = 200 * time.Millisecond
	event := []byte(`{"a":1}`)
	for range 2 { // the second one finds nothing left of the first
		r, err := e.Load(t.Context(), event, len(event), during)
		if err != nil {
			t.Fatal(err)
		}
		if r.Elapsed < during || r.Requests < 2 {
			t.Errorf("got %d events in %v, want some in %v or more", r.Requests, r.Elapsed, during)
		}
		if r.P50 <= 0 || r.P99 < r.P50 || time.Duration(r.Requests)*r.P50 > 2*r.Elapsed {
			t.Errorf("latencies %v and %v of %d events in %v", r.P50, r.P99, r.Requests, r.Elapsed)
		}
	}
	if _, err := e.Load(t.Context(), event, len(event)+1, during); err == nil {
		t.Error("answers of another length were counted")
	}
}

func TestFunctionThatFails(t *testing.T) {
	for mode, want := range map[string][]string{
		"fail": {"failed", `{"a":1}`},
		"end":  {"exit status 3", `asked for {"a":1}`},
	} {
		_, err := start(t, "MODE="+mode).Load(t.Context(), []byte(`{"a":1}`), 7, time.Second)
		for _, part := range want {
			if err == nil || !strings.Contains(err.Error(), part) {
				t.Errorf("%s: got %v, want %q in it", mode, err, part)
			}
		}
	}
}
