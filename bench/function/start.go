package function

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"net/http"
	"os/exec"
	"time"

	"github.com/berthregistry/berth/bench/machine"
)

// startTimeout is how long a function may take until it asks for work. Lambda
// allows 10 seconds.
const startTimeout = 10 * time.Second

// A Runtime is the part of Lambda's Runtime API that a function meets at its
// start. It has no work for anybody.
type Runtime struct {
	listener net.Listener
	server   *http.Server
	asked    chan time.Time // when a function asked for work
}

// NewRuntime starts one on a loopback address.
func NewRuntime() (*Runtime, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("start the runtime API: %w", err)
	}
	r := &Runtime{listener: l, asked: make(chan time.Time, 1)}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /2018-06-01/runtime/invocation/next", r.next)
	r.server = &http.Server{Handler: mux}
	go r.server.Serve(l)
	return r, nil
}

// Close ends the API.
func (r *Runtime) Close() { r.server.Close() }

func (r *Runtime) next(_ http.ResponseWriter, req *http.Request) {
	select {
	case r.asked <- time.Now():
	default: // somebody who outlived its turn; nobody counts it
	}
	<-req.Context().Done()
}

// ColdStart starts a bootstrap and returns how long that took: from before the
// process is made to its first call for work. Then it is killed.
func (r *Runtime) ColdStart(ctx context.Context, bootstrap string) (time.Duration, error) {
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	var said bytes.Buffer
	function := exec.Command(bootstrap)
	function.Env = environment(r.listener.Addr().String())
	function.Stdout, function.Stderr = &said, &said
	machine.Tie(function)
	began := time.Now()
	if err := function.Start(); err != nil {
		return 0, fmt.Errorf("start function: %w", err)
	}
	ended := make(chan struct{})
	go func() {
		function.Wait() // it is killed, or said why it ended
		close(ended)
	}()
	defer func() {
		function.Process.Kill()
		<-ended
	}()
	select {
	case at := <-r.asked:
		return at.Sub(began), nil
	case <-ended:
		return 0, fmt.Errorf("start function: it ended: %v\n%s", function.ProcessState, said.Bytes())
	case <-ctx.Done():
		return 0, fmt.Errorf("start function: it does not ask for work: %w", ctx.Err())
	}
}

// environment is what Lambda and the template set, and nothing else: what this
// process has in its own would be a different start.
func environment(api string) []string {
	return []string{
		"AWS_LAMBDA_RUNTIME_API=" + api,
		"AWS_LAMBDA_FUNCTION_NAME=bench",
		"AWS_LAMBDA_FUNCTION_MEMORY_SIZE=512",
		"AWS_REGION=eu-central-1",
		"AWS_ACCESS_KEY_ID=bench",
		"AWS_SECRET_ACCESS_KEY=bench",
		"AWS_SESSION_TOKEN=bench",
		"BERTH_TABLE=bench",
		"BERTH_BUCKET=bench",
		"LANG=en_US.UTF-8",
		"PATH=/usr/local/bin:/usr/bin:/bin:/opt/bin",
		"TZ=:UTC",
	}
}
