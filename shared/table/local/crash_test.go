package local_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/berthregistry/berth/shared/table"
	"github.com/berthregistry/berth/shared/table/local"
)

// The test binary, started with a path in this variable, writes to the table
// there until it is killed.
const hammerEnv = "BERTH_LOCAL_TEST_HAMMER"

func TestMain(m *testing.M) {
	if path := os.Getenv(hammerEnv); path != "" {
		hammer(path)
	}
	os.Exit(m.Run())
}

const (
	crashRounds  = 24
	crashWriters = 8
	pairsKept    = 20 // a writer deletes its pair that is this much older
)

// TestCrash kills a process that writes, again and again at any moment, and
// looks at what it left. A kill leaves what was written to the page cache, so
// this shows that commits are whole and ordered, not that syncs reach the
// disk.
func TestCrash(t *testing.T) {
	path := filepath.Join(t.TempDir(), "table.db")
	register(t, path)
	model := map[table.Key]table.Item{}
	var there [crashWriters]int64
	for round := range crashRounds {
		acknowledged := crash(t, path, round == 0)
		s := openAt(t, path)
		for w := range there {
			there[w] = checkWriter(t, s, w, max(there[w], acknowledged[w]))
		}
		follow(t, s, model)
		checkModel(t, s, model)
		mustClose(t, s)
		if t.Failed() {
			t.Fatalf("in round %d", round)
		}
	}
	t.Logf("transactions of each writer: %v", there)
}

// hammer writes with several goroutines and prints each transaction that was
// acknowledged. It ends when killed, or when the test is gone.
func hammer(path string) {
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		os.Exit(1)
	}()
	s, err := local.Open(path, discard)
	if err != nil {
		fmt.Println("error", err)
		os.Exit(1)
	}
	ctx := context.Background()
	// Another consumer has the log trimmed as well.
	go func() {
		fmt.Println("error", s.Changes(ctx, "hammer", func(context.Context, []table.Change) error { return nil }))
	}()
	for w := range crashWriters {
		go func() {
			item, err := s.Get(ctx, writerKey(w))
			for n := item.Num("n") + 1; err == nil || errors.Is(err, table.ErrAbsent); n++ {
				if err = s.Transact(ctx, crashTx(w, n)); err == nil {
					fmt.Println("done", w, n)
				}
			}
			fmt.Println("error", err)
		}()
	}
	select {}
}

// crashTx is the n-th transaction of a writer: it makes a pair of items in two
// partitions, deletes an older pair and counts.
func crashTx(w int, n int64) table.Tx {
	left, right := pair(w, n)
	oldLeft, oldRight := pair(w, n-pairsKept)
	filler := table.B("filler", make([]byte, rand.IntN(3000)))
	return tx(
		table.Put(left, table.N("n", n), filler).When(table.Absent()),
		table.Put(right, table.N("n", n), filler).When(table.Absent()).Until(time.Now().Add(time.Hour)),
		table.Update(writerKey(w), table.N("last", n)).Adding("n", 1),
		table.Delete(oldLeft), table.Delete(oldRight),
	)
}

func pair(w int, n int64) (left, right table.Key) {
	partition, sort := fmt.Sprintf("writer#%d", w), fmt.Sprintf("pair#%020d", max(n, 0))
	return table.Key{Partition: partition, Sort: sort}, table.Key{Partition: partition + "#right", Sort: sort}
}

// register makes "model" a consumer before anything is written.
func register(t *testing.T, path string) {
	t.Helper()
	s := openAt(t, path)
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	err := s.Changes(ctx, "model", func(context.Context, []table.Change) error { return nil })
	if !errors.Is(err, context.DeadlineExceeded) {
		t.Fatalf("Changes: %v", err)
	}
	mustClose(t, s)
}

