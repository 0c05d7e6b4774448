package lambda

import (
	"fmt"
	"net/http"
	"strconv"
	"time"
)

// How long an answer is held back for the poll, or the end, of the process that
// should follow it at once. Whoever has the answer finds the place free then.
const pollGrace = time.Second

// How often the memory of a busy environment is looked at.
const watchEvery = 20 * time.Millisecond

// A serving is one invocation in one environment. It begins when the event is
// handed to the process. It is over when the process polls again, and until
// then the time limit holds, the answer being given or not.
type serving struct {
	*environment
	inv      *invocation
	cold     bool
	start    time.Time
	deadline *time.Timer
	kill     <-chan time.Time
	grace    <-chan time.Time
	watch    *time.Ticker
	peak     int64 // bytes of memory

	answered  bool
	result    Result
	err       error
	delivered bool

	poll   call // the next one
	polled bool
	lost   bool // the process has ended, or must
}

// serve hands inv to the process, whose poll is open, and answers the process
// until that is over.
func (e *environment) serve(inv *invocation, poll call) *serving {
	now := time.Now()
	s := &serving{
		environment: e,
		inv:         inv,
		cold:        e.invocations.Add(1) == 1,
		start:       now,
		deadline:    time.NewTimer(e.f.Timeout),
		watch:       time.NewTicker(watchEvery),
	}
	defer s.deadline.Stop()
	defer s.watch.Stop()
	if inv.kill > 0 {
		s.kill = time.After(inv.kill)
	}
	e.state.Store("busy")
	e.logStart(inv)
	poll.reply <- s.event()
	for !s.polled && !s.lost {
		s.step()
	}
	s.account()
	return s
}

// event is the answer to a poll that hands out the event.
func (s *serving) event() reply {
	return reply{status: http.StatusOK, body: s.inv.event, header: [][2]string{
		{"Lambda-Runtime-Aws-Request-Id", s.inv.id},
		{"Lambda-Runtime-Deadline-Ms", strconv.FormatInt(s.start.Add(s.f.Timeout).UnixMilli(), 10)},
		{"Lambda-Runtime-Invoked-Function-Arn", s.f.ARN},
		{"Lambda-Runtime-Trace-Id", traceID(s.start)},
	}}
}

// step waits for the one thing that happens next.
func (s *serving) step() {
	select {
	case c := <-s.calls:
		s.called(c)
	case <-s.proc.exited:
		s.abort("Runtime.ExitError", s.proc.how())
	case <-s.deadline.C:
		s.abort("Sandbox.Timedout", fmt.Sprintf("Task timed out after %.2f seconds", s.f.Timeout.Seconds()))
	case <-s.kill:
		s.abort("Runtime.ExitError", "Runtime exited with error: signal: killed")
	case <-s.watch.C:
		s.checkMemory(s.proc.memory())
	case <-s.grace:
		s.deliver()
	case <-s.f.closing:
		s.lost, s.answered, s.err = true, true, ErrClosed
	}
}

// called answers the process.
func (s *serving) called(c call) {
	switch {
	case c.kind == callNext && s.answered && s.inv.kill == 0:
		s.poll, s.polled = c, true
	case c.kind == callNext && s.answered:
		// The function is done, but its end by the fault is still to come: c
		// waits for it in vain.
	case c.kind == callNext, c.kind == callInitError:
		c.reply <- refused(http.StatusForbidden, "InvalidStateTransition", "the invocation has no answer yet")
	case c.id != s.inv.id, s.answered:
		c.reply <- refused(http.StatusBadRequest, "InvalidRequestID", "the invocation is over, or was never here")
	case c.large:
		message := fmt.Sprintf("Response payload size exceeded maximum allowed payload size (%d bytes).", MaxPayload)
		s.answer(Result{Failed: true, Payload: failure("Function.ResponseSizeTooLarge", message)})
		c.reply <- refused(http.StatusRequestEntityTooLarge, "RequestEntityTooLarge", message)
	default:
		s.answer(Result{Failed: c.kind == callError, Payload: c.body})
		c.reply <- accepted
	}
}

func (s *serving) answer(r Result) {
	r.Duration = time.Since(s.start)
	s.answered, s.result = true, r
	s.grace = time.After(pollGrace)
}

// abort ends the invocation together with the process. An answer that was given
// before stands, unless a fault is to hide it: then the function has done its
// work and nobody hears of it.
func (s *serving) abort(errorType, message string) {
	s.lost = true
	if s.answered && s.inv.kill == 0 {
		return
	}
	s.answer(Result{Failed: true, Payload: failure(errorType, "RequestId: "+s.inv.id+" Error: "+message)})
}

// checkMemory ends the invocation if the process has had more memory than it
// may.
func (s *serving) checkMemory(peak int64) {
	s.peak = max(s.peak, peak)
	if s.peak > int64(s.f.Memory)<<20 {
		s.answered = s.delivered // too much was too much, even if it was for a moment
		s.abort("Runtime.OutOfMemory", "Runtime exited with error: signal: killed")
	}
}

// deliver hands the result to whoever waits for it, once.
func (s *serving) deliver() {
	if s.delivered || s.inv.kill > 0 && !s.lost {
		return
	}
	s.delivered = true
	if s.err != nil {
		s.inv.fail(s.err)
		return
	}
	s.result.Cold = s.cold
	s.inv.succeed(s.result)
}

// account writes down what the invocation took.
func (s *serving) account() {
	took := time.Since(s.start)
	s.checkMemory(s.proc.memory())
	s.f.count(func(stats *Stats) {
		if s.result.Failed {
			stats.Failed++
		}
		if s.inv.kill == 0 {
			s.f.usual += (took - s.f.usual) / 8
		}
	})
	s.logEnd(took)
}

// usable reports whether the process can have another event.
func (s *serving) usable() bool { return s.polled && !s.lost }
