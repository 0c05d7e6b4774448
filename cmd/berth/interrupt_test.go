package main

import (
	"io"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/berthregistry/berth/shared/registry"
)

// Who interrupts a copy is not kept waiting, and is told how to go on.
func TestInterruptedPush(t *testing.T) {
	alone(t)
	t.Chdir(t.TempDir())
	from, to := open(t, registry.Rules{}), newElsewhere(t)
	pushIndexOf(t, from.URL, "app", "1")
	berth(t, "", "pull", from.host()+"/app:1", "layout").wants(t, 0)
	sending, release := make(chan struct{}, 100), make(chan struct{})
	slow := metered(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodPatch {
			sending <- struct{}{}
			_, _ = io.CopyN(io.Discard, r.Body, 1<<20)
			<-release
			return
		}
		to.ServeHTTP(w, r)
	}))
	defer close(release)

	folder, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	cmd := command(t, "push", folder+"/layout", slow.host()+"/app:1")
	var printed lines
	cmd.Stdout, cmd.Stderr = &printed, &printed
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	<-sending
	interrupted := time.Now()
	if err := cmd.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait()
	if took := time.Since(interrupted); took > 5*time.Second {
		t.Errorf("it ended after %s", took)
	}
	if got := cmd.ProcessState.ExitCode(); got != 1 {
		t.Errorf("exit status %d, want 1", got)
	}
	if !strings.Contains(printed.String(), "interrupted; the same command goes on where it ended") {
		t.Errorf("printed %q", printed.String())
	}
}
