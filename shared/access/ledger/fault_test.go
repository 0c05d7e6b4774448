package ledger_test

import (
	"errors"
	"testing"
	"time"

	"github.com/berthregistry/berth/shared/access/ledger"
	"github.com/berthregistry/berth/shared/access/token"
	"github.com/berthregistry/berth/shared/table"
	"github.com/berthregistry/berth/shared/table/tabletest"
)

// A deed is something done to a ledger that has the robot "ci" with one key.
type deed struct {
	name string
	do   func(t *testing.T, l *ledger.Ledger) error
	// done says whether it has happened. It has either happened or not: there
	// is nothing between.
	done func(t *testing.T, b book) bool
}

var deeds = []deed{
	{"policy", func(t *testing.T, l *ledger.Ledger) error {
		_, err := l.SetPolicy(t.Context(), []byte("text"), everybody("team"), "", ledger.NoPolicy)
		return err
	}, func(t *testing.T, b book) bool {
		_, err := b.Policy(t.Context())
		if written := err == nil; written != opens(t, b.beside(), "team") {
			t.Errorf("written %v, but in force %v", written, !written)
		}
		return err == nil
	}},
	{"publish", func(t *testing.T, l *ledger.Ledger) error {
		return l.PublishKeys(t.Context(), []token.PublicKey{key("a", time.Now(), time.Time{})})
	}, func(t *testing.T, b book) bool { return len(published(t, b.beside())) == 1 }},
	{"create", func(t *testing.T, l *ledger.Ledger) error {
		_, _, err := l.Create(t.Context(), "new", nil, time.Time{})
		return err
	}, func(t *testing.T, b book) bool { return len(b.names(t)) == 2 }},
	{"rotate", func(t *testing.T, l *ledger.Ledger) error {
		_, _, err := l.Rotate(t.Context(), "ci", time.Hour)
		return err
	}, func(t *testing.T, b book) bool {
		robots, err := b.Robots(t.Context())
		ended := 0
		for _, r := range robots {
			if !r.Expires.IsZero() {
				ended++
			}
		}
		if err != nil || len(robots) != ended+1 || ended > 1 {
			t.Errorf("%d keys of which %d end, %v; want one that does not end", len(robots), ended, err)
		}
		return ended == 1
	}},
	{"revoke", func(t *testing.T, l *ledger.Ledger) error {
		_, err := l.Revoke(t.Context(), "ci")
		return err
	}, func(t *testing.T, b book) bool {
		s, err := b.beside().State(t.Context())
		if left := len(b.names(t)); err != nil || left+len(s.Revoked) != 1 {
			t.Errorf("%d keys left, %v revoked, %v; want one or the other", left, s.Revoked, err)
		}
		return len(b.names(t)) == 0
	}},
	{"fail", func(t *testing.T, l *ledger.Ledger) error {
		return l.Failed(t.Context(), ledger.ByIdentity("alice"))
	}, func(t *testing.T, b book) bool {
		for range 9 {
			if err := b.Failed(t.Context(), ledger.ByIdentity("alice")); err != nil {
				t.Fatal(err)
			}
		}
		return wait(t, b, ledger.ByIdentity("alice")) > 0
	}},
}

// Every call of the table fails once, in both ways. What is answered as done is
// done, once; what is answered with an error has happened whole or not at all.
// A transaction whose outcome is not known is sent again, so one fault is not
// seen from outside.
func TestEachCallFailsOnce(t *testing.T) {
	for _, d := range deeds {
		t.Run(d.name, func(t *testing.T) {
			for n := range 4 {
				for _, fault := range []tabletest.Fault{tabletest.FailBefore, tabletest.FailAfter} {
					failOnce(t, d, n, fault)
				}
			}
		})
	}
}

func failOnce(t *testing.T, d deed, n int, fault tabletest.Fault) {
	b := newBook(embedded(t))
	b.create(t, "ci", time.Time{})
	var failed tabletest.Method
	store := tabletest.NewFaulty(b.store, func(c tabletest.Call) tabletest.Fault {
		if c.N == n {
			failed = c.Method
			return fault
		}
		return tabletest.Proceed
	})
	err := d.do(t, ledger.New(store, ledger.Options{Now: b.clock.now}))
	done := d.done(t, b)
	switch {
	case failed == tabletest.Transact && err != nil:
		t.Errorf("call %d, a write, failed (%v): got %v, want it sent again", n, fault, err)
	case err == nil && !done:
		t.Errorf("call %d failed (%v): answered as done, and it is not", n, fault)
	case err != nil && done && failed != tabletest.Query: // what is only looked at afterwards may fail
		t.Errorf("call %d, %s, failed (%v): got %v, and it was done", n, failed, fault, err)
	}
}

// Where all writes fail and some of them happen, the error does not look like
// one that says nothing has happened.
func TestUnknownOutcomeIsNoAnswer(t *testing.T) {
	b := newBook(tabletest.NewFaulty(embedded(t), func(c tabletest.Call) tabletest.Fault {
		if c.Method == tabletest.Transact {
			return tabletest.FailAfter
		}
		return tabletest.Proceed
	}))
	_, err := b.SetPolicy(t.Context(), nil, everybody("team"), "", ledger.NoPolicy)
	if err == nil || errors.Is(err, ledger.ErrChanged) || errors.Is(err, table.ErrConflict) {
		t.Errorf("got %v, want an error that says nothing of what happened", err)
	}
	if !opens(t, b.Ledger, "team") {
		t.Error("what happened is not seen by who did it")
	}
}
