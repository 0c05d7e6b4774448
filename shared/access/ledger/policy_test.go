package ledger_test

import (
	"errors"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/berthregistry/berth/shared/access/ledger"
	"github.com/berthregistry/berth/shared/table/tabletest"
)

func TestPolicyIsKeptAsWritten(t *testing.T) {
	onEach(t, func(t *testing.T, b book) {
		text := []byte("# why\nrules: []\n")
		set, err := b.SetPolicy(t.Context(), text, everybody("team"), "user:root\xff", ledger.NoPolicy)
		if err != nil {
			t.Fatal(err)
		}
		got, err := b.beside().Policy(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if string(got.Text) != string(text) || got.By != "user:root" || !got.When.Equal(b.now()) || got.Version != set.Version {
			t.Errorf("got %+v, want %q by user:root at %v, version %s", got, text, b.now(), set.Version)
		}
	})
}

func TestPolicyIsReplacedByWhoReadIt(t *testing.T) {
	onEach(t, func(t *testing.T, b book) {
		set := func(folder, version string) (ledger.Document, error) {
			return b.SetPolicy(t.Context(), nil, everybody(folder), "", version)
		}
		if _, err := set("a", "ABCDEF"); !errors.Is(err, ledger.ErrChanged) {
			t.Errorf("a version where there is none: got %v, want ErrChanged", err)
		}
		first, err := set("a", ledger.NoPolicy)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := set("b", ledger.NoPolicy); !errors.Is(err, ledger.ErrChanged) {
			t.Errorf("NoPolicy where there is one: got %v, want ErrChanged", err)
		}
		second, err := set("a", first.Version)
		if err != nil || second.Version == first.Version {
			t.Fatalf("got version %s, %v, want a new one", second.Version, err)
		}
		if _, err := set("b", first.Version); !errors.Is(err, ledger.ErrChanged) {
			t.Errorf("the version before: got %v, want ErrChanged", err)
		}
		if !opens(t, b.Ledger, "a") || opens(t, b.Ledger, "b") {
			t.Error("what was refused is in force")
		}
	})
}

// Of many who read the same policy and change it, one succeeds.
func TestOneOfManyReplacesThePolicy(t *testing.T) {
	onEach(t, func(t *testing.T, b book) {
		first := b.setPolicy(t, "a")
		var all sync.WaitGroup
		var won atomic.Int32
		for range 8 {
			all.Go(func() {
				_, err := b.SetPolicy(t.Context(), nil, everybody("b"), "", first.Version)
				switch {
				case err == nil:
					won.Add(1)
				case !errors.Is(err, ledger.ErrChanged):
					t.Error(err)
				}
			})
		}
		all.Wait()
		if won.Load() != 1 {
			t.Errorf("%d of 8 replaced it, want 1", won.Load())
		}
	})
}

// A write whose answer was lost is recognised, and not mistaken for one of
// somebody else.
func TestSetPolicyWhoseAnswerIsLost(t *testing.T) {
	b := newBook(tabletest.NewFaulty(embedded(t), failFirst(tabletest.FailAfter)))
	first, err := b.SetPolicy(t.Context(), nil, everybody("a"), "", ledger.NoPolicy)
	if err != nil {
		t.Fatal(err)
	}
	got, err := b.Policy(t.Context())
	if err != nil || got.Version != first.Version {
		t.Errorf("got version %s, %v, want %s", got.Version, err, first.Version)
	}
}

// failFirst fails the first transaction.
func failFirst(f tabletest.Fault) func(tabletest.Call) tabletest.Fault {
	var done atomic.Bool
	return func(c tabletest.Call) tabletest.Fault {
		if c.Method == tabletest.Transact && done.CompareAndSwap(false, true) {
			return f
		}
		return tabletest.Proceed
	}
}
