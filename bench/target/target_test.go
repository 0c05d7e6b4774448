package target_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/signal"
	"strings"
	"testing"
	"time"

	"github.com/berthregistry/berth/bench/client"
	"github.com/berthregistry/berth/bench/machine"
	"github.com/berthregistry/berth/bench/target"
)

// The processes that are started here are all this program. By its first
// argument it is a bare server, or a registry that can't start, or the tests.
const (
	bareMode = "berth-bench-bare"
	cannot   = "the disk is on fire"
)

func TestMain(m *testing.M) {
	switch {
	case len(os.Args) > 1 && os.Args[1] == "serve":
		fmt.Fprintln(os.Stderr, cannot)
		os.Exit(1)
	case len(os.Args) == 3 && os.Args[1] == bareMode:
		ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
		fmt.Fprintln(os.Stderr, target.ServeBare(ctx, os.Args[2]))
		stop()
		os.Exit(1)
	}
	os.Exit(m.Run())
}

func TestBareGivesTheAnswer(t *testing.T) {
	want := client.Answer{
		Header: http.Header{"Content-Type": {"application/json"}, "Docker-Content-Digest": {"sha256:0"}, "Date": {"long ago"}},
		Body:   []byte(`{"schemaVersion":2}`),
	}
	bare, err := target.Bare(t.Context(), want, t.TempDir(), os.Args[0], bareMode)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(bare.Stop)
	got, err := bare.Get(t.Context(), "/v2/any/thing")
	if err != nil {
		t.Fatal(err)
	}
	if string(got.Body) != string(want.Body) || got.Header.Get("Docker-Content-Digest") != "sha256:0" {
		t.Errorf("got %+v, want %+v", got, want)
	}
	if date := got.Header.Get("Date"); date == "" || date == "long ago" {
		t.Errorf("date %q is not that of the answer", date)
	}
	peak, err := bare.PeakMemory()
	if !errors.Is(err, machine.ErrUnknown) && (err != nil || peak < 1<<20) {
		t.Errorf("peak memory: got %d, %v", peak, err)
	}
	start := time.Now()
	bare.Stop()
	if took := time.Since(start); took > 5*time.Second {
		t.Errorf("it took %v to stop: it does not listen to signals", took)
	}
	if err := bare.Ping(t.Context()); err == nil {
		t.Error("it answers after it was stopped")
	}
}

func TestServerThatDoesNotStart(t *testing.T) {
	_, err := target.Berth(t.Context(), os.Args[0], t.TempDir())
	if err == nil {
		t.Fatal("this test is no registry, yet it was started as one")
	}
	if !strings.Contains(err.Error(), cannot) || !strings.Contains(err.Error(), "exit status 1") {
		t.Errorf("the error does not say how it ended and what it printed: %v", err)
	}
}

func TestOthersProcessesAreUnknown(t *testing.T) {
	there, err := target.At("zot", "http://127.0.0.1:5000")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := there.CPUTime(); !errors.Is(err, machine.ErrUnknown) {
		t.Errorf("CPU time: got error %v", err)
	}
	if _, err := there.PeakMemory(); !errors.Is(err, machine.ErrUnknown) {
		t.Errorf("peak memory: got error %v", err)
	}
	there.Stop() // leaves it alone
}
