package tabletest

import (
	"sync"

	"github.com/berthregistry/berth/shared/table"
)

var tokenTests = []test{
	{"what happened is not done twice", tokenOnce},
	{"what happened is recognised though its conditions hold no longer", tokenOverCondition},
	{"what happened is recognised after others wrote", tokenAfterOthers},
	{"sent many times at once it is done once", tokenAtOnce},
	{"what failed can be sent again", tokenAfterFailure},
}

func (f *fixture) addTx(n int64) table.Tx {
	return table.Tx{Token: table.NewToken(), Actions: []table.Action{table.Update(f.key("n")).Adding("n", n)}}
}

func (f *fixture) mustSend(tx table.Tx) {
	f.Helper()
	if err := f.send(tx); err != nil {
		f.Errorf("Transact: %v", err)
	}
}

func tokenOnce(f *fixture) {
	tx := f.addTx(1)
	for range 3 {
		f.mustSend(tx)
	}
	f.wantItem("n", table.N("n", 1))
	f.mustSend(f.addTx(1))
	f.wantItem("n", table.N("n", 2))
}

func tokenOverCondition(f *fixture) {
	tx := table.Tx{Token: table.NewToken(), Actions: []table.Action{table.Put(f.key("a")).When(table.Absent())}}
	f.mustSend(tx)
	f.mustSend(tx)
	f.do(table.Delete(f.key("a")))
	f.mustSend(tx)
	f.wantAbsent("a")
}

func tokenAfterOthers(f *fixture) {
	tx := f.addTx(1)
	f.mustSend(tx)
	f.mustSend(f.addTx(10))
	f.mustSend(tx)
	f.wantItem("n", table.N("n", 11))
}

func tokenAtOnce(f *fixture) {
	tx := f.addTx(1)
	var senders sync.WaitGroup
	for range writers {
		senders.Go(func() { f.mustSend(tx) })
	}
	senders.Wait()
	f.wantItem("n", table.N("n", 1))
}

func tokenAfterFailure(f *fixture) {
	tx := f.addTx(1)
	tx.Actions = append(tx.Actions, table.Check(f.key("go"), table.Exists()))
	f.wantFailed(f.send(tx), 1)
	f.do(table.Put(f.key("go")))
	f.mustSend(tx)
	f.wantItem("n", table.N("n", 1))
}