// crash has a process hammer the table, kills it, and returns what it said was
// done, by writer.
func crash(t *testing.T, path string, tryOpen bool) map[int]int64 {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), os.Args[0])
	cmd.Env = append(os.Environ(), hammerEnv+"="+path)
	cmd.Stderr = os.Stderr
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	defer stdin.Close()
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	done := map[int]int64{}
	kill := func() { _ = cmd.Process.Kill() }
	for lines := bufio.NewScanner(stdout); lines.Scan(); {
		if len(done) == 0 { // it has begun
			if tryOpen {
				if _, err := local.Open(path, discard); !errors.Is(err, local.ErrHeld) {
					t.Errorf("open while another process writes: got %v, want ErrHeld", err)
				}
			}
			time.AfterFunc(time.Duration(rand.IntN(100))*time.Millisecond, kill)
		}
		var w int
		var n int64
		if _, err := fmt.Sscanf(lines.Text(), "done %d %d", &w, &n); err != nil {
			t.Errorf("the process said %q", lines.Text())
			kill()
			continue
		}
		done[w] = max(done[w], n)
	}
	if err := cmd.Wait(); err == nil || !strings.Contains(err.Error(), "killed") {
		t.Errorf("the process ended by itself: %v", err)
	}
	return done
}

// checkWriter fails unless everything acknowledged is there, and nothing but
// the one transaction that was under way, and nothing by half. It returns how
// many there are.
func checkWriter(t *testing.T, s table.Store, w int, acknowledged int64) int64 {
	t.Helper()
	counter, err := s.Get(t.Context(), writerKey(w))
	if err != nil && (acknowledged > 0 || !errors.Is(err, table.ErrAbsent)) {
		t.Fatalf("writer %d: %v", w, err)
	}
	n := counter.Num("n")
	if n < acknowledged || n > acknowledged+1 || counter.Num("last") != n {
		t.Errorf("writer %d: got %d, last %d, acknowledged were %d", w, n, counter.Num("last"), acknowledged)
	}
	left, right := pair(w, n)
	for _, partition := range []string{left.Partition, right.Partition} {
		page, err := s.Query(t.Context(), table.Query{Partition: partition, Prefix: "pair#"})
		if err != nil || page.More {
			t.Fatalf("Query: %v, more %v", err, page.More)
		}
		if got, want := int64(len(page.Items)), min(n, pairsKept); got != want {
			t.Errorf("%s: got %d items, want %d", partition, got, want)
		}
		for i, item := range page.Items {
			if got, want := item.Num("n"), n-int64(len(page.Items)-1-i); got != want {
				t.Errorf("%s: got item %d, want %d", partition, got, want)
			}
		}
	}
	return n
}

// follow brings the model up to date by what the log says.
func follow(t *testing.T, s *local.Store, model map[table.Key]table.Item) {
	t.Helper()
	end := table.Key{Partition: "end", Sort: table.NewToken()}
	if err := s.Transact(t.Context(), tx(table.Put(end))); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	err := s.Changes(ctx, "model", func(_ context.Context, run []table.Change) error {
		for _, c := range run {
			before, ok := model[c.Key]
			if ok != (c.Old != nil) || ok && c.Old.Version != before.Version {
				t.Errorf("%v: the log says it was %v, the model has %v", c.Key, c.Old, before)
			}
			delete(model, c.Key)
			if c.New != nil {
				model[c.Key] = *c.New
			}
			if c.Key == end {
				cancel()
			}
		}
		return nil
	})
	if !errors.Is(err, context.Canceled) {
		t.Fatalf("Changes: %v", err)
	}
}

// checkModel fails unless the log led to exactly the items that are there.
func checkModel(t *testing.T, s table.Store, model map[table.Key]table.Item) {
	t.Helper()
	there := 0
	for w := range crashWriters {
		left, right := pair(w, 0)
		for _, q := range []table.Query{
			{Partition: left.Partition, Prefix: "pair#"}, {Partition: right.Partition, Prefix: "pair#"}, {Partition: writerKey(w).Partition, Prefix: "count"},
		} {
			page, err := s.Query(t.Context(), q)
			if err != nil {
				t.Fatal(err)
			}
			for _, item := range page.Items {
				there++
				if got := model[item.Key].Version; got != item.Version {
					t.Errorf("%v: the log leads to version %q, there is %q", item.Key, got, item.Version)
				}
			}
		}
	}
	logged := 0
	for key := range model {
		if key.Partition != "end" {
			logged++
		}
	}
	if logged != there {
		t.Errorf("the log leads to %d items, there are %d", logged, there)
	}
}
