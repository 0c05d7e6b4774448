package lambda_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/berthregistry/berth/infra/localcloud/lambda"
)

// wantFailure checks what a failed function is said to have failed with.
func wantFailure(t *testing.T, r lambda.Result, errorType, message string) {
	t.Helper()
	var got struct{ ErrorType, ErrorMessage string }
	if err := json.Unmarshal(r.Payload, &got); err != nil {
		t.Fatalf("%v: %s", err, r.Payload)
	}
	if !r.Failed || got.ErrorType != errorType || !strings.Contains(got.ErrorMessage, message) {
		t.Errorf("failed %v with %s, want %s: ... %s", r.Failed, r.Payload, errorType, message)
	}
}

// What ends the process, and what does not.
func TestFunctionFails(t *testing.T) {
	for _, c := range []struct {
		name               string
		order              order
		errorType, message string
		survives           bool
	}{
		{"returns an error", order{Do: "fail", Text: "no such tag"}, "errorString", "no such tag", true},
		{"panics", order{Do: "panic", Text: "nil map"}, "string", "nil map", false},
		{"exits", order{Do: "exit", Size: 7}, "Runtime.ExitError", "Runtime exited with error: exit status 7", false},
		{"exits well", order{Do: "exit"}, "Runtime.ExitError", "Runtime exited without providing a reason", false},
		{"takes too long", order{Sleep: time.Minute}, "Sandbox.Timedout", "Task timed out after 2.00 seconds", false},
		{"answers too much", order{Do: "large", Size: lambda.MaxPayload + 1}, "Function.ResponseSizeTooLarge", "6291456 bytes", false},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			f := newFunction(t, lambda.Config{Timeout: 2 * time.Second, Concurrency: 1})
			first := invoke(t, f, order{})
			r := result(t, f, c.order)
			wantFailure(t, r, c.errorType, c.message)
			if r.RequestID == "" || r.Cold {
				t.Errorf("request id %q, cold %v; want an id and a warm one", r.RequestID, r.Cold)
			}
			// With a concurrency of 1 the next event is throttled unless the
			// place is free by now.
			if next := invoke(t, f, order{}); (next.PID == first.PID) != c.survives {
				t.Errorf("process %d, then %d; want the same: %v", first.PID, next.PID, c.survives)
			}
			if s := f.Stats(); s.Failed != 1 || len(s.Environments) != 1 {
				t.Errorf("got %+v, want 1 failure and 1 environment", s)
			}
		})
	}
}

func TestInitialisationFails(t *testing.T) {
	for _, c := range []struct{ name, handler, errorType, message string }{
		{"exits", "exits", "Runtime.ExitError", "exit status 3"},
		{"hangs", "hangs", "Sandbox.Timedout", "timed out after 1.00 seconds"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			var log syncBuffer
			f := newFunction(t, lambda.Config{Handler: c.handler, InitTimeout: time.Second, Concurrency: 1, Log: &log})
			for range 2 { // a failure occupies no place
				wantFailure(t, result(t, f, order{}), c.errorType, c.message)
			}
			if s := f.Stats(); len(s.Environments) != 0 || s.ColdStarts != 2 {
				t.Errorf("got %+v, want 2 cold starts and no environment", s)
			}
			if got := log.String(); !strings.Contains(got, "INIT_REPORT") {
				t.Errorf("the log says nothing of it:\n%s", got)
			}
		})
	}
}

func TestBootstrapIsMissing(t *testing.T) {
	f := lambda.New(lambda.Config{Name: "pull", Bootstrap: filepath.Join(t.TempDir(), "bootstrap")})
	t.Cleanup(f.Close)
	wantFailure(t, result(t, f, order{}), "Runtime.InvalidEntrypoint", "no such file")
	if s := f.Stats(); len(s.Environments) != 0 {
		t.Errorf("%d environments are left", len(s.Environments))
	}
}

