package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
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

// startDynamoDB starts the engine, which says its address on its first line.
func (c *cloud) startDynamoDB(ctx context.Context) error {
	s := c.service("dynamodb", "scripts/services/dynamodb")
	line, write, err := os.Pipe()
	if err != nil {
		return fmt.Errorf("open a pipe: %w", err)
	}
	defer line.Close()
	s.cmd.Stdout = write
	err = s.start(c)
	write.Close()
	if err != nil {
		return err
	}
	if err := line.SetReadDeadline(time.Now().Add(serviceTimeout)); err != nil {
		return fmt.Errorf("wait for its address: %w", err)
	}
	stop := context.AfterFunc(ctx, func() { _ = line.SetReadDeadline(time.Now()) })
	defer stop()
	address, err := bufio.NewReader(line).ReadString('\n')
	if err != nil {
		return s.failure(fmt.Errorf("wait for its address: %w", err))
	}
	c.dynamoDB = strings.TrimSpace(address)
	return s.await(ctx, c.dynamoDB)
}

// startS3 starts the S3 server. It cannot choose a port by itself, and another
// may take the one that was free a moment ago.
func (c *cloud) startS3(ctx context.Context) error {
	const attempts = 3
	root, err := filepath.Abs(filepath.Join(c.data, "s3"))
	if err != nil {
		return fmt.Errorf("find the folder: %w", err)
	}
	if err := os.MkdirAll(root, 0o700); err != nil {
		return fmt.Errorf("make the folder: %w", err)
	}
	for range attempts {
		var address string
		if address, err = freeAddress(); err != nil {
			return err
		}
		s := c.service("s3", "scripts/services/s3", "--listen", address, "--root", root, "--region", region,
			"--access-key", c.s3AccessKey, "--secret-key", c.s3SecretKey)
		if err = s.start(c); err != nil {
			return err
		}
		c.s3 = "http://" + address
		if err = s.await(ctx, c.s3+"/health"); err == nil {
			return nil
		}
	}
	return err
}

func freeAddress() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", fmt.Errorf("find a free port: %w", err)
	}
	defer l.Close()
	return l.Addr().String(), nil
}

// A service is one of the project's scripts, mostly a server. What it prints goes to a file: on
// our own output it would be in front of the address of the registry.
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
	s.cmd.Stderr = log
	if s.cmd.Stdout == nil {
		s.cmd.Stdout = log
	}
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
