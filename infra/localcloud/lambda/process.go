package lambda

import (
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"time"
)

// A process is a bootstrap that runs.
type process struct {
	cmd    *exec.Cmd
	status io.ReaderAt
	exited chan struct{} // closed when it has ended and all that it printed is logged
	err    error         // of its end; to be read after exited
}

// spawn starts the bootstrap with the environment that Lambda gives it. Nothing
// of our own environment reaches it.
func (f *Function) spawn(stream, runtimeAPI string) (*process, error) {
	cmd := exec.Command(f.Bootstrap)
	cmd.Dir = filepath.Dir(f.Bootstrap)
	cmd.Env = f.environ(stream, runtimeAPI)
	cmd.SysProcAttr = attributes()
	cmd.WaitDelay = time.Second // should a child of its own hold on to its output
	if f.Log != nil {
		out := f.log.prefixed(stream)
		cmd.Stdout, cmd.Stderr = out, out
	}
	if err := f.spawner.start(cmd); err != nil {
		return nil, err
	}
	p := &process{cmd: cmd, exited: make(chan struct{})}
	var closer io.Closer
	p.status, closer = openStatus(cmd)
	go func() {
		defer close(p.exited)
		p.err = cmd.Wait()
		closer.Close()
	}()
	return p, nil
}

func (f *Function) environ(stream, runtimeAPI string) []string {
	env := []string{
		"AWS_LAMBDA_RUNTIME_API=" + runtimeAPI,
		"AWS_LAMBDA_FUNCTION_NAME=" + f.Name,
		"AWS_LAMBDA_FUNCTION_VERSION=$LATEST",
		"AWS_LAMBDA_FUNCTION_MEMORY_SIZE=" + strconv.Itoa(f.Memory),
		"AWS_LAMBDA_INITIALIZATION_TYPE=on-demand",
		"AWS_LAMBDA_LOG_GROUP_NAME=/aws/lambda/" + f.Name,
		"AWS_LAMBDA_LOG_STREAM_NAME=" + stream,
		"LAMBDA_TASK_ROOT=" + filepath.Dir(f.Bootstrap),
		"_HANDLER=" + f.Handler,
		"LANG=en_US.UTF-8",
		"PATH=/usr/local/bin:/usr/bin:/bin",
		"TZ=:UTC",
		"TMPDIR=" + os.TempDir(),
	}
	if f.Env != nil {
		env = append(env, f.Env()...) // of two of one name the last one counts
	}
	return env
}

// end kills the process and waits for its end. A process that is frozen ends
// all the same.
func (p *process) end() {
	p.cmd.Process.Kill() // one that has ended already is what we want
	<-p.exited
}

// how says how the process has ended, as Lambda words it.
func (p *process) how() string {
	if exit, ok := errors.AsType[*exec.ExitError](p.err); ok {
		return "Runtime exited with error: " + exit.Error()
	}
	return "Runtime exited without providing a reason"
}

// A spawner starts processes from one thread that lives until close. The kernel
// ends a child with the thread that made it, not with the process: made by any
// thread of ours, a child would end whenever Go lets go of that thread.
type spawner struct{ starts chan start }

type start struct {
	cmd *exec.Cmd
	err chan error
}

func newSpawner() *spawner {
	s := &spawner{starts: make(chan start)}
	go s.run()
	return s
}

func (s *spawner) run() {
	runtime.LockOSThread() // and never unlocked: the thread ends with this function
	for st := range s.starts {
		st.err <- st.cmd.Start()
	}
}

func (s *spawner) start(cmd *exec.Cmd) error {
	st := start{cmd: cmd, err: make(chan error, 1)}
	s.starts <- st
	return <-st.err
}

func (s *spawner) close() { close(s.starts) }
