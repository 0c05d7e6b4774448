package local

import (
	"context"
	"errors"
	"log/slog"
	"path/filepath"
	"strings"
	"testing"

	"go.etcd.io/bbolt"

	"github.com/berthregistry/berth/shared/table"
)

var discard = slog.New(slog.DiscardHandler)

func openStore(t *testing.T, options bbolt.Options) *Store {
	t.Helper()
	s, err := open(filepath.Join(t.TempDir(), "table.db"), discard, options)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

func key(sort string) table.Key { return table.Key{Partition: "p", Sort: sort} }

func tx(actions ...table.Action) table.Tx {
	return table.Tx{Token: table.NewToken(), Actions: actions}
}

// together has the transactions done in one commit and returns their answers.
func (s *Store) together(ctx context.Context, txs ...table.Tx) []error {
	jobs := make([]*job, len(txs))
	for i, tx := range txs {
		_, do := transaction(tx)
		jobs[i] = &job{ctx: ctx, do: do, answer: make(chan error, 1)}
	}
	s.commit(jobs)
	answers := make([]error, len(jobs))
	for i, j := range jobs {
		answers[i] = <-j.answer
	}
	return answers
}

func num(t *testing.T, s *Store, sort, name string) int64 {
	t.Helper()
	item, err := s.Get(t.Context(), key(sort))
	if err != nil {
		t.Fatalf("Get(%s): %v", sort, err)
	}
	return item.Num(name)
}

func TestJobsOfACommitSeeEachOther(t *testing.T) {
	s := openStore(t, bbolt.Options{})
	again := tx(table.Update(key("n")).Adding("n", 1))
	answers := s.together(t.Context(),
		again,
		tx(table.Put(key("a"), table.N("by", 1)).When(table.Absent()), table.Update(key("n")).Adding("n", 10)),
		tx(table.Put(key("a"), table.N("by", 2)).When(table.Absent()), table.Update(key("n")).Adding("n", 100)),
		tx(table.Delete(key("a")).When(table.Equals(table.N("by", 1)))),
		tx(table.Put(key("a"), table.N("by", 3)).When(table.Absent())),
		again,
		tx(table.Update(key("n"), table.B("large", make([]byte, table.MaxItem-20))).Adding("n", 1000)),
	)
	for i, err := range answers {
		var failed *table.ConditionError
		if i == 2 != errors.As(err, &failed) || i == 6 != errors.Is(err, table.ErrLimit) {
			t.Errorf("transaction %d: got %v", i, err)
		}
	}
	if got := num(t, s, "n", "n"); got != 11 {
		t.Errorf("sum: got %d, want 11", got)
	}
	if got := num(t, s, "a", "by"); got != 3 {
		t.Errorf("last writer: got %d, want 3", got)
	}
}

// A disk that is full fails the whole commit and spoils nothing.
func TestFailedCommitIsUndone(t *testing.T) {
	s := openStore(t, bbolt.Options{MaxSize: 512 << 10})
	small := tx(table.Update(key("n")).Adding("n", 1))
	large := tx(table.Put(key("large"), table.B("b", make([]byte, 300<<10))), table.Put(key("more"), table.B("b", make([]byte, 300<<10))),
		table.Put(key("most"), table.B("b", make([]byte, 399<<10))))
	for i, err := range s.together(t.Context(), small, large, tx(table.Check(key("n"), table.Absent()))) {
		var failed *table.ConditionError
		if err == nil || errors.Is(err, table.ErrLimit) || errors.As(err, &failed) {
			t.Errorf("transaction %d: got %v, want an error that tells nothing", i, err)
		}
	}
	if _, err := s.Get(t.Context(), key("n")); !errors.Is(err, table.ErrAbsent) {
		t.Errorf("Get: got %v, want ErrAbsent", err)
	}
	// The token was not remembered: sent again, it is done.
	if err := s.Transact(t.Context(), small); err != nil {
		t.Fatalf("Transact after a failed commit: %v", err)
	}
	if got := num(t, s, "n", "n"); got != 1 {
		t.Errorf("got %d, want 1", got)
	}
}

// What the file refuses to take spoils the commit, not only the job.
func TestRefusedWriteFailsTheCommit(t *testing.T) {
	s := openStore(t, bbolt.Options{})
	err := s.submit(t.Context(), 0, func(g *group) error {
		g.put(g.items, encodeKey(key("a")), appendItem(nil, table.Item{}))
		g.put(g.items, nil, nil) // bbolt wants a key
		g.delete(g.items, []byte("none"))
		return nil
	})
	if err == nil {
		t.Error("a commit with a write that was refused succeeded")
	}
	if s.has(t, "a") {
		t.Error("a part of the commit is there")
	}
	s.mustDo(t, table.Put(key("a")))
}

func TestPanicEndsWriting(t *testing.T) {
	s := openStore(t, bbolt.Options{})
	if err := s.Transact(t.Context(), tx(table.Put(key("a")))); err != nil {
		t.Fatal(err)
	}
	if err := s.submit(t.Context(), 0, func(*group) error { panic("page 7 is broken") }); err == nil || !strings.Contains(err.Error(), "page 7 is broken") {
		t.Errorf("got %v, want what was panicked", err)
	}
	if err := s.Transact(t.Context(), tx(table.Put(key("b")))); err == nil {
		t.Error("a transaction was done on a table that is damaged")
	}
	if _, err := s.Get(t.Context(), key("a")); err != nil {
		t.Errorf("Get: %v", err)
	}
}

func TestWaitingJobCanBeWithdrawn(t *testing.T) {
	s := openStore(t, bbolt.Options{})
	busy, release := make(chan struct{}), make(chan struct{})
	blocker := make(chan error)
	go func() {
		blocker <- s.submit(t.Context(), 0, func(*group) error { close(busy); <-release; return nil })
	}()
	<-busy
	ctx, cancel := context.WithCancel(t.Context())
	waiter := make(chan error)
	go func() { waiter <- s.Transact(ctx, tx(table.Put(key("a")))) }()
	cancel()
	if err := <-waiter; !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want context.Canceled", err)
	}
	close(release)
	if err := <-blocker; err != nil {
		t.Error(err)
	}
	if _, err := s.Get(t.Context(), key("a")); !errors.Is(err, table.ErrAbsent) {
		t.Errorf("Get: got %v, want ErrAbsent", err)
	}
}

