package tabletest

import (
	"fmt"
	"strings"

	"github.com/berthregistry/berth/shared/table"
)

var limitTests = []test{
	{"keys", keySizes},
	{"strings are UTF-8", utf8Only},
	{"an item", itemSize},
	{"an item that grows by updates", growth},
	{"actions in a transaction", actionCount},
	{"bytes in a transaction", txSize},
	{"two actions on one item", func(f *fixture) {
		f.wantLimit(f.try(table.Put(f.key("a")), table.Delete(f.key("a"))))
		f.wantLimit(f.try(table.Check(f.key("a"), table.Absent()), table.Put(f.key("b")), table.Put(f.key("a"))))
		f.wantAbsent("a")
	}},
	{"malformed actions", malformed},
	{"tokens", func(f *fixture) {
		for n, fits := range map[int]bool{0: false, 1: true, 36: true, 37: false} {
			// A token of one byte may be in use in a shared table: only a
			// random one can be expected to be new.
			token := (table.NewToken() + table.NewToken())[:n]
			err := f.store.Transact(f.Context(), table.Tx{Token: token, Actions: []table.Action{table.Put(f.key("a"))}})
			if n > 1 && fits != (err == nil) {
				f.Errorf("token of %d bytes: got %v", n, err)
			}
			if !fits {
				f.wantLimit(err)
			}
		}
	}},
}

func keySizes(f *fixture) {
	room := table.MaxPartitionKey - len(f.partition)
	longest := table.Key{Partition: f.partition + strings.Repeat("p", room), Sort: strings.Repeat("s", table.MaxSortKey)}
	f.do(table.Put(longest, table.S("x", "1")))
	if item, err := f.store.Get(f.Context(), longest); err != nil || item.Key != longest {
		f.Errorf("Get of the longest key: %v", err)
	}
	page, err := f.store.Query(f.Context(), table.Query{Partition: longest.Partition, Prefix: longest.Sort})
	if err != nil || len(page.Items) != 1 {
		f.Errorf("Query of the longest key: got %d items, %v", len(page.Items), err)
	}

	for name, bad := range map[string]table.Key{
		"partition too long": {Partition: longest.Partition + "p", Sort: "s"},
		"sort too long":      {Partition: f.partition, Sort: longest.Sort + "s"},
		"no partition":       {Sort: "s"},
		"no sort":            {Partition: f.partition},
	} {
		f.Log(name)
		f.refuses(bad)
	}
}

// refuses fails unless every call with this key is ErrLimit.
func (f *fixture) refuses(key table.Key) {
	f.Helper()
	_, err := f.store.Get(f.Context(), key)
	f.wantLimit(err)
	_, err = f.store.GetMany(f.Context(), []table.Key{f.key("good"), key})
	f.wantLimit(err)
	f.wantLimit(f.try(table.Put(f.key("good")), table.Put(key)))
	f.wantLimit(f.try(table.Delete(key)))
	f.wantLimit(f.try(table.Check(key, table.Absent())))
	f.wantAbsent("good")
	_, err = f.store.Query(f.Context(), table.Query{Partition: key.Partition, Prefix: key.Sort})
	f.wantLimit(err)
}

func utf8Only(f *fixture) {
	f.refuses(table.Key{Partition: f.partition, Sort: "\xff"})
	f.wantLimit(f.try(table.Put(f.key("a"), table.S("x", "\xff"))))
	f.wantLimit(f.try(table.Put(f.key("a"), table.S("\xff", "x"))))
	f.wantAbsent("a")
}

func itemSize(f *fixture) {
	for _, action := range []table.Action{table.Put(f.key("put")), table.Update(f.key("update"))} {
		tx := table.Tx{Token: table.NewToken(), Actions: []table.Action{action}}
		room := table.MaxItem - table.Item{Key: action.Key, Version: tx.Token, Attrs: table.Attrs{filler(0)}}.Size()

		tx.Actions[0].Set = table.Attrs{filler(room + 1)}
		f.wantLimit(f.send(tx))
		f.wantAbsent(action.Key.Sort)

		tx.Actions[0].Set = table.Attrs{filler(room)}
		if err := f.send(tx); err != nil {
			f.Errorf("item of exactly %d bytes: %v", table.MaxItem, err)
			continue
		}
		f.wantItem(action.Key.Sort, filler(room))
	}
}