// An event and an answer of exactly 6 MB pass, and one byte more does not.
func TestPayloadLimits(t *testing.T) {
	f := newFunction(t, lambda.Config{Handler: "echoes", Timeout: 20 * time.Second})
	largest := []byte(`"` + strings.Repeat("x", lambda.MaxPayload-2) + `"`)
	r, err := f.Invoke(t.Context(), largest)
	if err != nil || r.Failed || len(r.Payload) != lambda.MaxPayload {
		t.Errorf("6 MB: failed %v, %d bytes, %v", r.Failed, len(r.Payload), err)
	}
	if _, err := f.Invoke(t.Context(), append(largest, ' ')); !errors.Is(err, lambda.ErrTooLarge) {
		t.Errorf("one byte more: got %v, want ErrTooLarge", err)
	}
}

// The function goes on, although who asked has gone.
func TestCallerGivesUp(t *testing.T) {
	f := newFunction(t, lambda.Config{Timeout: 10 * time.Second})
	file := filepath.Join(t.TempDir(), "touched")
	ctx, cancel := context.WithTimeout(t.Context(), 500*time.Millisecond)
	defer cancel()
	_, err := f.Invoke(ctx, event(t, order{Do: "touch", Text: file, Sleep: time.Second}))
	if !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v, want DeadlineExceeded", err)
	}
	eventually(t, "the function comes to its end", func() bool { return exists(file) })
	eventually(t, "its environment is idle", func() bool {
		s := f.Stats()
		return len(s.Environments) == 1 && s.Environments[0].State == "idle"
	})
}

func TestMemoryLimit(t *testing.T) {
	f := newFunction(t, lambda.Config{Memory: 300, Timeout: 30 * time.Second, Concurrency: 1})
	first := invoke(t, f, order{})
	wantFailure(t, result(t, f, order{Do: "grow"}), "Runtime.OutOfMemory", "signal: killed")
	if next := invoke(t, f, order{}); next.PID == first.PID {
		t.Error("the same process goes on")
	}
}

// The fault comes before the function did its work or after: who asked hears of
// an error in both cases.
func TestKilledInTheMiddle(t *testing.T) {
	var kill atomic.Bool
	f := newFunction(t, lambda.Config{Timeout: 10 * time.Second, Concurrency: 1, Kill: kill.Load})
	for range 20 { // it learns how long they take
		invoke(t, f, order{Sleep: 20 * time.Millisecond})
	}
	kill.Store(true)
	killed, done := 0, 0
	for ; killed < 200 && (done == 0 || done == killed); killed++ {
		file := filepath.Join(t.TempDir(), "touched")
		r := result(t, f, order{Do: "touch", Text: file, Sleep: 15 * time.Millisecond})
		wantFailure(t, r, "Runtime.ExitError", "signal: killed")
		if exists(file) {
			done++
		}
	}
	if done == 0 || done == killed {
		t.Errorf("the function had done its work in %d of %d, want some and not all", done, killed)
	}
	if kill.Store(false); f.Stats().Failed != int64(killed) {
		t.Errorf("%d failures, want %d", f.Stats().Failed, killed)
	}
	invoke(t, f, order{})
}

// A process that somebody else ends while it is idle is replaced. The event that
// comes at that moment may be lost with it, and is answered even so.
func TestIdleProcessDies(t *testing.T) {
	f := newFunction(t, lambda.Config{Timeout: 10 * time.Second, Concurrency: 1})
	for i := range 20 {
		first := invoke(t, f, order{})
		process, err := os.FindProcess(first.PID)
		if err != nil {
			t.Fatal(err)
		}
		if err := process.Kill(); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Duration(i%5) * 500 * time.Microsecond)
		if r := result(t, f, order{}); r.Failed {
			wantFailure(t, r, "Runtime.ExitError", "signal: killed")
		}
		if next := invoke(t, f, order{}); next.PID == first.PID {
			t.Error("the dead go on")
		}
	}
}

func exists(file string) bool {
	_, err := os.Stat(file)
	return err == nil
}

func eventually(t testing.TB, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(10 * time.Second); !ok(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("still not so: %s", what)
		}
	}
}

func alive(pid int) bool {
	process, err := os.FindProcess(pid)
	if err != nil || process.Signal(syscall.Signal(0)) != nil {
		return false
	}
	// What has ended is listed until its parent asks, and process 1 of a
	// container, who inherits it, may never ask.
	stat, _ := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid)) // empty where there is no such file
	return !strings.Contains(string(stat), ") Z ")
}
