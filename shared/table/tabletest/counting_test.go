package tabletest_test

import (
	"log/slog"
	"path/filepath"
	"sync"
	"testing"

	"github.com/berthregistry/berth/shared/table"
	"github.com/berthregistry/berth/shared/table/local"
	"github.com/berthregistry/berth/shared/table/tabletest"
)

func open(t *testing.T) table.Store {
	t.Helper()
	s, err := local.Open(filepath.Join(t.TempDir(), "table.db"), slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

func key(sort string) table.Key { return table.Key{Partition: "p", Sort: sort} }

func addTx() table.Tx {
	return table.Tx{Token: table.NewToken(), Actions: []table.Action{table.Update(key("n")).Adding("n", 1)}}
}

func wantNum(t *testing.T, s table.Store, want int64) {
	t.Helper()
	if item, err := s.Get(t.Context(), key("n")); err != nil || item.Num("n") != want {
		t.Errorf("got %d, %v, want %d", item.Num("n"), err, want)
	}
}

func TestCountingIsTransparent(t *testing.T) {
	tabletest.Run(t, func(t *testing.T) table.Store { return tabletest.NewCounting(open(t)) })
}

func TestCounting(t *testing.T) {
	s := tabletest.NewCounting(open(t))
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			ctx := t.Context()
			_, _ = s.Get(ctx, key("a"))
			_, _ = s.GetMany(ctx, []table.Key{key("a"), key("b")})
			_, _ = s.GetMany(ctx, []table.Key{key("a"), key("b"), key("c")}, "x")
			_, _ = s.Query(ctx, table.Query{Partition: "p", Prefix: "a"})
			_ = s.Transact(ctx, addTx())
			// What fails was asked all the same.
			_ = s.Transact(ctx, table.Tx{Token: table.NewToken(), Actions: []table.Action{table.Put(key("a")), table.Check(key("b"), table.Exists())}})
		})
	}
	all.Wait()
	want := tabletest.Counts{Gets: 8, GetManys: 16, Keys: 40, Queries: 8, Transacts: 16, Actions: 24}
	if got := s.Counts(); got != want {
		t.Errorf("Counts: got %+v, want %+v", got, want)
	}
	if got := s.Reset(); got != want {
		t.Errorf("Reset: got %+v, want %+v", got, want)
	}
	if got := s.Counts(); got != (tabletest.Counts{}) {
		t.Errorf("after Reset: got %+v", got)
	}
}
