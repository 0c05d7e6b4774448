package lambda_test

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/berthregistry/berth/infra/localcloud/lambda"
)

// What the function is told is what Lambda tells.
func TestWhatTheFunctionIsTold(t *testing.T) {
	t.Setenv("BERTH_SECRET_OF_THE_PARENT", "leaked")
	f := newFunction(t, lambda.Config{
		ARN: "arn:aws:lambda:eu-west-1:1:function:pull", Timeout: 20 * time.Second,
		Env: func() []string { return []string{"BERTH_TABLE=registry", "AWS_REGION=eu-west-1", "LANG=C"} },
	})
	r := result(t, f, order{})
	s := invoke(t, f, order{Text: "é\n"})
	if s.ARN != "arn:aws:lambda:eu-west-1:1:function:pull" || s.Text != "é\n" || s.ID == "" || s.ID == r.RequestID {
		t.Errorf("got %+v", s)
	}
	if s.Remains < 18*time.Second || s.Remains > 20*time.Second {
		t.Errorf("%v remain, want nearly 20 s", s.Remains)
	}
	if !regexp.MustCompile(`^Root=1-[0-9a-f]{8}-[0-9a-f]{24};Parent=[0-9a-f]{16};Sampled=0$`).MatchString(s.Trace) {
		t.Errorf("trace %q", s.Trace)
	}
	for name, want := range map[string]string{
		"BERTH_TABLE": "registry", "AWS_REGION": "eu-west-1", "LANG": "C",
		"AWS_LAMBDA_FUNCTION_NAME": "pull", "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "1024",
		"AWS_LAMBDA_FUNCTION_VERSION": "$LATEST", "TZ": ":UTC", "BERTH_SECRET_OF_THE_PARENT": "",
	} {
		if got := s.Env[name]; got != want {
			t.Errorf("%s=%s, want %q", name, got, want)
		}
	}
}

// Each environment is asked for its own environment variables.
func TestEnvironmentsHaveTheirOwnVariables(t *testing.T) {
	var mu sync.Mutex
	n := 0
	f := newFunction(t, lambda.Config{Timeout: 10 * time.Second, Env: func() []string {
		mu.Lock()
		defer mu.Unlock()
		n++
		return []string{fmt.Sprintf("AWS_ACCESS_KEY_ID=key%d", n)}
	}})
	keys := sync.Map{}
	atOnce(t, 3, func() { keys.Store(invoke(t, f, order{Sleep: 500 * time.Millisecond}).Env["AWS_ACCESS_KEY_ID"], true) })
	for i := range 3 {
		if _, ok := keys.Load(fmt.Sprintf("key%d", i+1)); !ok {
			t.Errorf("no environment had key%d", i+1)
		}
	}
}

func TestConcurrency(t *testing.T) {
	const most = 3
	f := newFunction(t, lambda.Config{Timeout: 20 * time.Second, Concurrency: most})
	pids := sync.Map{}
	atOnce(t, most, func() {
		s := invoke(t, f, order{Sleep: 2 * time.Second})
		if _, twice := pids.LoadOrStore(s.PID, true); twice {
			t.Errorf("process %d had two events at once", s.PID)
		}
	}, func() {
		eventually(t, "all are busy", func() bool { return f.Stats().Invocations == most })
		if _, err := f.Invoke(t.Context(), event(t, order{})); !errors.Is(err, lambda.ErrThrottled) {
			t.Errorf("one too many: got %v, want ErrThrottled", err)
		}
	})
	if s := f.Stats(); s.ColdStarts != most || s.Throttled != 1 || s.Invocations != most {
		t.Errorf("got %+v", s)
	}
	// One caller alone keeps to the process that was used last.
	last := invoke(t, f, order{})
	for range 5 {
		if s := invoke(t, f, order{}); s.PID != last.PID {
			t.Errorf("process %d is used, %d was the last", s.PID, last.PID)
		}
	}
}

// Many callers and few places: each event is answered with its own answer, or
// throttled.
func TestManyAtOnce(t *testing.T) {
	f := newFunction(t, lambda.Config{Handler: "echoes", Timeout: 20 * time.Second, Concurrency: 4})
	var mu sync.Mutex
	counts := map[string]int{}
	var callers []func()
	for caller := range 8 {
		callers = append(callers, func() {
			for i := range 100 {
				want := fmt.Sprintf(`"%d of %d"`, i, caller)
				r, err := f.Invoke(t.Context(), []byte(want))
				outcome := "served"
				switch {
				case errors.Is(err, lambda.ErrThrottled):
					outcome = "throttled"
					time.Sleep(time.Millisecond)
				case err != nil || string(r.Payload) != want:
					t.Errorf("got %s, %v, want %s", r.Payload, err, want)
				}
				mu.Lock()
				counts[outcome]++
				mu.Unlock()
			}
		})
	}
	atOnce(t, 1, callers[0], callers[1:]...)
	s := f.Stats()
	if s.Invocations != int64(counts["served"]) || s.Throttled != int64(counts["throttled"]) || s.ColdStarts > 4 || s.Failed > 0 {
		t.Errorf("counted %v, got %+v", counts, s)
	}
}