func growth(f *fixture) {
	f.do(table.Put(f.key("a"), filler(table.MaxItem/2)))
	f.wantLimit(f.try(table.Put(f.key("b")), table.Update(f.key("a"), table.B("more", make([]byte, table.MaxItem/2)))))
	f.wantItem("a", filler(table.MaxItem/2))
	f.wantAbsent("b")

	f.do(table.Update(f.key("a"), table.B("more", make([]byte, table.MaxItem/2)), filler(1)))
	f.wantItem("a", table.B("more", make([]byte, table.MaxItem/2)), filler(1))
}

func actionCount(f *fixture) {
	var actions []table.Action
	for i := range table.MaxActions + 1 {
		actions = append(actions, table.Put(f.key(fmt.Sprintf("%03d", i))))
	}
	f.wantLimit(f.try(actions...))
	f.wantLimit(f.try())
	f.wantAbsent("000")

	f.do(actions[:table.MaxActions]...)
	if got := len(f.query(table.Query{Prefix: "0"}).Items); got != table.MaxActions {
		f.Errorf("items of the largest transaction: got %d, want %d", got, table.MaxActions)
	}
}

// txSize fills a transaction to the last byte with items of 400 KB and a
// smaller one.
func txSize(f *fixture) {
	tx := table.Tx{Token: table.NewToken()}
	for left := table.MaxTx; left > 0; left -= min(left, table.MaxItem) {
		item := table.Item{Key: f.key(fmt.Sprintf("%02d", len(tx.Actions))), Version: tx.Token, Attrs: table.Attrs{filler(0)}}
		tx.Actions = append(tx.Actions, table.Put(item.Key, filler(min(left, table.MaxItem)-item.Size())))
	}
	last := &tx.Actions[len(tx.Actions)-1]
	fits := last.Set
	last.Set = table.Attrs{filler(len(fits.Str("filler")) + 1)}
	f.wantLimit(f.send(tx))
	f.wantAbsent("00")

	last.Set = fits
	if err := f.send(tx); err != nil {
		f.Fatalf("transaction of exactly %d bytes: %v", table.MaxTx, err)
	}
	f.wantItem(last.Key.Sort, fits...)
}

func malformed(f *fixture) {
	key := f.key("a")
	for name, a := range map[string]table.Action{
		"no operation":          {Key: key},
		"unknown operation":     {Key: key, Op: 99},
		"check of nothing":      table.Check(key, table.Condition{}),
		"put that adds":         table.Put(key).Adding("n", 1),
		"put that unsets":       table.Put(key).Unsetting("n"),
		"delete that sets":      {Op: table.OpDelete, Key: key, Set: table.Attrs{table.S("x", "")}},
		"attribute twice":       table.Put(key, table.S("x", "1"), table.S("x", "2")),
		"set and unset":         table.Update(key, table.S("x", "1")).Unsetting("x"),
		"set and added":         table.Update(key, table.N("x", 1)).Adding("x", 1),
		"attribute unnamed":     table.Put(key, table.S("", "x")),
		"attribute of no kind":  table.Put(key, table.Attr{Name: "x"}),
		"adding a string":       {Op: table.OpUpdate, Key: key, Add: table.Attrs{table.S("x", "1")}},
		"partition's own name":  table.Put(key, table.S("pk", "x")),
		"sort key's own name":   table.Put(key, table.S("sk", "x")),
		"version's own name":    table.Put(key, table.S("version", "x")),
		"expiry's own name":     table.Update(key, table.N("expires", 1)),
		"unsetting the version": table.Update(key).Unsetting("version"),
	} {
		f.Log(name)
		f.wantLimit(f.try(table.Put(f.key("good")), a))
	}
	f.wantAbsent("a")
	f.wantAbsent("good")
}
