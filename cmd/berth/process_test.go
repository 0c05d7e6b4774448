package main

import (
	"bufio"
	"bytes"
	"io"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// The test binary is the berth command as well, so that the command is tested
// from outside, with the race detector if the tests have it.
func TestMain(m *testing.M) {
	if os.Getenv("BERTH_TEST_AS_COMMAND") != "" {
		main()
	}
	os.Exit(m.Run())
}

// A process is a running `berth serve`, or another command that listens.
type process struct {
	t      testing.TB
	cmd    *exec.Cmd
	url    string
	line   string // the first on standard output
	more   chan string
	stderr *lines
}

func command(t testing.TB, args ...string) *exec.Cmd {
	t.Helper()
	cmd := exec.Command(os.Args[0], args...)
	cmd.Dir = t.TempDir() // so that a default --data cannot land in the tree
	for _, v := range os.Environ() {
		if !strings.HasPrefix(v, "BERTH_") {
			cmd.Env = append(cmd.Env, v)
		}
	}
	cmd.Env = append(cmd.Env, "BERTH_TEST_AS_COMMAND=1")
	return cmd
}

var startLine = regexp.MustCompile(`^berth serves (https?://\S+) from ([^\s,]+)(, open to .*)?\n$`)

// start runs `berth serve` on a free port and returns when it says that it is
// ready. It is killed at the end of the test if it still runs.
func start(t testing.TB, data string, args ...string) *process {
	t.Helper()
	return launch(t, startLine, append([]string{"serve", "--listen", "127.0.0.1:0", "--data", data}, args...)...)
}

// launch is start for any command whose first line has its URL.
func launch(t testing.TB, line *regexp.Regexp, args ...string) *process {
	t.Helper()
	p := &process{t: t, more: make(chan string, 1), stderr: &lines{}}
	p.cmd = command(t, args...)
	p.cmd.Stderr = p.stderr
	stdout, err := p.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = p.cmd.Process.Kill()
		_ = p.cmd.Wait()
		if t.Failed() {
			t.Logf("log of %s:\n%s", p.url, p.stderr)
		}
	})
	r := bufio.NewReader(stdout)
	p.line, _ = r.ReadString('\n')
	m := line.FindStringSubmatch(p.line)
	if m == nil {
		t.Fatalf("first line is %q, log:\n%s", p.line, p.stderr)
	}
	p.url = m[1]
	go func() {
		rest, _ := io.ReadAll(r)
		p.more <- string(rest)
	}()
	return p
}

func (p *process) signal(s os.Signal) {
	p.t.Helper()
	if err := p.cmd.Process.Signal(s); err != nil {
		p.t.Fatal(err)
	}
}

// end waits until the process has ended and returns its exit status, -1 if a
// signal ended it, and what it printed after the first line.
func (p *process) end() (status int, more string) {
	p.t.Helper()
	select {
	case more = <-p.more:
	case <-time.After(20 * time.Second):
		p.t.Fatal("the process does not end")
	}
	_ = p.cmd.Wait()
	return p.cmd.ProcessState.ExitCode(), more
}

func (p *process) kill() {
	p.t.Helper()
	p.signal(syscall.SIGKILL)
	if status, _ := p.end(); status != -1 {
		p.t.Fatalf("exit status %d, want none", status)
	}
}

// lines is a buffer that may be read while it grows.
type lines struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(p)
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.String()
}

func eventually(t testing.TB, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(15 * time.Second); !ok(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("not within fifteen seconds: %s", what)
		}
	}
}
