package lambda

import (
	"fmt"
	"net/http"
	"sync/atomic"
	"time"
)

// An environment is one process with its runtime API. One goroutine, live,
// answers the process, so that what has happened in which order is never in
// doubt.
type environment struct {
	f       *Function
	name    string
	started time.Time
	work    chan *invocation // has room for one
	calls   chan call
	dead    chan struct{} // closed when the process has ended and nobody will answer its calls
	proc    *process
	init    time.Duration // from the start of the process to its first poll

	invocations atomic.Int64
	state       atomic.Value // a string, for the statistics
}

func newEnvironment(f *Function, n int) *environment {
	e := &environment{
		f:       f,
		name:    fmt.Sprintf("%s/%d", f.Name, n),
		started: time.Now(),
		work:    make(chan *invocation, 1),
		calls:   make(chan call),
		dead:    make(chan struct{}),
	}
	e.state.Store("starting")
	return e
}

// live is the whole life of an environment, from the event it is made for to
// its end.
func (e *environment) live(inv *invocation) {
	defer e.f.forget(e)
	server, address, err := e.serveAPI()
	if err != nil {
		inv.fail(fmt.Errorf("open a runtime API: %w", err))
		return
	}
	defer server.Close()
	defer close(e.dead)
	if e.proc, err = e.f.spawn(e.name, address); err != nil {
		e.f.forget(e)
		inv.succeed(Result{Failed: true, Cold: true, Payload: failure("Runtime.InvalidEntrypoint", err.Error())})
		return
	}
	defer e.end()
	poll, ok := e.initialise(inv)
	for ok {
		s := e.serve(inv, poll)
		// Whoever gets the result may come back at once: by then the next
		// event must find this environment idle, or its place free.
		if ok = s.usable(); ok {
			e.f.rest(e)
		} else {
			e.end()
		}
		s.deliver()
		if ok {
			poll = s.poll
			inv, ok = e.next()
		}
	}
}

// end ends the process and gives up the place of the environment. It may be
// called again.
func (e *environment) end() {
	e.proc.end()
	e.f.forget(e)
}

// initialise waits for the first poll of the process. If there is none it says
// so to inv.
func (e *environment) initialise(inv *invocation) (poll call, ok bool) {
	limit := time.NewTimer(e.f.InitTimeout)
	defer limit.Stop()
	for {
		select {
		case c := <-e.calls:
			switch c.kind {
			case callNext:
				e.init = time.Since(e.started)
				return c, true
			case callInitError:
				c.reply <- accepted
				e.initFailed(inv, c.body)
				return call{}, false
			default:
				c.reply <- refused(http.StatusForbidden, "InvalidStateTransition", "there is no invocation yet")
			}
		case <-e.proc.exited:
			e.initFailed(inv, failure("Runtime.ExitError", "RequestId: "+inv.id+" Error: "+e.proc.how()))
			return call{}, false
		case <-limit.C:
			e.initFailed(inv, failure("Sandbox.Timedout", fmt.Sprintf(
				"RequestId: %s Error: Task timed out after %.2f seconds, in its initialisation", inv.id, e.f.InitTimeout.Seconds())))
			return call{}, false
		case <-e.f.closing:
			inv.fail(ErrClosed)
			return call{}, false
		}
	}
}

func (e *environment) initFailed(inv *invocation, payload []byte) {
	e.f.count(func(s *Stats) { s.Failed++ })
	e.f.log.printf(e.name, "INIT_REPORT Init Duration: %s ms\tPhase: init\tStatus: error", millis(time.Since(e.started)))
	e.end()
	inv.succeed(Result{Failed: true, Cold: true, Payload: payload})
}

// next freezes the process until there is an event for it, and returns false
// if there will be none.
func (e *environment) next() (*invocation, bool) {
	select {
	case inv := <-e.work: // whoever got the last answer was quick
		return e.wake(inv)
	default:
	}
	e.state.Store("idle")
	e.proc.freeze()
	idle := time.NewTimer(e.f.Idle)
	defer idle.Stop()
	select {
	case inv := <-e.work:
		return e.wake(inv)
	case <-idle.C:
	case <-e.proc.exited:
	case <-e.f.closing:
	}
	if e.f.retire(e) {
		return nil, false
	}
	return e.wake(<-e.work) // too late to end: an event is on its way here
}

// wake thaws the process for inv. A process that was ended from outside while
// it slept leaves inv to another.
func (e *environment) wake(inv *invocation) (*invocation, bool) {
	select {
	case <-e.proc.exited:
		e.f.replace(e, inv)
		return nil, false
	default:
	}
	e.state.Store("busy")
	e.proc.thaw()
	return inv, true
}
