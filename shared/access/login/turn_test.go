package login_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/berthregistry/berth/shared/access"
	"github.com/berthregistry/berth/shared/access/ledger"
	"github.com/berthregistry/berth/shared/access/login"
	"github.com/berthregistry/berth/shared/table/local"
)

// A slow provider takes its time to refuse, as hashes do.
type slow struct{ asked atomic.Int64 }

func (*slow) Takes(string) bool { return true }
func (*slow) Personal()         {}

func (p *slow) Login(context.Context, login.Credentials, *access.Policy) (login.Identity, error) {
	p.asked.Add(1)
	time.Sleep(10 * time.Millisecond)
	return login.Identity{}, login.ErrRefused
}

// Who guesses many times at once gets few guesses more than who does so one by
// one: by one name from many addresses, and by many names from one.
func TestGuessesAtOnceAreCounted(t *testing.T) {
	const guesses = 300
	for name, c := range map[string]struct {
		guess func(n int) login.Credentials
		most  int64
	}{
		"one name":    {func(n int) login.Credentials { return guess("alice", n) }, 10 + 8},
		"one address": {func(n int) login.Credentials { return guess(fmt.Sprint("user", n), 1) }, 50 + 8},
	} {
		store, err := local.Open(filepath.Join(t.TempDir(), "table.db"), slog.New(slog.DiscardHandler))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = store.Close() })
		p := &slow{}
		a := login.New(ledger.New(store, ledger.Options{}), nil, p)
		var wait sync.WaitGroup
		for n := range guesses {
			wait.Go(func() {
				_, err := a.Login(t.Context(), c.guess(n), nil)
				if _, blocked := errors.AsType[*login.Blocked](err); !blocked && !errors.Is(err, login.ErrRefused) {
					t.Errorf("%s: got %v", name, err)
				}
			})
		}
		wait.Wait()
		if got := p.asked.Load(); got > c.most {
			t.Errorf("%s: %d guesses were looked at, want at most %d", name, got, c.most)
		}
	}
}

func guess(user string, address int) login.Credentials {
	return login.Credentials{User: user, Secret: "guess", Address: fmt.Sprintf("192.0.%d.%d", address/250, address%250)}
}

// Who gives up while others are at it is not waited for.
func TestWhoWaitsMayGiveUp(t *testing.T) {
	p := &held{begun: make(chan struct{}), end: make(chan struct{})}
	a := login.New(&counter{}, nil, p)
	var wait sync.WaitGroup
	for range 8 {
		wait.Go(func() { _, _ = a.Login(t.Context(), alice("right"), nil) })
		<-p.begun
	}
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	if _, err := a.Login(ctx, alice("right"), nil); !errors.Is(err, context.DeadlineExceeded) || errors.Is(err, login.ErrRefused) {
		t.Errorf("got %v, want that its time is over", err)
	}
	close(p.end)
	wait.Wait()
	go func() { <-p.begun }()
	if _, err := a.Login(t.Context(), alice("right"), nil); err != nil {
		t.Errorf("after the others: %v", err)
	}
}

// A held provider answers when it is let.
type held struct{ begun, end chan struct{} }

func (*held) Takes(string) bool { return true }

func (p *held) Login(context.Context, login.Credentials, *access.Policy) (login.Identity, error) {
	p.begun <- struct{}{}
	<-p.end
	return login.Identity{}, nil
}
