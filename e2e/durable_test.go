package e2e

import (
	"context"
	"fmt"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/remote"

	"github.com/berthregistry/berth/e2e/berth"
)

// start runs a berth of the test's own on a data folder. The test ends it, or
// it is killed with the test.
func start(t *testing.T, data string) *berth.Server {
	t.Helper()
	if binary == "" {
		t.Skip("BERTH_E2E_URL names a registry that this test must not stop")
	}
	server, err := berth.Start(t.Context(), binary, data)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(server.Kill)
	return server
}

// at returns a reference on a server of the test's own.
func at(t *testing.T, server *berth.Server, repoAndTag string) name.Reference {
	t.Helper()
	ref, err := name.ParseReference(server.Addr + "/" + repoAndTag)
	if err != nil {
		t.Fatalf("parse a reference: %v", err)
	}
	return ref
}

func TestRestartKeepsEverything(t *testing.T) {
	t.Parallel()
	data, img := t.TempDir(), newImage(t, 1<<10, 5<<20)
	first := start(t, data)
	if err := remote.Write(at(t, first, "team/app:1"), img); err != nil {
		t.Fatalf("push: %v", err)
	}
	if err := first.Stop(); err != nil {
		t.Fatalf("Ctrl-C: %v", err)
	}
	second := start(t, data)
	checkPullable(t, at(t, second, "team/app:1"), digestOf(t, img))
}

// What was answered is there after a kill -9. What was under way is there
// whole or not at all, and can be pushed again.
func TestKillInTheMiddleOfPushes(t *testing.T) {
	t.Parallel()
	data := t.TempDir()
	var answered []v1.Image
	for _, after := range []time.Duration{20, 60, 100, 140} {
		done, torn := newImage(t, 1<<20), newImage(t, 24<<20)
		doneTag, tornTag := fmt.Sprintf("team/app:done-%d", after), fmt.Sprintf("team/app:torn-%d", after)
		server := start(t, data)
		if err := remote.Write(at(t, server, doneTag), done); err != nil {
			t.Fatalf("push: %v", err)
		}
		ended, target := make(chan error, 1), at(t, server, tornTag)
		go func() { ended <- remote.Write(target, torn, noRetry) }()
		time.Sleep(after * time.Millisecond)
		server.Kill()
		<-ended

		again := start(t, data)
		if _, err := remote.Head(at(t, again, tornTag)); err == nil {
			checkPullable(t, at(t, again, tornTag), digestOf(t, torn))
		}
		if err := remote.Write(at(t, again, tornTag), torn); err != nil {
			t.Fatalf("killed after %d ms: push again: %v", after, err)
		}
		answered = append(answered, done, torn)
		for _, img := range answered {
			checkPullable(t, at(t, again, "team/app@"+digestOf(t, img).String()), digestOf(t, img))
		}
		again.Kill()
	}
}

// noRetry makes the client give up when its server is gone.
var noRetry = remote.WithRetryBackoff(remote.Backoff{Steps: 1})

// Two registries on one data folder would harm it: the second says who is
// there and ends.
func TestSecondStartOnTheSameFolder(t *testing.T) {
	t.Parallel()
	data := t.TempDir()
	start(t, data)
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	second := exec.CommandContext(ctx, binary, "serve", "--listen", "127.0.0.1:0", "--data", data)
	out, err := second.CombinedOutput()
	if err == nil || ctx.Err() != nil {
		t.Fatalf("the second start: got %v, want it to end with an error", err)
	}
	if !strings.Contains(string(out), data) {
		t.Errorf("the second start says %q, want it to name the folder %s", out, data)
	}
}