// An item that bears a transaction's token tells that it happened, after the
// token itself is forgotten.
func TestTokenIsFoundInItems(t *testing.T) {
	path := filepath.Join(t.TempDir(), "table.db")
	add := tx(table.Update(key("n")).Adding("n", 1))
	for range 2 {
		s, err := Open(path, discard)
		if err != nil {
			t.Fatal(err)
		}
		if err := s.Transact(t.Context(), add); err != nil {
			t.Error(err)
		}
		if got := num(t, s, "n", "n"); got != 1 {
			t.Errorf("got %d, want 1", got)
		}
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}
}

func TestGroupsAreBounded(t *testing.T) {
	s := &Store{jobs: make(chan *job, 2*maxGroup)}
	for range 2 * maxGroup {
		s.jobs <- &job{size: 1}
	}
	if got := len(s.gather(&job{})); got != maxGroup {
		t.Errorf("got %d jobs, want %d", got, maxGroup)
	}
	if got := len(s.gather(&job{size: maxGroupBytes})); got != 1 {
		t.Errorf("behind a large job: got %d jobs, want 1", got)
	}
}

func TestAddRefusesOverflow(t *testing.T) {
	for _, c := range []struct {
		x, y int64
		ok   bool
	}{
		{1<<63 - 1, 1, false}, {-1 << 63, -1, false}, {1<<63 - 1, -1 << 63, true}, {1<<63 - 2, 1, true}, {0, -1 << 63, true}, {-1, -1 << 63, false},
	} {
		got, err := add(table.Attrs{table.N("n", c.x)}, table.N("n", c.y))
		if c.ok && (err != nil || got.Num() != c.x+c.y) || !c.ok && !errors.Is(err, table.ErrLimit) {
			t.Errorf("%d + %d: got %d, %v", c.x, c.y, got.Num(), err)
		}
	}
}
