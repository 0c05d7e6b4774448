package target

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"github.com/berthregistry/berth/bench/client"
	"github.com/berthregistry/berth/bench/machine"
)

// How long a server may take until it answers, and to end when asked to. What is
// installed or compiled at its first start may take longer.
const (
	startTimeout      = 20 * time.Second
	firstStartTimeout = 15 * time.Minute
	stopTimeout       = 20 * time.Second
)

// process is a server that was started here.
type process struct {
	cmd  *exec.Cmd
	log  string        // path of the file that it writes to
	done chan struct{} // closed when it has ended
}

// start runs a registry and returns when it answers at addr. All that it prints
// goes to a file in dir, as it would for somebody who keeps logs.
func start(ctx context.Context, name, dir, addr string, cmd *exec.Cmd) (*Target, error) {
	return startUntil(ctx, (*client.Client).Ping, startTimeout, name, dir, addr, cmd)
}

// startUntil is start for a server that is ready when it says so otherwise, or
// takes longer.
func startUntil(
	ctx context.Context, ready func(*client.Client, context.Context) error, limit time.Duration,
	name, dir, addr string, cmd *exec.Cmd,
) (*Target, error) {
	log, err := os.Create(filepath.Join(dir, name+".log"))
	if err != nil {
		return nil, fmt.Errorf("start %s: %w", name, err)
	}
	defer log.Close() // the process has it open by itself
	cmd.Stdout, cmd.Stderr = log, log
	machine.Tie(cmd)
	t, err := At(name, "http://"+addr)
	if err != nil {
		return nil, fmt.Errorf("start %s: %w", name, err)
	}
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("start %s: %w", name, err)
	}
	t.process = &process{cmd: cmd, log: log.Name(), done: make(chan struct{})}
	go func() {
		cmd.Wait() // how it ends is of no interest; that it does early, is
		close(t.process.done)
	}()
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	if err := t.process.await(ctx, func() error { return ready(t.Client, ctx) }); err != nil {
		t.Stop()
		said, _ := os.ReadFile(log.Name())
		return nil, fmt.Errorf("start %s: %w; it printed:\n%s", name, err, said)
	}
	return t, nil
}

// await asks until there is an answer.
func (p *process) await(ctx context.Context, ask func() error) error {
	for {
		err := ask()
		if err == nil {
			return nil
		}
		select {
		case <-p.done:
			return fmt.Errorf("it ended: %v", p.cmd.ProcessState)
		case <-ctx.Done():
			return fmt.Errorf("no answer: %w", err)
		case <-time.After(20 * time.Millisecond):
		}
	}
}

func (p *process) pid() int { return p.cmd.Process.Pid }

func (p *process) stop() {
	p.cmd.Process.Signal(os.Interrupt) // the only error is that it has ended
	select {
	case <-p.done:
	case <-time.After(stopTimeout):
		p.cmd.Process.Kill()
		<-p.done
	}
}

// freeAddr returns a loopback address that nobody listens on. Somebody else
// may take it before the server does, which then says so and ends.
func freeAddr() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", fmt.Errorf("find a free port: %w", err)
	}
	defer l.Close()
	return l.Addr().String(), nil
}
