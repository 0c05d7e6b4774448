package lambda_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"strconv"
	"testing"
	"time"

	"github.com/berthregistry/berth/infra/localcloud/lambda"
)

// BenchmarkWarm is what one invocation costs beside what the function does,
// which here is nothing.
func BenchmarkWarm(b *testing.B) {
	f := newFunction(b, lambda.Config{Handler: "echoes", Timeout: 10 * time.Second})
	event := []byte(`{"hello":"world"}`)
	for b.Loop() {
		if _, err := f.Invoke(b.Context(), event); err != nil {
			b.Fatal(err)
		}
	}
	if n := f.Stats().ColdStarts; n != 1 {
		b.Fatalf("%d cold starts", n)
	}
}

// BenchmarkBare is the same process behind a server that answers and does
// nothing else: what is left for the function and its runtime themselves.
func BenchmarkBare(b *testing.B) {
	handed, answered := make(chan struct{}), make(chan struct{})
	mux := http.NewServeMux()
	mux.HandleFunc("GET /2018-06-01/runtime/invocation/next", func(w http.ResponseWriter, r *http.Request) {
		<-handed
		w.Header().Set("Lambda-Runtime-Aws-Request-Id", "1")
		w.Header().Set("Lambda-Runtime-Deadline-Ms", strconv.FormatInt(time.Now().Add(time.Minute).UnixMilli(), 10))
		io.WriteString(w, `{"hello":"world"}`)
	})
	mux.HandleFunc("POST /2018-06-01/runtime/invocation/1/response", func(w http.ResponseWriter, r *http.Request) {
		io.Copy(io.Discard, r.Body)
		w.WriteHeader(http.StatusAccepted)
		answered <- struct{}{}
	})
	server := httptest.NewServer(mux)
	cmd := exec.Command(os.Args[0])
	cmd.Env = []string{"_HANDLER=echoes", "AWS_LAMBDA_RUNTIME_API=" + server.Listener.Addr().String()}
	if err := cmd.Start(); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { cmd.Process.Kill(); cmd.Wait(); server.CloseClientConnections() })
	for b.Loop() {
		handed <- struct{}{}
		<-answered
	}
}

func BenchmarkWarmParallel(b *testing.B) {
	f := newFunction(b, lambda.Config{Handler: "echoes", Timeout: 10 * time.Second})
	event := []byte(`{"hello":"world"}`)
	b.SetParallelism(4)
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if _, err := f.Invoke(b.Context(), event); err != nil {
				b.Error(err)
			}
		}
	})
}

func BenchmarkCold(b *testing.B) {
	f := newFunction(b, lambda.Config{Handler: "echoes", Timeout: 10 * time.Second, Idle: time.Nanosecond})
	for b.Loop() {
		if _, err := f.Invoke(b.Context(), []byte(`{}`)); err != nil {
			b.Fatal(err)
		}
		eventually(b, "it has ended", func() bool { return len(f.Stats().Environments) == 0 })
	}
}
