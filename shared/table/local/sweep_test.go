package local

import (
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"go.etcd.io/bbolt"

	"github.com/berthregistry/berth/shared/table"
)

func (s *Store) has(t *testing.T, sort string) bool {
	t.Helper()
	_, err := s.Get(t.Context(), key(sort))
	if err != nil && !errors.Is(err, table.ErrAbsent) {
		t.Fatal(err)
	}
	return err == nil
}

func TestItemsExpire(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := openStore(t, bbolt.Options{})
		soon, later := time.Now().Add(time.Hour), time.Now().Add(3*time.Hour)
		s.mustDo(t,
			table.Put(key("soon")).Until(soon), table.Put(key("later")).Until(later), table.Put(key("never")),
			table.Put(key("prolonged")).Until(soon), table.Put(key("pardoned")).Until(soon), table.Put(key("touched")).Until(soon),
			table.Put(key("deleted")).Until(soon), table.Put(key("stub, then soon")),
		)
		s.mustDo(t,
			table.Update(key("prolonged")).Until(later), table.Put(key("pardoned")), table.Update(key("touched"), table.S("x", "")),
			table.Delete(key("deleted")), table.Update(key("stub, then soon")).Until(soon),
		)
		s.mustDo(t, table.Put(key("deleted")))

		wantThere := func(want map[string]bool) {
			t.Helper()
			for sort, want := range want {
				if got := s.has(t, sort); got != want {
					t.Errorf("%s: got %v, want %v", sort, got, want)
				}
			}
		}
		time.Sleep(time.Hour - sweepEvery)
		synctest.Wait()
		wantThere(map[string]bool{"soon": true, "touched": true, "stub, then soon": true})
		time.Sleep(3 * sweepEvery)
		synctest.Wait()
		wantThere(map[string]bool{
			"soon": false, "touched": false, "stub, then soon": false,
			"later": true, "never": true, "prolonged": true, "pardoned": true, "deleted": true,
		})
		time.Sleep(3 * time.Hour)
		synctest.Wait()
		wantThere(map[string]bool{"later": false, "prolonged": false, "never": true, "pardoned": true, "deleted": true})
	})
}

func TestExpiryIsAChange(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := openStore(t, bbolt.Options{})
		s.mustRegister(t, "one")
		const many = 2*maxSweep + 1 // so that one commit can't hold them
		for i := range many {
			s.mustDo(t, table.Put(key(fmt.Sprint(i)), table.N("i", int64(i))).Until(time.Now().Add(time.Hour)))
		}
		s.consume(t, "one", many)
		time.Sleep(time.Hour + 2*sweepEvery)
		synctest.Wait()

		seen := map[table.Key]bool{}
		for _, run := range s.consume(t, "one", many) {
			for _, c := range run {
				seen[c.Key] = true
				if !c.Expired || c.New != nil || c.Old == nil || key(fmt.Sprint(c.Old.Num("i"))) != c.Key {
					t.Errorf("got change %+v, want an expiry with the old image", c)
				}
			}
		}
		if len(seen) != many {
			t.Errorf("got %d items, want %d", len(seen), many)
		}
		if page, err := s.Query(t.Context(), table.Query{Partition: "p", Prefix: "1"}); err != nil || len(page.Items) != 0 {
			t.Errorf("got %d items, %v, want none", len(page.Items), err)
		}
	})
}

// A sweep that fails is reported, and the next one tries again.
func TestSweepReportsFailure(t *testing.T) {
	s := openStore(t, bbolt.Options{})
	var report strings.Builder
	s.log = slog.New(slog.NewTextHandler(&report, nil))
	calls := 0
	s.sweepAll("test", func(*group) (bool, error) {
		calls++
		return true, errors.New("broken")
	})
	if calls != 1 || !strings.Contains(report.String(), "broken") {
		t.Errorf("got %d calls and the report %q, want one call", calls, report.String())
	}
}