// What a function leaves running when it answers goes on only with its next
// event.
func TestFrozenBetweenEvents(t *testing.T) {
	f := newFunction(t, lambda.Config{Timeout: 10 * time.Second})
	file := filepath.Join(t.TempDir(), "touched")
	invoke(t, f, order{Do: "touch later", Text: file})
	time.Sleep(500 * time.Millisecond)
	if exists(file) {
		t.Fatal("the function went on after its answer")
	}
	invoke(t, f, order{Sleep: 300 * time.Millisecond})
	if !exists(file) {
		t.Error("what was left running is gone")
	}
}

func TestIdleEnvironmentsEnd(t *testing.T) {
	f := newFunction(t, lambda.Config{Timeout: 10 * time.Second, Idle: 50 * time.Millisecond})
	first := invoke(t, f, order{})
	eventually(t, "no environment is left", func() bool { return len(f.Stats().Environments) == 0 })
	if next := invoke(t, f, order{}); next.PID == first.PID {
		t.Error("the process that was ended goes on")
	}
}

// Events that come just when an environment is about to end are served all the
// same.
func TestEventsRaceIdleEnd(t *testing.T) {
	f := newFunction(t, lambda.Config{Handler: "echoes", Timeout: 10 * time.Second, Idle: time.Millisecond})
	for range 30 {
		if r := result(t, f, order{}); r.Failed {
			t.Fatalf("%s", r.Payload)
		}
		time.Sleep(time.Millisecond)
	}
	t.Logf("%d cold starts for 30 events", f.Stats().ColdStarts)
}

// Whatever ends environments at whatever moment, each caller hears how it went,
// and each success is the right one.
func TestEverythingAtOnce(t *testing.T) {
	f := newFunction(t, lambda.Config{
		Handler: "echoes", Timeout: 20 * time.Second, Concurrency: 3, Idle: 2 * time.Millisecond,
		Kill: func() bool { return rand.N(4) == 0 },
	})
	var served, failed, refused atomic.Int64
	atOnce(t, 6, func() {
		for i := range 40 {
			want := fmt.Sprintf(`"%d"`, i)
			switch r, err := f.Invoke(t.Context(), []byte(want)); {
			case errors.Is(err, lambda.ErrThrottled):
				refused.Add(1)
			case err != nil:
				t.Error(err)
			case r.Failed:
				wantFailure(t, r, "Runtime.ExitError", "signal: killed")
				failed.Add(1)
			case string(r.Payload) != want:
				t.Errorf("got %s, want %s", r.Payload, want)
			default:
				served.Add(1)
			}
			time.Sleep(rand.N(4 * time.Millisecond))
		}
	})
	if s := f.Stats(); s.Invocations != served.Load()+failed.Load() || s.Throttled != refused.Load() || s.Failed != failed.Load() {
		t.Errorf("%d served, %d failed, %d refused, got %+v", served.Load(), failed.Load(), refused.Load(), s)
	}
	eventually(t, "no environment is left", func() bool { return len(f.Stats().Environments) == 0 })
}

func TestCloseEndsAll(t *testing.T) {
	f := newFunction(t, lambda.Config{Timeout: 20 * time.Second})
	idle := invoke(t, f, order{})
	atOnce(t, 2, func() {
		if _, err := f.Invoke(t.Context(), event(t, order{Sleep: 20 * time.Second})); !errors.Is(err, lambda.ErrClosed) {
			t.Errorf("the one under way: got %v, want ErrClosed", err)
		}
	}, func() {
		eventually(t, "two are busy", func() bool { return f.Stats().Invocations == 3 })
		f.Close()
		f.Close()
	})
	if alive(idle.PID) {
		t.Error("the idle process is still there")
	}
	if _, err := f.Invoke(t.Context(), event(t, order{})); !errors.Is(err, lambda.ErrClosed) {
		t.Errorf("after: got %v, want ErrClosed", err)
	}
	if s := f.Stats(); len(s.Environments) != 0 {
		t.Errorf("%d environments are left", len(s.Environments))
	}
}

func TestLog(t *testing.T) {
	var log syncBuffer
	f := newFunction(t, lambda.Config{Timeout: 10 * time.Second, Log: &log})
	invoke(t, f, order{Do: "print", Text: "hello"})
	invoke(t, f, order{Do: "print", Text: "again"})
	f.Close()
	got := log.String()
	for line := range strings.Lines(got) {
		if !strings.HasPrefix(line, "pull/1 ") {
			t.Errorf("a line does not say whose it is: %s", line)
		}
	}
	for _, want := range []string{"to stdout: hello\n", "to stderr: again\n", "START RequestId: ", "END RequestId: "} {
		if !strings.Contains(got, want) {
			t.Errorf("the log has no %q:\n%s", want, got)
		}
	}
	reports := regexp.MustCompile(`REPORT RequestId: [0-9a-f-]{36}\tDuration: [0-9.]+ ms\tBilled Duration: [0-9]+ ms\tMemory Size: 1024 MB\tMax Memory Used: [1-9][0-9]* MB(\tInit Duration: [0-9.]+ ms)?\n`).
		FindAllStringSubmatch(got, -1)
	if len(reports) != 2 || reports[0][1] == "" || reports[1][1] != "" {
		t.Errorf("want two reports, the first of a cold start:\n%s", got)
	}
}

// atOnce runs f n times and the others once, all at the same time.
func atOnce(t *testing.T, n int, f func(), others ...func()) {
	t.Helper()
	var wg sync.WaitGroup
	for range n {
		wg.Go(f)
	}
	for _, other := range others {
		wg.Go(other)
	}
	wg.Wait()
}

type syncBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (s *syncBuffer) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(p)
}

func (s *syncBuffer) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}
