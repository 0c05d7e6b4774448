package local

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"go.etcd.io/bbolt"

	"github.com/berthregistry/berth/shared/table"
)

func (s *Store) mustDo(t *testing.T, actions ...table.Action) {
	t.Helper()
	if err := s.Transact(t.Context(), tx(actions...)); err != nil {
		t.Fatal(err)
	}
}

// logged returns how many changes are in the log.
func (s *Store) logged(t *testing.T) (n int) {
	t.Helper()
	if err := s.db.View(func(tx *bbolt.Tx) error {
		return tx.Bucket(changesBucket).ForEach(func(_, _ []byte) error { n++; return nil })
	}); err != nil {
		t.Fatal(err)
	}
	return n
}

// consume takes n changes, in whole runs, and leaves the run behind them
// unacknowledged.
func (s *Store) consume(t *testing.T, consumer string, n int) (runs [][]table.Change) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	err := s.Changes(ctx, consumer, func(_ context.Context, run []table.Change) error {
		runs = append(runs, run)
		if n -= len(run); n <= 0 {
			cancel()
		}
		return nil
	})
	if !errors.Is(err, context.Canceled) {
		t.Fatalf("Changes: %v", err)
	}
	return runs
}

func (s *Store) mustRegister(t *testing.T, consumers ...string) {
	t.Helper()
	for _, consumer := range consumers {
		if _, err := s.register(t.Context(), consumer); err != nil {
			t.Fatal(err)
		}
	}
}

func TestNothingIsLoggedForNobody(t *testing.T) {
	s := openStore(t, bbolt.Options{})
	s.mustDo(t, table.Put(key("a")))
	if n := s.logged(t); n != 0 {
		t.Errorf("got %d changes in the log before there was a consumer", n)
	}
	s.mustRegister(t, "one")
	s.mustDo(t, table.Put(key("a")))
	if n := s.logged(t); n != 1 {
		t.Errorf("got %d changes in the log, want 1", n)
	}
}

// What one commit does before and after a registration is told apart.
func TestConsumerBeginsAtItsRegistration(t *testing.T) {
	s := openStore(t, bbolt.Options{})
	_, before := transaction(tx(table.Put(key("before"))))
	_, after := transaction(tx(table.Put(key("after"))))
	err := s.submit(t.Context(), 0, func(g *group) error {
		if err := before(g); err != nil {
			return err
		}
		if _, err := g.register("one"); err != nil {
			return err
		}
		return after(g)
	})
	if err != nil {
		t.Fatal(err)
	}
	runs := s.consume(t, "one", 1)
	if len(runs) != 1 || len(runs[0]) != 1 || runs[0][0].Key != key("after") {
		t.Errorf("got %v, want the change after the registration only", runs)
	}
}

func TestAcknowledgedChangesAreDropped(t *testing.T) {
	s := openStore(t, bbolt.Options{})
	s.mustRegister(t, "a", "b", "c")
	for i := range 10 {
		s.mustDo(t, table.Put(key(fmt.Sprint(i))))
	}
	for _, consumer := range []string{"c", "a"} {
		s.consume(t, consumer, 10)
		if n := s.logged(t); n != 10 {
			t.Errorf("while one has not come: got %d changes, want 10", n)
		}
	}
	s.consume(t, "b", 10)
	if n := s.logged(t); n != 0 {
		t.Errorf("after all have come: got %d changes, want 0", n)
	}
}

func TestPositionsOutliveTheProcess(t *testing.T) {
	path := filepath.Join(t.TempDir(), "table.db")
	var ids []string
	for i := range 3 {
		s, err := Open(path, discard)
		if err != nil {
			t.Fatal(err)
		}
		s.mustRegister(t, "one", "never there")
		s.mustDo(t, table.Put(key("a"), table.N("i", int64(i))))
		for _, run := range s.consume(t, "one", 1) {
			for _, c := range run {
				ids = append(ids, c.ID)
				if got := c.New.Num("i"); got != int64(i) {
					t.Errorf("start %d: got change %d", i, got)
				}
			}
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if want := []string{"1", "2", "3"}; !slices.Equal(ids, want) {
		t.Errorf("IDs: got %q, want %q", ids, want)
	}
}

// Numbers of changes that were dropped are not given out again.
func TestSequenceNeverGoesBack(t *testing.T) {
	path := filepath.Join(t.TempDir(), "table.db")
	for i := range 3 {
		s, err := Open(path, discard)
		if err != nil {
			t.Fatal(err)
		}
		s.mustRegister(t, "one")
		s.mustDo(t, table.Put(key("a")))
		if got, want := s.consume(t, "one", 1)[0][0].ID, fmt.Sprint(i+1); got != want {
			t.Errorf("ID: got %s, want %s", got, want)
		}
		if n := s.logged(t); n != 0 {
			t.Errorf("got %d changes in the log, want 0", n)
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

func TestRunsAreBounded(t *testing.T) {
	s := openStore(t, bbolt.Options{})
	s.mustRegister(t, "one")
	for i := range 30 {
		var small []table.Action
		for j := range 10 {
			small = append(small, table.Put(key(fmt.Sprintf("small-%d-%d", i, j))))
		}
		s.mustDo(t, small...)
	}
	large := table.B("large", make([]byte, 300<<10))
	for range 5 {
		s.mustDo(t, table.Put(key("large"), large)) // old and new image: 600 KiB
	}
	var lengths []int
	for _, run := range s.consume(t, "one", 305) {
		lengths = append(lengths, len(run))
	}
	// The fourth run has 300, 600 and 600 KiB.
	if want := []int{100, 100, 100, 3, 2}; !slices.Equal(lengths, want) {
		t.Errorf("runs: got %v, want %v", lengths, want)
	}
}

func TestChangesEndsWithTheStore(t *testing.T) {
	s := openStore(t, bbolt.Options{})
	began, ended := make(chan struct{}), make(chan error)
	go func() {
		ended <- s.Changes(t.Context(), "one", func(context.Context, []table.Change) error { close(began); return nil })
	}()
	for s.logged(t) == 0 {
		s.mustDo(t, table.Put(key("a")))
	}
	<-began
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if err := <-ended; err == nil {
		t.Error("Changes returned nil")
	}
}

func TestConsumerNeedsAName(t *testing.T) {
	s := openStore(t, bbolt.Options{})
	if err := s.Changes(t.Context(), "", nil); !errors.Is(err, table.ErrLimit) {
		t.Errorf("got %v, want ErrLimit", err)
	}
}

func TestOldChangesAreTrimmed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := openStore(t, bbolt.Options{})
		s.mustRegister(t, "gone")
		for i := range 3*maxSweep + 1 {
			s.mustDo(t, table.Put(key(fmt.Sprint(i))))
		}
		time.Sleep(table.StreamLife - time.Minute)
		s.mustDo(t, table.Put(key("young")))
		if n := s.logged(t); n != 3*maxSweep+2 {
			t.Errorf("got %d changes, want all %d until they are old", n, 3*maxSweep+2)
		}
		time.Sleep(2*time.Minute + 2*sweepEvery)
		synctest.Wait()
		if n := s.logged(t); n != 1 {
			t.Errorf("got %d changes, want the young one", n)
		}
		runs := s.consume(t, "gone", 1)
		if got := runs[0][0].Key; got != key("young") {
			t.Errorf("got a change of %v, want that of the young one", got)
		}
	})
}
