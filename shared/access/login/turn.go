package login

import (
	"context"
	"fmt"
	"sync"
)

// atOnce is how many attempts of one name run at once. A failure is counted when
// an attempt is over, so as many as run at once get beyond a limit.
const atOnce = 8

// turns lets some attempts of each name run at once, and the others wait. The
// zero value is ready.
type turns struct {
	mu    sync.Mutex
	lines map[string]*line
}

// A line is the attempts of one name.
type line struct {
	slots chan struct{} // has a value for each that runs
	here  int           // that run or wait; guarded by turns.mu
}

// take waits for a turn under each of the names, and returns what ends it. All
// callers have their names in the same order, address before identity, so nobody
// waits in a circle.
func (t *turns) take(ctx context.Context, names []string) (end func(), err error) {
	var ends []func()
	end = func() {
		for _, f := range ends {
			f()
		}
	}
	for _, name := range names {
		if name == "" { // which is not counted
			continue
		}
		l := t.join(name)
		if err := l.wait(ctx); err != nil {
			t.part(name)
			end()
			return nil, err
		}
		ends = append(ends, func() { <-l.slots; t.part(name) })
	}
	return end, nil
}

func (l *line) wait(ctx context.Context) error {
	select {
	case l.slots <- struct{}{}: // also for who has hung up: the provider sees to them
		return nil
	default:
	}
	select {
	case l.slots <- struct{}{}:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("wait for attempts before this one: %w", ctx.Err())
	}
}

func (t *turns) join(name string) *line {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.lines == nil {
		t.lines = map[string]*line{}
	}
	l, ok := t.lines[name]
	if !ok {
		l = &line{slots: make(chan struct{}, atOnce)}
		t.lines[name] = l
	}
	l.here++
	return l
}

// part forgets a name with the last of its attempts.
func (t *turns) part(name string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	l := t.lines[name]
	if l.here--; l.here == 0 {
		delete(t.lines, name)
	}
}
