package tabletest

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"

	"github.com/berthregistry/berth/shared/table"
)

// writers is how many go at it at once.
const writers = 16

var raceTests = []test{
	{"added numbers are exact", raceAdd},
	{"one of many creators wins", raceCreate},
	{"one of many swaps of a version wins", raceSwap},
	{"optimistic increments are exact", raceIncrement},
	{"different attributes of one item do not disturb each other", raceAttributes},
	{"transfers keep the sum, and a verified read sees it", raceTransfer},
}

// race runs f once for each writer, all at the same time.
func race(f func(writer int)) {
	var all sync.WaitGroup
	start := make(chan struct{})
	for w := range writers {
		all.Go(func() { <-start; f(w) })
	}
	close(start)
	all.Wait()
}

func raceAdd(f *fixture) {
	const rounds = 10
	race(func(w int) {
		for range rounds {
			f.mustSend(table.Tx{Token: table.NewToken(), Actions: []table.Action{
				table.Update(f.key("all")).Adding("n", 1),
				table.Update(f.key(fmt.Sprintf("half-%d", w%2))).Adding("n", 1),
			}})
		}
	})
	f.wantItem("all", table.N("n", writers*rounds))
	f.wantItem("half-0", table.N("n", writers*rounds/2))
	f.wantItem("half-1", table.N("n", writers*rounds/2))
}

// wantOneWinner runs one round in which each writer sends its own action, and
// returns who made it. Losers are told that the condition did not hold.
func (f *fixture) wantOneWinner(action func(writer int) table.Action) int {
	f.Helper()
	var wins atomic.Int32
	winner := -1
	race(func(w int) {
		err := f.send(table.Tx{Token: table.NewToken(), Actions: []table.Action{action(w)}})
		var failed *table.ConditionError
		switch {
		case err == nil:
			if wins.Add(1) == 1 {
				winner = w
			}
		case !errors.As(err, &failed):
			f.Errorf("loser: got %v, want a ConditionError", err)
		}
	})
	if got := wins.Load(); got != 1 {
		f.Fatalf("got %d winners, want 1", got)
	}
	return winner
}

func raceCreate(f *fixture) {
	for round := range 5 {
		sort := fmt.Sprintf("new-%d", round)
		winner := f.wantOneWinner(func(w int) table.Action {
			return table.Put(f.key(sort), table.N("by", int64(w))).When(table.Absent())
		})
		f.wantItem(sort, table.N("by", int64(winner)))
	}
}

func raceSwap(f *fixture) {
	f.do(table.Put(f.key("a")))
	for range 5 {
		read := f.get("a").Version
		winner := f.wantOneWinner(func(w int) table.Action {
			return table.Put(f.key("a"), table.N("by", int64(w))).When(table.VersionIs(read))
		})
		f.wantItem("a", table.N("by", int64(winner)))
	}
}

func raceIncrement(f *fixture) {
	const rounds = 3
	f.do(table.Put(f.key("n"), table.N("n", 0)))
	race(func(int) {
		for range rounds {
			f.increment("n")
		}
	})
	f.wantItem("n", table.N("n", writers*rounds))
}

// increment reads a number and writes its successor, until nobody was faster.
func (f *fixture) increment(sort string) {
	for f.Context().Err() == nil {
		item, err := f.store.Get(f.Context(), f.key(sort))
		if err != nil {
			f.Errorf("Get: %v", err)
			return
		}
		err = f.send(table.Tx{Token: table.NewToken(), Actions: []table.Action{
			table.Put(item.Key, table.N("n", item.Num("n")+1)).When(table.VersionIs(item.Version)),
		}})
		var failed *table.ConditionError
		if !errors.As(err, &failed) {
			if err != nil {
				f.Errorf("Transact: %v", err)
			}
			return
		}
	}
}

func raceAttributes(f *fixture) {
	race(func(w int) {
		f.mustSend(table.Tx{Token: table.NewToken(), Actions: []table.Action{
			table.Update(f.key("a"), table.N(fmt.Sprintf("of-%d", w), int64(w))).Adding("n", 1),
		}})
	})
	want := table.Attrs{table.N("n", writers)}
	for w := range writers {
		want = append(want, table.N(fmt.Sprintf("of-%d", w), int64(w)))
	}
	f.wantItem("a", want...)
}

const accounts = 6

// raceTransfer moves money between accounts in two partitions while others add
// it up. What a reader read is proved to be one moment by a transaction of
// checks: then it must add up.
func raceTransfer(f *fixture) {
	var keys []table.Key
	for i := range accounts {
		key := table.Key{Partition: fmt.Sprintf("%s-%d", f.partition, i%2), Sort: fmt.Sprintf("account-%d", i)}
		keys = append(keys, key)
		f.do(table.Put(key, table.N("balance", 100)))
	}
	race(func(w int) {
		for range 8 {
			if w%4 == 3 {
				f.addUp(keys)
			} else {
				f.transfer(keys)
			}
		}
	})
	if !f.addUp(keys) {
		f.Error("the accounts could not be read at rest")
	}
}

// transfer moves a coin with a condition on what it was read with. Losing a
// race is fine.
func (f *fixture) transfer(keys []table.Key) {
	i := rand.IntN(len(keys))
	from, to := keys[i], keys[(i+1+rand.IntN(len(keys)-1))%len(keys)]
	item, err := f.store.Get(f.Context(), from)
	if err != nil {
		f.Errorf("Get: %v", err)
		return
	}
	err = f.send(table.Tx{Token: table.NewToken(), Actions: []table.Action{
		table.Put(from, table.N("balance", item.Num("balance")-1)).When(table.VersionIs(item.Version)),
		table.Update(to).Adding("balance", 1).When(table.Exists()),
	}})
	var failed *table.ConditionError
	if err != nil && !errors.As(err, &failed) {
		f.Errorf("transfer: %v", err)
	}
}

// addUp says whether the accounts were read in one moment.
func (f *fixture) addUp(keys []table.Key) bool {
	items, err := f.store.GetMany(f.Context(), keys)
	if err != nil {
		f.Errorf("GetMany: %v", err)
		return false
	}
	var checks []table.Action
	sum := int64(0)
	for _, item := range items {
		checks = append(checks, table.Check(item.Key, table.VersionIs(item.Version)))
		sum += item.Num("balance")
	}
	if err := f.try(checks...); err != nil {
		return false
	}
	if want := int64(100 * len(keys)); sum != want {
		f.Errorf("sum in one moment: got %d, want %d", sum, want)
	}
	return true
}
