package ledger

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"time"
)

const (
	// defaultFresh is how long a State is used without a look at the table. With a
	// slow look a change counts everywhere within 15 seconds, as the README says.
	defaultFresh = 12 * time.Second
	// maxAge is how long it is used while the table can't be read.
	maxAge = time.Minute
	// retryPause is how long the table is left alone after a failed read, and
	// between reads that Reload asks for.
	retryPause = time.Second
	// readTimeout ends a read that hangs, for all who wait for it.
	readTimeout = 5 * time.Second
)

// A memory holds the State that was read last, and sees to it that one caller
// at a time reads it anew.
type memory struct {
	read  func(ctx context.Context, last *State) (*State, error)
	now   func() time.Time
	fresh time.Duration
	log   *slog.Logger

	mu       sync.Mutex
	last     reading  // the last good one
	current  *reading // the one under way, nil if there is none
	failed   time.Time
	reloaded time.Time
	writes   int // by this ledger, so far
}

// A reading is one read of the State. After done is closed it does not change.
type reading struct {
	at     time.Time // when it began
	writes int       // that it is sure to have seen
	done   chan struct{}
	state  *State
	err    error
}

// get returns the State held if that will do, or else reads it. Who comes while
// another reads does not wait if there is something usable.
func (m *memory) get(ctx context.Context) (*State, error) {
	m.mu.Lock()
	now := m.now()
	usable, age := m.usable(now), now.Sub(m.last.at)
	resting := m.current != nil || now.Sub(m.failed) < retryPause
	if usable && (age < m.fresh || resting) {
		defer m.mu.Unlock()
		return m.last.state, nil
	}
	return m.share(ctx, now)
}

// reload reads the State unless that was asked for a moment ago.
func (m *memory) reload(ctx context.Context) (*State, error) {
	m.mu.Lock()
	now := m.now()
	if m.usable(now) && now.Sub(m.reloaded) < retryPause {
		defer m.mu.Unlock()
		return m.last.state, nil
	}
	m.reloaded = now
	return m.share(ctx, now)
}

// usable says whether the State held may be given out if need be: it is not too
// old, and has all that this ledger wrote.
func (m *memory) usable(now time.Time) bool {
	return m.last.state != nil && now.Sub(m.last.at) < maxAge && m.last.writes == m.writes
}

// share takes part in a reading that is under way, or else does one. It is
// called with the lock held, and lets go of it.
func (m *memory) share(ctx context.Context, now time.Time) (*State, error) {
	r := m.current
	if r != nil && r.writes == m.writes {
		m.mu.Unlock()
		select {
		case <-r.done:
			return m.answer(r)
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
	r = &reading{at: now, writes: m.writes, done: make(chan struct{})}
	m.current = r
	last := m.last.state
	m.mu.Unlock()
	m.do(ctx, r, last)
	return m.answer(r)
}

// do fills a reading. Others may wait for it, so a client who hangs up does not
// end it.
func (m *memory) do(ctx context.Context, r *reading, last *State) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), readTimeout)
	defer cancel()
	r.state, r.err = m.read(ctx, last)

	m.mu.Lock()
	defer m.mu.Unlock()
	defer close(r.done)
	if m.current == r {
		m.current = nil
	}
	switch {
	case r.err != nil:
		m.failed = r.at
		m.log.WarnContext(ctx, "what is in force could not be read", "error", r.err)
	case r.writes >= m.last.writes && !r.at.Before(m.last.at): // two run at once if one of them came before a write
		m.last = *r
	}
}

// answer is what a reading has to say: the State, or the last one if that is
// still usable.
func (m *memory) answer(r *reading) (*State, error) {
	if r.err == nil {
		return r.state, nil
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.usable(m.now()) {
		return m.last.state, nil
	}
	return nil, fmt.Errorf("read what is in force: %w", r.err)
}

// wrote makes the State held unusable, since this ledger has changed what it
// was made of.
func (m *memory) wrote() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.writes++
}
