package tabletest_test

import (
	"errors"
	"sync"
	"testing"

	"github.com/berthregistry/berth/shared/table"
	"github.com/berthregistry/berth/shared/table/tabletest"
)

func TestFaultyIsTransparent(t *testing.T) {
	tabletest.Run(t, func(t *testing.T) table.Store {
		return tabletest.NewFaulty(open(t), func(tabletest.Call) tabletest.Fault { return tabletest.Proceed })
	})
}

// always is the hook of a store that treats all calls alike.
func always(f tabletest.Fault) func(tabletest.Call) tabletest.Fault {
	return func(tabletest.Call) tabletest.Fault { return f }
}

func TestFailBefore(t *testing.T) {
	s := open(t)
	err := tabletest.NewFaulty(s, always(tabletest.FailBefore)).Transact(t.Context(), addTx())
	if !errors.Is(err, tabletest.ErrFault) {
		t.Errorf("got %v, want ErrFault", err)
	}
	if _, err := s.Get(t.Context(), key("n")); !errors.Is(err, table.ErrAbsent) {
		t.Errorf("Get: got %v, want ErrAbsent: nothing must have happened", err)
	}
}

// After a failure that happened, the same transaction sent again finds that
// out.
func TestFailAfter(t *testing.T) {
	s := open(t)
	tx := addTx()
	err := tabletest.NewFaulty(s, always(tabletest.FailAfter)).Transact(t.Context(), tx)
	if !errors.Is(err, tabletest.ErrFault) {
		t.Errorf("got %v, want ErrFault", err)
	}
	wantNum(t, s, 1)
	if err := s.Transact(t.Context(), tx); err != nil {
		t.Errorf("sent again: %v", err)
	}
	wantNum(t, s, 1)
}

// A condition that failed does not show behind a fault.
func TestFailAfterHidesTheAnswer(t *testing.T) {
	s := tabletest.NewFaulty(open(t), always(tabletest.FailAfter))
	err := s.Transact(t.Context(), table.Tx{Token: table.NewToken(), Actions: []table.Action{table.Check(key("a"), table.Exists())}})
	var failed *table.ConditionError
	if errors.As(err, &failed) || !errors.Is(err, tabletest.ErrFault) {
		t.Errorf("got %v, want ErrFault alone", err)
	}
}

func TestFaultyReadsAnswerNothing(t *testing.T) {
	for _, fault := range []tabletest.Fault{tabletest.FailBefore, tabletest.FailAfter} {
		inner := open(t)
		if err := inner.Transact(t.Context(), addTx()); err != nil {
			t.Fatal(err)
		}
		s := tabletest.NewFaulty(inner, always(fault))
		if item, err := s.Get(t.Context(), key("n")); !errors.Is(err, tabletest.ErrFault) || item.Sort != "" {
			t.Errorf("Get: got %v, %v", item, err)
		}
		if items, err := s.GetMany(t.Context(), []table.Key{key("n")}); !errors.Is(err, tabletest.ErrFault) || items != nil {
			t.Errorf("GetMany: got %v, %v", items, err)
		}
		if page, err := s.Query(t.Context(), table.Query{Partition: "p", Prefix: "n"}); !errors.Is(err, tabletest.ErrFault) || page.Items != nil {
			t.Errorf("Query: got %v, %v", page, err)
		}
	}
}

// The hook is told the number of each call, its method and its transaction.
func TestHookSeesCalls(t *testing.T) {
	var mu sync.Mutex
	numbers, methods, token := map[int]bool{}, map[tabletest.Method]int{}, ""
	s := tabletest.NewFaulty(open(t), func(c tabletest.Call) tabletest.Fault {
		mu.Lock()
		defer mu.Unlock()
		numbers[c.N] = true
		methods[c.Method]++
		token += c.Tx.Token
		return tabletest.Proceed
	})
	tx := addTx()
	var all sync.WaitGroup
	all.Go(func() { _, _ = s.Get(t.Context(), key("n")) })
	all.Go(func() { _, _ = s.GetMany(t.Context(), nil) })
	all.Go(func() { _, _ = s.Query(t.Context(), table.Query{Partition: "p", Prefix: "n"}) })
	all.Go(func() { _ = s.Transact(t.Context(), tx) })
	all.Wait()
	for n, method := range []tabletest.Method{tabletest.Get, tabletest.GetMany, tabletest.Query, tabletest.Transact} {
		if !numbers[n] || methods[method] != 1 {
			t.Errorf("got calls %v of %v, want 0 to 3, one of each method", numbers, methods)
		}
	}
	if token != tx.Token {
		t.Errorf("token: got %q, want %q", token, tx.Token)
	}
}
