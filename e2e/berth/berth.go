// Package berth builds the berth command and the local cloud from this checkout
// and runs them as a user would, for tests that look at them from outside.
package berth

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"time"
)

// How long a server may take to say that it is ready, and to drain and end.
const (
	startTimeout = 20 * time.Second
	cloudTimeout = 15 * time.Minute // the first start of its services compiles them
	stopTimeout  = 20 * time.Second
)

// listening finds the address in the line that a server prints when it is
// ready. It listens on port 0, so only that line knows the port.
var listening = regexp.MustCompile(`(127\.0\.0\.1:[1-9][0-9]*).*\n`)

// proxying is listening for a proxy, which names the registry first.
var proxying = regexp.MustCompile(` at http://(127\.0\.0\.1:[1-9][0-9]*).*\n`)

// Build compiles the berth command of the checkout that holds the current
// folder, and returns the path of the binary, which it writes to dir. More
// flags of go build go into flags.
func Build(ctx context.Context, dir string, flags ...string) (string, error) {
	return build(ctx, dir, "./cmd/berth", flags...)
}

// BuildCloud compiles the local cloud in the same way.
func BuildCloud(ctx context.Context, dir string) (string, error) {
	return build(ctx, dir, "./infra/localcloud")
}

func build(ctx context.Context, dir, pkg string, flags ...string) (string, error) {
	root, err := findRoot()
	if err != nil {
		return "", err
	}
	binary := filepath.Join(dir, filepath.Base(pkg))
	args := append([]string{"build", "-o", binary}, flags...)
	build := exec.CommandContext(ctx, "go", append(args, pkg)...)
	build.Dir = root
	if out, err := build.CombinedOutput(); err != nil {
		return "", fmt.Errorf("build %s: %w\n%s", pkg, err, out)
	}
	return binary, nil
}

// findRoot returns the folder above that holds cmd/berth.
func findRoot() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", fmt.Errorf("find the checkout: %w", err)
	}
	for {
		if _, err := os.Stat(filepath.Join(dir, "cmd", "berth")); err == nil {
			return dir, nil
		}
		parent := filepath.Dir(dir)
		if parent == dir {
			return "", errors.New("find the checkout: no cmd/berth in any folder above")
		}
		dir = parent
	}
}

// Server is a running `berth serve`, or a running local cloud.
type Server struct {
	Addr string // host:port on loopback

	cmd    *exec.Cmd
	output *output
	done   chan struct{} // closed when the process has ended
	err    error         // how it ended; read after done
}

// Start runs `berth serve` on a free loopback port and returns when it answers.
// More flags go into args. Whoever starts it stops it, with Stop or Kill.
func Start(ctx context.Context, binary, data string, args ...string) (*Server, error) {
	args = append([]string{"serve", "--listen", "127.0.0.1:0", "--data", data}, args...)
	return start(ctx, exec.Command(binary, args...), listening, startTimeout)
}

// StartProxy runs `berth proxy` on a free loopback port, before the registry at
// a URL, and returns when that answers through it.
func StartProxy(ctx context.Context, binary, url string, args ...string) (*Server, error) {
	args = append([]string{"proxy", "--to", url, "--listen", "127.0.0.1:0"}, args...)
	return start(ctx, exec.Command(binary, args...), proxying, startTimeout)
}

// StartCloud runs the local cloud and returns when the registry on it answers.
// It uses the services of the tests where the environment names them.
func StartCloud(ctx context.Context, binary string, args ...string) (*Server, error) {
	root, err := findRoot()
	if err != nil {
		return nil, err
	}
	if url := os.Getenv("BERTH_TEST_DYNAMODB"); url != "" {
		args = append(args, "--dynamodb", url)
	}
	if url := os.Getenv("BERTH_TEST_S3"); url != "" {
		args = append(args, "--s3", url,
			"--s3-access-key", os.Getenv("BERTH_TEST_S3_ACCESS_KEY"),
			"--s3-secret-key", os.Getenv("BERTH_TEST_S3_SECRET_KEY"))
	}
	cmd := exec.Command(binary, args...)
	cmd.Dir = root // where its template is
	return start(ctx, cmd, listening, cloudTimeout)
}

func start(ctx context.Context, cmd *exec.Cmd, ready *regexp.Regexp, timeout time.Duration) (*Server, error) {
	s := &Server{
		cmd:    cmd,
		output: &output{changed: make(chan struct{}, 1)},
		done:   make(chan struct{}),
	}
	s.cmd.Stdout, s.cmd.Stderr = s.output, s.output
	if err := s.cmd.Start(); err != nil {
		return nil, fmt.Errorf("start %s: %w", cmd.Path, err)
	}
	go func() {
		s.err = s.cmd.Wait()
		close(s.done)
	}()
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	if err := s.awaitReady(ctx, ready); err != nil {
		s.Kill()
		return nil, fmt.Errorf("start %s: %w; it printed:\n%s", cmd.Path, err, s.output)
	}
	return s, nil
}

// awaitReady waits for the line with the address, then for an answer there.
func (s *Server) awaitReady(ctx context.Context, ready *regexp.Regexp) error {
	for {
		if line := ready.FindStringSubmatch(s.output.String()); line != nil {
			s.Addr = line[1]
			return ping(ctx, s.Addr)
		}
		select {
		case <-s.output.changed:
		case <-s.done:
			return fmt.Errorf("it ended before it was ready: %w", s.err)
		case <-ctx.Done():
			return fmt.Errorf("no line with its address: %w", ctx.Err())
		}
	}
}

func ping(ctx context.Context, addr string) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+addr+"/v2/", nil)
	if err != nil {
		return fmt.Errorf("ping: %w", err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return fmt.Errorf("ping: %w", err)
	}
	defer resp.Body.Close()
	if _, err := io.Copy(io.Discard, resp.Body); err != nil {
		return fmt.Errorf("ping: %w", err)
	}
	// A registry with access control answers those it does not know with 401.
	if resp.StatusCode != http.StatusOK && resp.StatusCode != http.StatusUnauthorized {
		return fmt.Errorf("ping: got %s", resp.Status)
	}
	return nil
}

// Stop asks the server to end, as Ctrl-C does, and waits until it has. It is
// an error if it ends with another status than 0, or not in time.
func (s *Server) Stop() error {
	if err := s.cmd.Process.Signal(os.Interrupt); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return fmt.Errorf("stop %s: %w", s.cmd.Path, err)
	}
	select {
	case <-s.done:
	case <-time.After(stopTimeout):
		s.Kill()
		return fmt.Errorf("stop %s: still there after %v; its last words:\n%s", s.cmd.Path, stopTimeout, s.output)
	}
	if s.err != nil {
		return fmt.Errorf("stop %s: %w; its last words:\n%s", s.cmd.Path, s.err, s.output)
	}
	return nil
}

// Kill ends the server without a warning and waits until it is gone.
func (s *Server) Kill() {
	s.cmd.Process.Kill() // the only error is that it has ended already
	<-s.done
}

// Output returns the end of what the server has printed so far.
func (s *Server) Output() string { return s.output.String() }
