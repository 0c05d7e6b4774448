package local

import (
	"encoding/binary"
	"fmt"
	"log/slog"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"go.etcd.io/bbolt"

	"github.com/berthregistry/berth/shared/table"
)

// Who begins before it asks for changes misses none in between.
func TestBeginComesBeforeChanges(t *testing.T) {
	s := openStore(t, bbolt.Options{})
	s.mustDo(t, table.Put(table.Key{Partition: "p", Sort: "early"}))
	if err := s.Begin(t.Context(), "c", nil); err != nil {
		t.Fatal(err)
	}
	s.mustDo(t, table.Put(table.Key{Partition: "p", Sort: "late"}))
	if got := sorts(s.consume(t, "c", 1)); !slices.Equal(got, []string{"late"}) {
		t.Errorf("got the changes %q, want that after Begin", got)
	}
	// To begin again is to go on.
	s.mustDo(t, table.Put(table.Key{Partition: "p", Sort: "later"}))
	if err := s.Begin(t.Context(), "c", nil); err != nil {
		t.Fatal(err)
	}
	if got := sorts(s.consume(t, "c", 1)); !slices.Contains(got, "later") {
		t.Errorf("got the changes %q, want the one before the second Begin among them", got)
	}
}

func TestBeginLogsWhatIsWanted(t *testing.T) {
	s := openStore(t, bbolt.Options{})
	tags := func(k table.Key) bool { return strings.HasPrefix(k.Sort, "tag#") }
	if err := s.Begin(t.Context(), "tags", tags); err != nil {
		t.Fatal(err)
	}
	both := []table.Action{
		table.Put(table.Key{Partition: "p", Sort: "tag#1"}), table.Put(table.Key{Partition: "p", Sort: "upload#1"}),
	}
	s.mustDo(t, both...)
	if n := s.logged(t); n != 1 {
		t.Errorf("%d changes are logged, want that of the tag", n)
	}
	if got := sorts(s.consume(t, "tags", 1)); !slices.Equal(got, []string{"tag#1"}) {
		t.Errorf("got the changes %q, want that of the tag", got)
	}
	// Somebody who wants all gets all, whatever others want.
	s.mustRegister(t, "all")
	s.mustDo(t, both...)
	if got := sorts(s.consume(t, "all", 2)); !slices.Contains(got, "upload#1") {
		t.Errorf("got the changes %q, want all", got)
	}
}

func sorts(runs [][]table.Change) (out []string) {
	for _, run := range runs {
		for _, c := range run {
			out = append(out, c.Key.Sort)
		}
	}
	return out
}

// Changes that nobody has taken are not too old for who comes back after days:
// not in runs that others end in the middle of, and not while they catch up.
func TestChangesWaitForWhoWasAway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		path := filepath.Join(t.TempDir(), "table.db")
		s, err := open(path, slog.New(slog.DiscardHandler), bbolt.Options{})
		if err != nil {
			t.Fatal(err)
		}
		s.mustRegister(t, "c")
		const n = 250
		for i := range n {
			s.mustDo(t, table.Put(table.Key{Partition: "p", Sort: fmt.Sprintf("%03d", i)}, table.B("b", make([]byte, 100<<10))))
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		time.Sleep(72 * time.Hour)
		if s, err = open(path, slog.New(slog.DiscardHandler), bbolt.Options{}); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = s.Close() })
		time.Sleep(catchUp / 2)
		if got := len(sorts(s.consume(t, "c", n))); got != n {
			t.Errorf("got %d changes, want all %d", got, n)
		}
	})
}

// A process that was there all the time, on a machine that was not, is no
// different: what was changed as the lid was shut is told when it opens.
func TestChangesWaitForWhoSlept(t *testing.T) {
	s := openStore(t, bbolt.Options{})
	s.mustRegister(t, "c")
	const n = 30 // in several runs
	for i := range n {
		s.mustDo(t, table.Put(table.Key{Partition: "p", Sort: fmt.Sprintf("%03d", i)}, table.B("b", make([]byte, 100<<10))))
	}
	s.sleep(t, 72*time.Hour)
	if got := len(sorts(s.consume(t, "c", n))); got != n {
		t.Errorf("got %d changes, want all %d", got, n)
	}
}

// sleep makes it later by the clock on the wall, and by no other. The store was
// opened too long ago for that to matter.
func (s *Store) sleep(t *testing.T, d time.Duration) {
	t.Helper()
	err := s.submit(t.Context(), 0, func(g *group) error {
		s.looked, s.woke = s.looked.Add(-d), s.woke.Add(-2*catchUp)
		older := map[string][]byte{}
		err := g.changes.ForEach(func(k, v []byte) error {
			at := binary.BigEndian.Uint64(v[2:]) - uint64(d)
			older[string(k)] = slices.Concat(v[:2], binary.BigEndian.AppendUint64(nil, at), v[changeHead:])
			return nil
		})
		for k, v := range older {
			g.put(g.changes, []byte(k), v)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}
