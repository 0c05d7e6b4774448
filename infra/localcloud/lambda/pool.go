package lambda

import (
	"math/rand/v2"
	"slices"
	"time"

	"github.com/google/uuid"
)

// An invocation is one event on its way through an environment.
type invocation struct {
	id    string
	event []byte
	kill  time.Duration // when to end the environment, from the start; 0: don't

	done   chan struct{} // closed when result or err is there
	result Result
	err    error
}

func newInvocation(event []byte) *invocation {
	return &invocation{id: uuid.NewString(), event: event, done: make(chan struct{})}
}

// place finds an environment for inv.
func (f *Function) place(inv *invocation) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.closed {
		return ErrClosed
	}
	if n := len(f.idle); n > 0 {
		e := f.idle[n-1]
		f.idle = f.idle[:n-1]
		f.begin(inv)
		e.work <- inv // has room: e left the list, so nobody else gives it one
		return nil
	}
	if len(f.all) >= f.Concurrency {
		f.stats.Throttled++
		return ErrThrottled
	}
	f.begin(inv)
	f.start(inv)
	return nil
}

// begin counts inv and decides on its fault: the environment is ended somewhere
// in the time that an invocation takes as a rule. That is before the function
// did anything, in the middle, or when it has done all and nobody hears of it.
func (f *Function) begin(inv *invocation) {
	f.stats.Invocations++
	if f.Kill != nil && f.Kill() {
		inv.kill = 1 + rand.N(f.usual+f.usual/2+time.Millisecond)
	}
}

// start makes a new environment, which begins with inv. f.mu is held.
func (f *Function) start(inv *invocation) {
	f.numbers++
	f.stats.ColdStarts++
	e := newEnvironment(f, f.numbers)
	f.all[e] = struct{}{}
	f.ended.Go(func() { e.live(inv) })
}

// replace gives inv to a new environment, as the one that should have had it
// was found dead.
func (f *Function) replace(dead *environment, inv *invocation) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.closed {
		inv.fail(ErrClosed)
		return
	}
	delete(f.all, dead)
	f.start(inv)
}

// rest puts e where the next event finds it.
func (f *Function) rest(e *environment) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.idle = append(f.idle, e)
}

// retire gives up the place of an idle environment, and reports whether it was
// idle. If not, an event is on its way to it.
func (f *Function) retire(e *environment) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	i := slices.Index(f.idle, e)
	if i < 0 {
		return false
	}
	f.idle = slices.Delete(f.idle, i, i+1)
	delete(f.all, e)
	return true
}

// forget gives up the place of an environment that has ended.
func (f *Function) forget(e *environment) {
	f.mu.Lock()
	defer f.mu.Unlock()
	delete(f.all, e)
}

func (inv *invocation) succeed(r Result) {
	r.RequestID = inv.id
	inv.result = r
	close(inv.done)
}

func (inv *invocation) fail(err error) {
	inv.err = err
	close(inv.done)
}
