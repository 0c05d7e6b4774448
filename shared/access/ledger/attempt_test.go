package ledger_test

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/berthregistry/berth/shared/access/ledger"
	"github.com/berthregistry/berth/shared/table/tabletest"
)

// A limiter is a ledger or a witness.
type limiter interface {
	Blocked(ctx context.Context, names ...string) (time.Duration, error)
	Failed(ctx context.Context, names ...string) error
}

// onBoth runs a test with what counts in the table, and with what counts in
// memory.
func onBoth(t *testing.T, test func(t *testing.T, l limiter, c *clock)) {
	onEach(t, func(t *testing.T, b book) { test(t, b.Ledger, b.clock) })
	t.Run("witness", func(t *testing.T) {
		b := newBook(embedded(t))
		test(t, b.Witness(), b.clock)
	})
}

func fail(t *testing.T, l limiter, times int, names ...string) {
	t.Helper()
	for range times {
		if err := l.Failed(t.Context(), names...); err != nil {
			t.Fatal(err)
		}
	}
}

func wait(t *testing.T, l limiter, names ...string) time.Duration {
	t.Helper()
	d, err := l.Blocked(t.Context(), names...)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func TestTenFailuresBlockAnIdentity(t *testing.T) {
	onBoth(t, func(t *testing.T, l limiter, c *clock) {
		alice, bob := ledger.ByIdentity("alice"), ledger.ByIdentity("bob")
		fail(t, l, 1, alice)
		c.pass(time.Minute)
		fail(t, l, 8, alice)
		if got := wait(t, l, alice); got != 0 {
			t.Errorf("after 9 failures: has to wait %v", got)
		}
		fail(t, l, 1, alice)
		if got, want := wait(t, l, alice), 4*time.Minute; got != want {
			t.Errorf("after 10: has to wait %v, want what is left of the five minutes, %v", got, want)
		}
		if got := wait(t, l, bob); got != 0 {
			t.Errorf("another has to wait %v", got)
		}
		if got, want := wait(t, l, bob, alice), 4*time.Minute; got != want {
			t.Errorf("both: got %v, want %v", got, want)
		}
		c.pass(4 * time.Minute)
		if got := wait(t, l, alice); got != 0 {
			t.Errorf("in the next window: has to wait %v", got)
		}
		fail(t, l, 9, alice)
		if got := wait(t, l, alice); got != 0 {
			t.Errorf("after 9 in the next window: has to wait %v", got)
		}
	})
}

func TestABlockLastsHalfAMinuteAtLeast(t *testing.T) {
	onBoth(t, func(t *testing.T, l limiter, c *clock) {
		alice := ledger.ByIdentity("alice")
		fail(t, l, 1, alice)
		c.pass(5*time.Minute - time.Second)
		fail(t, l, 9, alice)
		if got, want := wait(t, l, alice), 30*time.Second; got != want {
			t.Errorf("has to wait %v, want %v", got, want)
		}
		c.pass(29 * time.Second)
		fail(t, l, 5, alice) // blocked, so not counted
		c.pass(time.Second)
		if got := wait(t, l, alice); got != 0 {
			t.Errorf("after that: has to wait %v", got)
		}
	})
}

func TestFiftyFailuresBlockAnAddress(t *testing.T) {
	onBoth(t, func(t *testing.T, l limiter, c *clock) {
		address := ledger.ByAddress("192.0.2.1:4711")
		for i := range 49 {
			fail(t, l, 1, address, ledger.ByIdentity(fmt.Sprint("user", i)))
		}
		if got := wait(t, l, address); got != 0 {
			t.Errorf("after 49: has to wait %v", got)
		}
		fail(t, l, 1, address)
		if got := wait(t, l, ledger.ByAddress("192.0.2.1")); got != 5*time.Minute {
			t.Errorf("after 50: has to wait %v, want five minutes", got)
		}
	})
}

func TestNamesOfAddresses(t *testing.T) {
	same := [][2]string{
		{"192.0.2.1", "192.0.2.1:80"},
		{"192.0.2.1", "::ffff:192.0.2.1"},
		{"2001:db8::1", "[2001:db8:0:0:ffff::2]:443"},
		{"fe80::1%eth0", "fe80::2"},
	}
	for _, pair := range same {
		if a, b := ledger.ByAddress(pair[0]), ledger.ByAddress(pair[1]); a != b {
			t.Errorf("%s counts as %s and %s as %s, want one", pair[0], a, pair[1], b)
		}
	}
	distinct := map[string]bool{}
	for _, a := range []string{"192.0.2.1", "192.0.2.2", "2001:db8::1", "2001:db8:0:1::1", "unix", ""} {
		distinct[ledger.ByAddress(a)] = true
	}
	if len(distinct) != 6 {
		t.Errorf("got %v, want six", distinct)
	}
	if ledger.ByIdentity("192.0.2.1") == ledger.ByAddress("192.0.2.1") {
		t.Error("a user is taken for an address")
	}
}

// What has no name is not counted: everybody else would share it.
func TestNobodyIsNotCounted(t *testing.T) {
	onBoth(t, func(t *testing.T, l limiter, _ *clock) {
		fail(t, l, 60, ledger.ByAddress(""), ledger.ByIdentity(""))
		if got := wait(t, l, ledger.ByAddress(""), ledger.ByIdentity("")); got != 0 {
			t.Errorf("has to wait %v", got)
		}
		fail(t, l, 9, ledger.ByIdentity("alice"), ledger.ByIdentity("alice"))
		if got := wait(t, l, ledger.ByIdentity("alice")); got != 0 {
			t.Errorf("who is named twice is counted twice: has to wait %v", got)
		}
	})
}

// Attempts at the same moment are all counted, but none once there are enough.
func TestFailuresAtOnce(t *testing.T) {
	onBoth(t, func(t *testing.T, l limiter, _ *clock) {
		alice := ledger.ByIdentity("alice")
		at := func(n int) {
			var all sync.WaitGroup
			for range n {
				all.Go(func() {
					if err := l.Failed(t.Context(), alice); err != nil {
						t.Error(err)
					}
				})
			}
			all.Wait()
		}
		at(5)
		at(4)
		if got := wait(t, l, alice); got != 0 {
			t.Errorf("after 9: has to wait %v", got)
		}
		at(4)
		if got := wait(t, l, alice); got == 0 {
			t.Error("after 13: does not have to wait")
		}
	})
}

// Whoever begins a window does not wipe out what others count meanwhile.
func TestFirstFailuresAtOnce(t *testing.T) {
	b := newBook(embedded(t))
	alice := ledger.ByIdentity("alice")
	var once sync.Once
	store := tabletest.NewFaulty(b.store, func(c tabletest.Call) tabletest.Fault {
		if c.Method == tabletest.Transact {
			once.Do(func() { fail(t, b, 9, alice) })
		}
		return tabletest.Proceed
	})
	fail(t, ledger.New(store, ledger.Options{Now: b.clock.now}), 1, alice)
	if wait(t, b, alice) == 0 {
		t.Error("after 10 failures: does not have to wait")
	}
}

// Who goes on although blocked costs reads and no writes.
func TestBlockedCostsNoWrites(t *testing.T) {
	store := tabletest.NewCounting(embedded(t))
	b := newBook(store)
	names := []string{ledger.ByIdentity("alice"), ledger.ByAddress("192.0.2.1")}
	fail(t, b, 10, names...)
	if got := store.Reset(); got.Transacts != 10 {
		t.Fatalf("ten failures: got %+v, want ten transactions", got)
	}
	fail(t, b, 100, names[0])
	if got := store.Reset(); got.Transacts != 0 {
		t.Errorf("a hundred more: got %+v, want no writes", got)
	}
	wait(t, b, names...)
	if got, want := store.Reset(), (tabletest.Counts{GetManys: 1, Keys: 2}); got != want {
		t.Errorf("a look: got %+v, want %+v", got, want)
	}
}

// A witness sees what the others have counted, and leaves no trace.
func TestWitnessWritesNothing(t *testing.T) {
	store := tabletest.NewCounting(embedded(t))
	b := newBook(store)
	alice, bob := ledger.ByIdentity("alice"), ledger.ByIdentity("bob")
	w := b.Witness()
	fail(t, b, 10, alice)
	store.Reset()
	fail(t, w, 10, bob)
	if wait(t, w, alice) == 0 || wait(t, w, bob) == 0 {
		t.Error("alice or bob is not blocked for the witness")
	}
	if got := store.Counts().Transacts; got != 0 {
		t.Errorf("%d writes, want none", got)
	}
	if wait(t, b, bob) != 0 || wait(t, b.Witness(), bob) != 0 {
		t.Error("others know what only this witness saw")
	}
}

// A witness has a bounded memory, and whoever fills it does not get free.
func TestWitnessForgetsWithoutGrowing(t *testing.T) {
	b := newBook(embedded(t))
	w := b.Witness()
	for i := range 30_000 {
		if err := w.Failed(t.Context(), ledger.ByIdentity(fmt.Sprint(i)), ledger.ByAddress("192.0.2.1")); err != nil {
			t.Fatal(err)
		}
	}
	if got := w.Tallies(); got > 10_000 {
		t.Errorf("remembers %d, want 10,000 at most", got)
	}
	if wait(t, w, ledger.ByAddress("192.0.2.1")) == 0 {
		t.Error("the address is not blocked")
	}
}

// A table that fails must not let attempts go uncounted unseen.
func TestLimiterSaysWhenItCannot(t *testing.T) {
	var off atomic.Bool
	b := newBook(down(t, &off))
	off.Store(true)
	if _, err := b.Blocked(t.Context(), ledger.ByIdentity("alice")); err == nil {
		t.Error("Blocked: no error")
	}
	if _, err := b.Witness().Blocked(t.Context(), ledger.ByIdentity("alice")); err == nil {
		t.Error("Witness.Blocked: no error")
	}
	if err := b.Failed(t.Context(), ledger.ByIdentity("alice")); err == nil {
		t.Error("Failed: no error")
	}
}
