// Package lambda runs a function as AWS Lambda does: the real bootstrap, as
// child processes behind Lambda's runtime API.
//
// What it keeps: one event at a time for each environment, cold and warm ones,
// the freeze between invocations, the time limit, the memory limit, the 6 MB
// of an event and of an answer, and the ways in which a function can fail. What
// it does not: the share of a processor that comes with memory, the file system
// that is read-only but for /tmp, and the second attempt at an initialisation
// that failed.
//
// The memory limit is no cgroup's. The most that a process ever had in memory is
// looked at every 20 ms and after each event, and too much ends it: that needs
// no rights and misses nothing, but comes late by so much. Like the freeze, it
// needs Linux.
package lambda

import (
	"cmp"
	"context"
	"errors"
	"io"
	"path/filepath"
	"sync"
	"time"
)

// MaxPayload is the largest event, and the largest answer, in bytes.
const MaxPayload = 6 << 20

// What keeps an event from reaching the function. Whatever the function does
// wrong is no such error but in the [Result].
var (
	ErrThrottled = errors.New("TooManyRequestsException: every environment is busy")
	ErrTooLarge  = errors.New("RequestEntityTooLargeException: the event is larger than 6 MB")
	ErrClosed    = errors.New("the function is closed")
)

// A Config describes one function. Name and Bootstrap are required.
type Config struct {
	Name      string
	ARN       string          // the one the function is told; made up if empty
	Bootstrap string          // path of the program that polls the runtime API
	Env       func() []string // asked for each environment: NAME=VALUE, beside Lambda's own; nothing else is inherited
	Handler   string          // what the template calls the handler; "bootstrap" if empty

	Memory      int           // limit of an environment in MiB; 128 if 0
	Timeout     time.Duration // of one invocation; 3 s if 0
	Concurrency int           // environments at the same time; 100 if 0
	Idle        time.Duration // how long an environment waits for an event before it is ended; 5 min if 0
	InitTimeout time.Duration // from the start of the process to its first poll; 10 s if 0

	Log  io.Writer   // what the function prints, and what Lambda prints about it; nil: nowhere
	Kill func() bool // a fault: true ends the environment somewhere in this invocation; nil: never
}

// A Result is what a function made of an event.
type Result struct {
	RequestID string
	Payload   []byte // the answer, or a JSON object with errorType and errorMessage
	Failed    bool   // the function failed: X-Amz-Function-Error is Unhandled
	Cold      bool   // the event had to wait for a new environment
	Duration  time.Duration
}

// A Function is ready to be invoked until it is closed. Its methods are safe
// for concurrent use.
type Function struct {
	Config
	spawner *spawner
	log     *lineWriter
	closing chan struct{} // closed by Close: every environment ends
	ended   sync.WaitGroup

	mu      sync.Mutex
	closed  bool
	idle    []*environment            // the one used last comes last
	all     map[*environment]struct{} // idle ones too
	numbers int                       // environments so far
	stats   Stats
	usual   time.Duration // an invocation takes, of late
}

// New returns the function that c describes. It starts no process: the first
// event does.
func New(c Config) *Function {
	if path, err := filepath.Abs(c.Bootstrap); err == nil {
		c.Bootstrap = path // the process begins in another directory
	}
	c.ARN = cmp.Or(c.ARN, "arn:aws:lambda:us-east-1:123456789012:function:"+c.Name)
	c.Handler = cmp.Or(c.Handler, "bootstrap")
	c.Memory = cmp.Or(c.Memory, 128)
	c.Timeout = cmp.Or(c.Timeout, 3*time.Second)
	c.Concurrency = cmp.Or(c.Concurrency, 100)
	c.Idle = cmp.Or(c.Idle, 5*time.Minute)
	c.InitTimeout = cmp.Or(c.InitTimeout, 10*time.Second)
	return &Function{
		Config:  c,
		spawner: newSpawner(),
		log:     &lineWriter{w: c.Log},
		closing: make(chan struct{}),
		all:     map[*environment]struct{}{},
	}
}

// Invoke hands an event to an idle environment, the one that was used last, or
// else to a new one. Who no longer waits for the answer does not stop the
// function: ctx ends only the waiting. So event must not be changed any more.
func (f *Function) Invoke(ctx context.Context, event []byte) (Result, error) {
	if len(event) > MaxPayload {
		return Result{}, ErrTooLarge
	}
	inv := newInvocation(event)
	if err := f.place(inv); err != nil {
		return Result{}, err
	}
	select {
	case <-ctx.Done():
		return Result{}, context.Cause(ctx)
	case <-inv.done:
		return inv.result, inv.err
	}
}

// Close ends all environments, whatever they are doing, and waits until they
// have ended. What was being invoked fails with ErrClosed.
func (f *Function) Close() {
	f.mu.Lock()
	first := !f.closed
	f.closed = true
	f.mu.Unlock()
	if first {
		close(f.closing)
	}
	f.ended.Wait()
	if first {
		f.spawner.close()
	}
}
