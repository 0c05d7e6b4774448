package local_test

import (
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"go.etcd.io/bbolt"

	"github.com/berthregistry/berth/shared/table"
	"github.com/berthregistry/berth/shared/table/local"
	"github.com/berthregistry/berth/shared/table/tabletest"
)

var discard = slog.New(slog.DiscardHandler)

func open(t testing.TB) *local.Store {
	t.Helper()
	return openAt(t, filepath.Join(t.TempDir(), "table.db"))
}

func openAt(t testing.TB, path string) *local.Store {
	t.Helper()
	s, err := local.Open(path, discard)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { mustClose(t, s) })
	return s
}

func mustClose(t testing.TB, s *local.Store) {
	t.Helper()
	if err := s.Close(); err != nil {
		t.Errorf("Close: %v", err)
	}
}

func TestContract(t *testing.T) {
	tabletest.Run(t, func(t *testing.T) table.Store { return open(t) })
}

func TestStreamContract(t *testing.T) {
	tabletest.RunStream(t, func(t *testing.T) (table.Store, table.Stream) {
		s := open(t)
		return s, s
	})
}

func TestOneHolder(t *testing.T) {
	path := filepath.Join(t.TempDir(), "table.db")
	first := openAt(t, path)
	began := time.Now()
	_, err := local.Open(path, discard)
	if !errors.Is(err, local.ErrHeld) || !strings.Contains(err.Error(), strconv.Itoa(os.Getpid())) {
		t.Errorf("second open: got %v, want ErrHeld with process %d", err, os.Getpid())
	}
	if d := time.Since(began); d > 3*time.Second {
		t.Errorf("second open gave up after %v, want about a second", d)
	}
	mustClose(t, first)
	openAt(t, path)
}

// A start that overlaps the end of the last process succeeds.
func TestOpenWaitsForALeavingHolder(t *testing.T) {
	path := filepath.Join(t.TempDir(), "table.db")
	first := openAt(t, path)
	time.AfterFunc(200*time.Millisecond, func() { mustClose(t, first) })
	openAt(t, path)
}

func TestOtherFormatIsRefused(t *testing.T) {
	path := filepath.Join(t.TempDir(), "table.db")
	mustClose(t, openAt(t, path))
	db, err := bbolt.Open(path, 0o600, nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := db.Update(func(tx *bbolt.Tx) error { return tx.Bucket([]byte("meta")).Put([]byte("format"), []byte("99")) }); err != nil {
		t.Fatal(err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := local.Open(path, discard); err == nil || !strings.Contains(err.Error(), "99") {
		t.Errorf("got %v, want an error that names the format", err)
	}
}

func TestOpenFails(t *testing.T) {
	folder := t.TempDir()
	foreign := filepath.Join(folder, "foreign")
	if err := os.WriteFile(foreign, []byte(strings.Repeat("not a table ", 1000)), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{foreign, folder, filepath.Join(folder, "no such folder", "table.db")} {
		if s, err := local.Open(path, discard); err == nil {
			mustClose(t, s)
			t.Errorf("%s was opened", path)
		}
	}
}

func TestCloseAgain(t *testing.T) {
	s := open(t)
	mustClose(t, s)
	mustClose(t, s)
	key := table.Key{Partition: "p", Sort: "s"}
	if _, err := s.Get(t.Context(), key); err == nil || errors.Is(err, table.ErrAbsent) {
		t.Errorf("Get of a closed table: %v", err)
	}
	if err := s.Transact(t.Context(), tx(table.Put(key))); err == nil {
		t.Error("a closed table was written to")
	}
}

// What is answered while the table is being closed is durable; the rest is
// told so.
func TestCloseAmongWriters(t *testing.T) {
	path := filepath.Join(t.TempDir(), "table.db")
	s := openAt(t, path)
	var writers sync.WaitGroup
	var done [16]int64
	for w := range done {
		writers.Go(func() {
			for s.Transact(t.Context(), tx(table.Update(writerKey(w)).Adding("n", 1))) == nil {
				done[w]++
			}
		})
	}
	time.Sleep(50 * time.Millisecond)
	mustClose(t, s)
	writers.Wait()

	s = openAt(t, path)
	for w, want := range done {
		if item, err := s.Get(t.Context(), writerKey(w)); item.Num("n") != want {
			t.Errorf("writer %d: got %d, %v, want %d", w, item.Num("n"), err, want)
		}
	}
}

func writerKey(w int) table.Key {
	return table.Key{Partition: "writer#" + strconv.Itoa(w), Sort: "count"}
}

func tx(actions ...table.Action) table.Tx {
	return table.Tx{Token: table.NewToken(), Actions: actions}
}
