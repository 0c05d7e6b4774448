package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"syscall"
	"time"
)

// What the S3 server takes if nothing else is said.
const (
	presetKey    = "berth-test"
	presetSecret = "berth-test-secret"
)

// How long a service may take until it answers: a first start installs and
// compiles.
const serviceTimeout = 15 * time.Minute

// How long a service may take to end before it is killed.
const endTimeout = 5 * time.Second

// startServices starts the stores that nobody has given.
func (c *cloud) startServices(ctx context.Context) error {
	if c.dynamoDB == "" {
		if err := c.startDynamoDB(ctx); err != nil {
			return fmt.Errorf("start DynamoDB: %w", err)
		}
	}
	if c.s3 == "" {
		if err := c.startS3(ctx); err != nil {
			return fmt.Errorf("start S3: %w", err)
		}
	}
	return nil
}

func (c *cloud) startDynamoDB(ctx context.Context) (err error) {
	c.dynamoDB, err = c.startServer(ctx, "/", func(address string) *service {
		_, port, _ := net.SplitHostPort(address) // it was just made of both
		return c.service("dynamodb", "scripts/services/dynamodb", port)
	})
	return err
}

func (c *cloud) startS3(ctx context.Context) error {
	root, err := filepath.Abs(filepath.Join(c.data, "s3"))
	if err != nil {
		return fmt.Errorf("find the folder: %w", err)
	}
	if err := os.MkdirAll(root, 0o700); err != nil {
		return fmt.Errorf("make the folder: %w", err)
	}
	c.s3, err = c.startServer(ctx, "/health", func(address string) *service {
		return c.service("s3", "scripts/services/s3", "--listen", address, "--root", root, "--region", region,
			"--access-key", c.s3AccessKey, "--secret-key", c.s3SecretKey)
	})
	return err
}

// startServer starts a server on a free port and returns its URL once it
// answers at a path. Another may take the port that was free a moment ago; then
// the server ends, and is started anew on another.
func (c *cloud) startServer(ctx context.Context, path string, on func(address string) *service) (string, error) {
	const attempts = 3
	var err error
	for range attempts {
		var address string
		if address, err = freeAddress(); err != nil {
			return "", err
		}
		s := on(address)
		if err = s.start(c); err != nil {
			return "", err
		}
		if err = s.await(ctx, "http://"+address+path); err == nil || ctx.Err() != nil {
			return "http://" + address, err
		}
	}
	return "", err
}

func freeAddress() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", fmt.Errorf("find a free port: %w", err)
	}
	defer l.Close()
	return l.Addr().String(), nil
}

// A service is one of the project's scripts, mostly a server. What it prints goes
// to a file: on our own output it would be in front of the registry's address.
type service struct {
	cmd   *exec.Cmd
	log   string
	ended chan struct{} // closed when it has ended
}

func (c *cloud) service(name, script string, args ...string) *service {
	cmd := exec.Command("./"+script, args...)
	cmd.Dir = c.root
	cmd.SysProcAttr = attributes()
	return &service{cmd: cmd, log: filepath.Join(c.data, name+".log"), ended: make(chan struct{})}
}

// start starts the service, and has it end with the cloud.
func (s *service) start(c *cloud) error {
	log, err := os.Create(s.log)
	if err != nil {
		return fmt.Errorf("open its log: %w", err)
	}
	defer log.Close()
	s.cmd.Stdout, s.cmd.Stderr = log, log
	started := make(chan error, 1)
	go s.run(started)
	if err := <-started; err != nil {
		return err
	}
	c.later(s.end)
	return nil
}

// run starts the service and waits for its end, on one thread: the kernel ends
// a child with the thread that made it, and threads of Go come and go.
func (s *service) run(started chan<- error) {
	runtime.LockOSThread() // and never unlocked: the thread ends with this function
	defer close(s.ended)
	err := s.cmd.Start()
	started <- err
	if err == nil {
		_ = s.cmd.Wait() // that it has ended is all that matters
	}
}

// end ends the service, with force if it does not listen.
func (s *service) end() error {
	for _, sig := range []syscall.Signal{syscall.SIGTERM, syscall.SIGKILL} {
		select {
		case <-s.ended:
			return nil
		default:
		}
		if err := kill(s.cmd, sig); err != nil {
			return fmt.Errorf("end %s: %w", s.cmd.Path, err)
		}
		select {
		case <-s.ended:
			return nil
		case <-time.After(endTimeout):
		}
	}
	return fmt.Errorf("end %s: it is still there", s.cmd.Path)
}

// await waits until there is an answer at a URL, whatever it is.
func (s *service) await(ctx context.Context, url string) error {
	ctx, cancel := context.WithTimeout(ctx, serviceTimeout)
	defer cancel()
	for {
		err := ask(ctx, url)
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return s.failure(err)
		case <-s.ended:
			return s.failure(errors.New("it has ended"))
		case <-time.After(20 * time.Millisecond):
		}
	}
}

func ask(ctx context.Context, url string) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return fmt.Errorf("ask %s: %w", url, err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return fmt.Errorf("ask %s: %w", url, err)
	}
	return resp.Body.Close()
}

// failure adds what the service has printed.
func (s *service) failure(err error) error {
	log, _ := os.ReadFile(s.log) // without it the error says less, that is all
	return fmt.Errorf("%w\n%s", err, log)
}
