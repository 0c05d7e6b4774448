package function

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"time"

	"github.com/berthregistry/berth/bench/machine"
)

// startTimeout is how long a function may take until it asks for work. Lambda
// allows 10 seconds.
const startTimeout = 10 * time.Second

// An Environment is one process of a function with a runtime API of its own, as
// Lambda runs it. Its methods are not safe for concurrent use.
type Environment struct {
	// Init is how long the start took: from before the process was made to its
	// first call for work.
	Init time.Duration

	api     *runtimeAPI
	process *exec.Cmd
	log     string        // path of the file that it writes to
	ended   chan struct{} // closed when the process has ended
}

// Start runs a bootstrap and returns when it has asked for work. More of its
// environment goes into variables, as NAME=VALUE. What it prints goes to a file
// beside it.
func Start(ctx context.Context, bootstrap string, variables ...string) (*Environment, error) {
	e := &Environment{log: bootstrap + ".log", ended: make(chan struct{})}
	log, err := os.Create(e.log)
	if err != nil {
		return nil, fmt.Errorf("start function: %w", err)
	}
	defer log.Close() // the process has it open by itself
	if e.api, err = newRuntimeAPI(); err != nil {
		return nil, fmt.Errorf("start function: %w", err)
	}
	e.process = exec.Command(bootstrap)
	e.process.Env = append(environment(e.api.addr), variables...)
	e.process.Stdout, e.process.Stderr = log, log
	machine.Tie(e.process)
	began := time.Now()
	if err := e.process.Start(); err != nil {
		e.api.close()
		return nil, fmt.Errorf("start function: %w", err)
	}
	go func() {
		e.process.Wait() // it is killed, or said why it ended
		close(e.ended)
	}()
	asked, err := await(ctx, e, startTimeout, e.api.asked)
	if err != nil {
		e.Stop()
		return nil, fmt.Errorf("start function: no call for work: %w", err)
	}
	e.Init = asked.Sub(began)
	return e, nil
}

// ColdStart starts a bootstrap with access control, which is what the template
// deploys unless told otherwise, ends it, and returns how long the start took.
func ColdStart(ctx context.Context, bootstrap string) (time.Duration, error) {
	e, err := Start(ctx, bootstrap, "BERTH_ACCESS=policy")
	if err != nil {
		return 0, err
	}
	e.Stop()
	return e.Init, nil
}

// Stop ends the process.
func (e *Environment) Stop() {
	e.process.Process.Kill() // the only error is that it has ended
	<-e.ended
	e.api.close()
}

// CPUTime is what the process has spent so far. Errors: machine.ErrUnknown.
func (e *Environment) CPUTime() (time.Duration, error) {
	return machine.CPUTime(e.process.Process.Pid)
}

// await waits for what the process of e does next. It is an error if that ends
// instead, or takes longer than it may.
func await[T any](ctx context.Context, e *Environment, limit time.Duration, next <-chan T) (got T, err error) {
	late := time.NewTimer(limit)
	defer late.Stop()
	select {
	case got = <-next:
		return got, nil
	case <-e.ended:
		err = fmt.Errorf("the function ended: %v", e.process.ProcessState)
	case <-late.C:
		err = fmt.Errorf("not within %v", limit)
	case <-ctx.Done():
		return got, ctx.Err()
	}
	said, _ := os.ReadFile(e.log) // without it the error says less, that is all
	return got, fmt.Errorf("%w; it printed:\n%s", err, said[max(0, len(said)-lastWords):])
}

// lastWords is how much of what a function printed an error repeats, in bytes.
const lastWords = 4 << 10

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
		"BERTH_ACCESS=open",
		"BERTH_BUCKET=bench",
		"BERTH_BUS=bench",
		"BERTH_SIGNING_KEY=/bench/signing-key",
		"BERTH_URL=https://bench.example",
		"LANG=en_US.UTF-8",
		"PATH=/usr/local/bin:/usr/bin:/bin:/opt/bin",
		"TZ=:UTC",
	}
}
