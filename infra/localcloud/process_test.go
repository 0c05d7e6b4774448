package main

import (
	"bufio"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// command is localcloud as a process: the test binary, which has the race
// detector if the tests have it.
func command(t *testing.T, args ...string) *exec.Cmd {
	t.Helper()
	cmd := exec.Command(os.Args[0], args...)
	cmd.Dir = projectRoot
	cmd.Env = append(os.Environ(), "BERTH_TEST_AS_COMMAND=1")
	return cmd
}

// runs starts localcloud, waits for its two lines, and returns the address of
// the registry.
func runs(t *testing.T, cmd *exec.Cmd) string {
	t.Helper()
	stderr := &lines{}
	cmd.Stderr = stderr
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Process.Kill() }) // it has ended, unless the test failed
	r := bufio.NewReader(stdout)
	first, _ := r.ReadString('\n')
	second, _ := r.ReadString('\n')
	go io.Copy(io.Discard, r)
	m := regexp.MustCompile(`^registry (http://127\.0\.0\.1:[0-9]+)\ncontrol http://127\.0\.0\.1:[0-9]+\n$`).FindStringSubmatch(first + second)
	if m == nil {
		t.Fatalf("the first lines are %q, log:\n%s", first+second, stderr)
	}
	return m[1]
}

// ends sends a signal and waits for a good end.
func ends(t *testing.T, cmd *exec.Cmd, s os.Signal) {
	t.Helper()
	if err := cmd.Process.Signal(s); err != nil {
		t.Fatal(err)
	}
	stuck := time.AfterFunc(30*time.Second, func() { _ = cmd.Process.Kill() })
	defer stuck.Stop()
	if err := cmd.Wait(); err != nil {
		t.Fatalf("it ends with %v, log:\n%s", err, cmd.Stderr)
	}
}

// needEngine skips a test that starts a DynamoDB of its own where none is
// installed.
func needEngine(t *testing.T) {
	t.Helper()
	serviceURL(t, "BERTH_TEST_DYNAMODB") // who has none has no engine either
	const installed = projectRoot + "/scripts/services/node_modules/.installed-lock"
	if _, err := os.Stat(installed); err != nil && os.Getenv("BERTH_TEST_REQUIRE") != "1" {
		t.Skip("the DynamoDB engine is not installed: scripts/services/dynamodb does that")
	}
}

// With services of its own the cloud starts, and whichever way it ends, they
// end with it and its files are gone.
func TestOwnServices(t *testing.T) {
	needEngine(t)
	for _, s := range []syscall.Signal{syscall.SIGINT, syscall.SIGTERM} {
		cmd := command(t, "--quiet", "--bootstraps", bootstraps(t))
		scratch := t.TempDir()
		cmd.Env = append(cmd.Env, "TMPDIR="+scratch)
		c := newClient(t, runs(t, cmd))
		c.pushImage("team/app", "v1", noise(100<<10))
		pids := children(t, cmd.Process.Pid)
		if len(pids) < 3 { // two stores, one function
			t.Errorf("it has %d children, want at least 3", len(pids))
		}
		ends(t, cmd, s)
		for _, pid := range pids {
			if alive(pid) {
				t.Errorf("after %v its child %s is still there", s, pid)
			}
		}
		left, err := filepath.Glob(filepath.Join(scratch, "*"))
		if err != nil || len(left) > 0 {
			t.Errorf("after %v there are files: %q, %v", s, left, err)
		}
	}
}

// A cloud that is killed outright has no time to end anything. The kernel does.
func TestKilledCloud(t *testing.T) {
	services := []string{
		"--dynamodb", serviceURL(t, "BERTH_TEST_DYNAMODB"), "--s3", serviceURL(t, "BERTH_TEST_S3"),
		"--s3-access-key", os.Getenv("BERTH_TEST_S3_ACCESS_KEY"), "--s3-secret-key", os.Getenv("BERTH_TEST_S3_SECRET_KEY"),
	}
	// Its files, a table and a bucket are left: nobody is there to remove them.
	cmd := command(t, append(services, "--quiet", "--bootstraps", bootstraps(t), "--data", t.TempDir())...)
	url := runs(t, cmd)
	newClient(t, url).want(200, "GET", "/v2/", nil)
	pids := children(t, cmd.Process.Pid)
	if len(pids) == 0 {
		t.Fatal("no function runs")
	}
	_ = cmd.Process.Kill()
	_ = cmd.Wait()
	for _, pid := range pids {
		eventually(t, "the child ends", func() bool { return !alive(pid) })
	}
	if _, err := http.Get(url); err == nil {
		t.Error("it answers still")
	}
}

// children are the ids of all processes right below one.
func children(t *testing.T, pid int) []string {
	t.Helper()
	out, err := exec.Command("pgrep", "-P", strconv.Itoa(pid)).Output()
	if err != nil {
		t.Skipf("children cannot be listed here: %v", err)
	}
	return strings.Fields(string(out))
}

// alive reports whether a process runs. What has ended is listed until its
// parent asks, and process 1 of a container, who inherits it, may never ask.
func alive(pid string) bool {
	stat, err := os.ReadFile("/proc/" + pid + "/stat")
	return err == nil && !strings.Contains(string(stat), ") Z ")
}

func TestFlagsThatMakeNoSense(t *testing.T) {
	t.Chdir(projectRoot)
	for _, tt := range []struct {
		arg    string
		status int
		says   string
	}{
		{"--unknown", 2, "unknown flag"},
		{"--fault=earthquake", 1, "earthquake"},
		{"--deviate=upside-down", 1, "upside-down"},
		{"--control=0.0.0.0:0", 1, "loopback only"},
		{"--template=absent.yaml", 1, "absent.yaml"},
		{"--parameter=Colour=red", 1, "no parameter Colour"},
		{"--parameter=Indexes=some", 1, "not one of all, none"},
	} {
		var out, stderr strings.Builder
		got := run([]string{tt.arg}, &out, &stderr)
		if got != tt.status || !strings.Contains(stderr.String(), tt.says) {
			t.Errorf("%s: got status %d and %q, want %d and a word of %q", tt.arg, got, stderr.String(), tt.status, tt.says)
		}
	}
}
