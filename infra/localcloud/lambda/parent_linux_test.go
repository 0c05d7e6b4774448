package lambda_test

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/berthregistry/berth/infra/localcloud/lambda"
)

// parent is a program that has one busy and one frozen child, says their ids and
// waits to be killed.
func parent() {
	f := lambda.New(lambda.Config{Name: "pull", Bootstrap: os.Args[0], Memory: 1024, Timeout: time.Minute})
	ctx := context.Background()
	go f.Invoke(ctx, []byte(`{"sleep":60000000000}`))
	for f.Stats().Invocations == 0 {
		time.Sleep(time.Millisecond)
	}
	if r, err := f.Invoke(ctx, []byte(`{}`)); err != nil || r.Failed {
		fmt.Fprintln(os.Stderr, err, r)
		os.Exit(1)
	}
	fmt.Println(children())
	select {}
}

// Children end with their parent even if it is killed, the frozen ones too.
func TestChildrenEndWithTheirParent(t *testing.T) {
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), parentVariable+"=1")
	cmd.Stderr = t.Output()
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { cmd.Process.Kill(); cmd.Wait() })
	var pids []int
	if err := json.NewDecoder(out).Decode(&pids); err != nil {
		t.Fatal(err)
	}
	if len(pids) != 2 {
		t.Fatalf("the parent has the children %v, want 2", pids)
	}
	for _, pid := range pids {
		if !alive(pid) {
			t.Errorf("process %d has ended before its parent", pid)
		}
	}
	cmd.Process.Kill()
	for _, pid := range pids {
		eventually(t, fmt.Sprintf("process %d has ended", pid), func() bool { return !alive(pid) })
	}
}

// children returns the children of all threads, as a JSON list.
func children() string {
	var pids []string
	tasks, _ := filepath.Glob("/proc/self/task/*/children")
	for _, task := range tasks {
		list, _ := os.ReadFile(task) // of a thread that has ended: none
		pids = append(pids, strings.Fields(string(list))...)
	}
	return "[" + strings.Join(pids, ",") + "]"
}
