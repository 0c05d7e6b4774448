package ledger_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/berthregistry/berth/shared/access"
	"github.com/berthregistry/berth/shared/access/ledger"
	"github.com/berthregistry/berth/shared/table"
	"github.com/berthregistry/berth/shared/table/tabletest"
)

func TestNothingIsAllowedBeforeAPolicy(t *testing.T) {
	onEach(t, func(t *testing.T, b book) {
		s, err := b.State(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if s.Policy == nil || s.Policy.Version() == "" || len(s.Keys) != 0 || len(s.Revoked) != 0 {
			t.Errorf("got %+v, want the empty policy and no keys", s)
		}
		if opens(t, b.Ledger, "team") {
			t.Error("anonymous may pull without a policy")
		}
		if _, err := b.Policy(t.Context()); !errors.Is(err, ledger.ErrAbsent) {
			t.Errorf("Policy: got %v, want ErrAbsent", err)
		}
	})
}

// Who sets a policy has it at once, everybody else after 15 seconds.
func TestPolicyIsInForceWithin15Seconds(t *testing.T) {
	onEach(t, func(t *testing.T, b book) {
		other := b.beside()
		if opens(t, other, "team") || opens(t, b.Ledger, "team") {
			t.Fatal("open before there was a policy")
		}
		b.setPolicy(t, "team")
		if !opens(t, b.Ledger, "team") {
			t.Error("the one who set it has the old one")
		}
		b.pass(11 * time.Second)
		if opens(t, other, "team") {
			t.Error("read again before its time")
		}
		b.pass(time.Second)
		if !opens(t, other, "team") {
			t.Error("another has the old one after 12 seconds")
		}
		mine, err := b.State(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		s, err := other.State(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if got, want := s.Policy.Version(), mine.Policy.Version(); got != want || got == "" {
			t.Errorf("version: got %q, want %q as for the one who set it", got, want)
		}
	})
}

// A policy that has not changed is not made anew: it costs milliseconds.
func TestUnchangedPolicyIsKept(t *testing.T) {
	b := newBook(embedded(t))
	b.setPolicy(t, "team")
	before, err := b.State(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	b.create(t, "ci", time.Time{})
	if _, err := b.Revoke(t.Context(), "ci"); err != nil {
		t.Fatal(err)
	}
	after, err := b.State(t.Context())
	if err != nil || after == before || after.Policy != before.Policy {
		t.Errorf("got state %p of policy %p, %v; want a new state with policy %p", after, after.Policy, err, before.Policy)
	}
}

func TestStateIsOneReadForMany(t *testing.T) {
	store := tabletest.NewCounting(embedded(t))
	b := newBook(store)
	var all sync.WaitGroup
	for range 50 {
		all.Go(func() {
			for range 20 {
				if _, err := b.State(t.Context()); err != nil {
					t.Error(err)
				}
			}
		})
	}
	all.Wait()
	if got, want := store.Reset(), (tabletest.Counts{GetManys: 1, Keys: 3}); got != want {
		t.Errorf("1,000 calls read %+v, want %+v", got, want)
	}
	for range 10 {
		b.pass(15 * time.Second)
		for range 10 {
			if _, err := b.State(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
	}
	if got := store.Counts().GetManys; got != 10 {
		t.Errorf("%d reads in ten times 15 seconds, want 10", got)
	}
}

// An unknown key may be a new one, or somebody's invention.
func TestReloadReadsOnceASecond(t *testing.T) {
	store := tabletest.NewCounting(embedded(t))
	b := newBook(store)
	reload := func() {
		for range 20 {
			if _, err := b.Reload(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
	}
	if _, err := b.State(t.Context()); err != nil {
		t.Fatal(err)
	}
	store.Reset()
	reload()
	if got := store.Reset().GetManys; got != 1 {
		t.Errorf("%d reads, want 1, however young the state", got)
	}
	b.pass(time.Second)
	reload()
	if got := store.Counts().GetManys; got != 1 {
		t.Errorf("%d reads a second later, want 1", got)
	}
}

// down makes a table that can be switched off.
func down(t *testing.T, off *atomic.Bool) table.Store {
	return tabletest.NewFaulty(embedded(t), func(tabletest.Call) tabletest.Fault {
		if off.Load() {
			return tabletest.FailBefore
		}
		return tabletest.Proceed
	})
}

func TestOldStateServesForAMinute(t *testing.T) {
	var off atomic.Bool
	var log bytes.Buffer
	c := newClock()
	l := ledger.New(down(t, &off), ledger.Options{Now: c.now, Log: slog.New(slog.NewTextHandler(&log, nil))})
	if _, err := l.SetPolicy(t.Context(), nil, everybody("team"), "", ""); err != nil {
		t.Fatal(err)
	}
	if !opens(t, l, "team") {
		t.Fatal("the policy is not in force")
	}
	off.Store(true)
	for range 59 {
		c.pass(time.Second)
		if !opens(t, l, "team") {
			t.Fatal("the policy is not in force any more")
		}
		if _, err := l.Reload(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if !strings.Contains(log.String(), "could not be read") {
		t.Error("the log says nothing of it")
	}
	c.pass(time.Second)
	if s, err := l.State(t.Context()); !errors.Is(err, tabletest.ErrFault) {
		t.Errorf("after a minute: got %v, %v, want the error of the table", s, err)
	}
	off.Store(false)
	if !opens(t, l, "team") {
		t.Error("not in force when the table is back")
	}
}

// While the table does not answer well, it is asked once a second at most, as
// long as there is something to go by.
func TestFailingTableIsLeftAlone(t *testing.T) {
	var off atomic.Bool
	store := tabletest.NewCounting(down(t, &off))
	b := newBook(store)
	if _, err := b.State(t.Context()); err != nil {
		t.Fatal(err)
	}
	off.Store(true)
	b.pass(20 * time.Second)
	store.Reset()
	for range 100 {
		if _, err := b.State(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if got := store.Counts().GetManys; got != 1 {
		t.Errorf("%d reads in one second, want 1", got)
	}
}

// A robot that was revoked here must not be let in on an older state because
// the table fails.
func TestOwnWritesAreNeverForgotten(t *testing.T) {
	var off atomic.Bool
	b := newBook(down(t, &off))
	r, _ := b.create(t, "ci", time.Time{})
	if _, err := b.State(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := b.Revoke(t.Context(), "ci"); err != nil {
		t.Fatal(err)
	}
	off.Store(true)
	if s, err := b.State(t.Context()); err == nil {
		t.Errorf("got a state that may lack the revocation: %v", s.Revoked[r.ID])
	}
	off.Store(false)
	if s, err := b.State(t.Context()); err != nil || !s.Revoked[r.ID] {
		t.Errorf("got %v, %v, want the revocation", s, err)
	}
}

// slow holds every read back until it is let go.
type slow struct {
	table.Store
	entered, leave chan struct{}
}

func (s slow) GetMany(ctx context.Context, keys []table.Key, names ...string) (map[table.Key]table.Item, error) {
	select {
	case s.entered <- struct{}{}:
		<-s.leave
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	return s.Store.GetMany(ctx, keys, names...)
}

func TestOneReadsAndTheOthersDoNotWait(t *testing.T) {
	store := slow{embedded(t), make(chan struct{}), make(chan struct{})}
	b := newBook(store)
	state := func() chan error {
		done := make(chan error, 1)
		go func() {
			_, err := b.State(t.Context())
			done <- err
		}()
		return done
	}
	first := state()
	<-store.entered
	waiting := state() // there is nothing yet, so this one waits
	select {
	case err := <-waiting:
		t.Fatalf("had an answer, %v, before anything was read", err)
	case <-time.After(20 * time.Millisecond):
	}
	store.leave <- struct{}{}
	if err := errors.Join(<-first, <-waiting); err != nil {
		t.Fatal(err)
	}

	b.pass(20 * time.Second)
	reader := state()
	<-store.entered
	if err := <-state(); err != nil { // answered although the read is under way
		t.Error(err)
	}
	b.pass(time.Minute)
	late := state() // what there is has become too old: this one waits as well
	select {
	case err := <-late:
		t.Errorf("had an answer, %v, from a state older than a minute", err)
	case <-time.After(20 * time.Millisecond):
	}
	store.leave <- struct{}{}
	<-reader
	<-late
}

// Others wait for the reading, so the client that began it may hang up.
func TestReadSurvivesItsClient(t *testing.T) {
	store := slow{embedded(t), make(chan struct{}), make(chan struct{})}
	b := newBook(store)
	ctx, hangUp := context.WithCancel(t.Context())
	first, second := make(chan error, 1), make(chan error, 1)
	go func() { _, err := b.State(ctx); first <- err }()
	<-store.entered
	go func() { _, err := b.State(t.Context()); second <- err }()
	hangUp()
	store.leave <- struct{}{}
	if err := <-second; err != nil {
		t.Errorf("whoever waited got %v", err)
	}
	<-first
}

// A policy that this program cannot read is no policy that allows anything.
func TestUnreadablePolicyClosesTheRegistry(t *testing.T) {
	for _, text := range []string{"{", `{"rules":[],"later":1}`, `{"rules":[{"name":"a","whom":{"names":["anyone"]},"actions":["fly"]}]}`} {
		b := newBook(embedded(t))
		tx := table.Tx{Token: table.NewToken(), Actions: []table.Action{
			table.Put(table.Key{Partition: "access", Sort: "policy"}, table.B("compiled", []byte(text))),
		}}
		if err := b.store.Transact(t.Context(), tx); err != nil {
			t.Fatal(err)
		}
		if s, err := b.State(t.Context()); err == nil {
			t.Errorf("%s: got %+v, want an error", text, s)
		}
	}
}

func TestSetPolicyRefusesWhatCouldNotBeRead(t *testing.T) {
	b := newBook(embedded(t))
	b.setPolicy(t, "team")
	bad := &access.Policy{Rules: []access.Rule{{Name: "a", Actions: []access.Action{"fly"}}}}
	if _, err := b.SetPolicy(t.Context(), nil, bad, "", ""); !errors.Is(err, ledger.ErrInvalid) {
		t.Errorf("got %v, want ErrInvalid", err)
	}
	long := make([]byte, 100<<10+1)
	if _, err := b.SetPolicy(t.Context(), long, everybody("x"), "", ""); !errors.Is(err, ledger.ErrInvalid) {
		t.Errorf("long text: got %v, want ErrInvalid", err)
	}
	if !opens(t, b.Ledger, "team") {
		t.Error("the policy that was there is not in force any more")
	}
}
