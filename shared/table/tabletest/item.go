package tabletest

import (
	"bytes"
	"context"
	"errors"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/berthregistry/berth/shared/table"
)

var itemTests = []test{
	{"get of what is not there is ErrAbsent", func(f *fixture) {
		f.wantAbsent("nothing")
	}},
	{"put makes and replaces", putReplaces},
	{"delete removes, and what is absent is no error", deletes},
	{"every kind of value comes back", kinds},
	{"any attribute name that is not the drivers' is free", names},
	{"version is the token of the last writer", versions},
	{"expiry comes back", expiry},
	{"partitions with like names are apart", partitions},
	{"one transaction writes several partitions", spansPartitions},
	{"what was returned does not change later", isolated},
	{"an ended context is reported", cancelled},
}

func putReplaces(f *fixture) {
	f.do(table.Put(f.key("a"), table.S("x", "1"), table.S("y", "2")))
	f.wantItem("a", table.S("x", "1"), table.S("y", "2"))

	f.do(table.Put(f.key("a"), table.S("y", "3")))
	f.wantItem("a", table.S("y", "3"))

	f.do(table.Put(f.key("a")))
	f.wantItem("a")
}

func deletes(f *fixture) {
	f.do(table.Put(f.key("a")), table.Put(f.key("b")))
	f.do(table.Delete(f.key("a")))
	f.wantAbsent("a")
	f.wantItem("b")
	f.do(table.Delete(f.key("a")))
	f.wantAbsent("a")
}

func kinds(f *fixture) {
	all := make([]byte, 256)
	for i := range all {
		all[i] = byte(i)
	}
	attrs := table.Attrs{
		table.S("text", "héllo, wörld ☃ 𝄞"), table.S("empty", ""), table.S("spaces", " \t\n "),
		table.S("digits", "0012"), table.S("long", strings.Repeat("long ", 5000)),
		table.N("zero", 0), table.N("minus", -1), table.N("max", math.MaxInt64), table.N("min", math.MinInt64),
		table.B("bytes", all), table.B("no bytes", []byte{}), table.B("nil", nil),
	}
	f.do(table.Put(f.key("a"), attrs...))
	f.wantItem("a", attrs...)
}

func names(f *fixture) {
	attrs := table.Attrs{
		table.S("size", "reserved"), table.S("name", "reserved"), table.S("a.b[0]", "path"), table.S("#x", "alias"),
		table.S(":x", "value"), table.S("org.opencontainers.image/title", "annotation"), table.S("ünïcode", "u"), table.S(" ", "blank"),
	}
	f.do(table.Put(f.key("put"), attrs...))
	f.wantItem("put", attrs...)

	f.do(table.Update(f.key("set"), attrs...))
	f.wantItem("set", attrs...)

	f.do(table.Update(f.key("set")).Unsetting("size", "a.b[0]", "#x").Adding("count", 1).When(table.Equals(table.S(":x", "value"))))
	f.wantItem("set", attrs.Without("size").Without("a.b[0]").Without("#x").With(table.N("count", 1))...)
}

func versions(f *fixture) {
	first := f.do(table.Put(f.key("a")), table.Put(f.key("b")))
	second := f.do(table.Update(f.key("b"), table.S("x", "")), table.Check(f.key("a"), table.Exists()))
	if got := f.get("a").Version; got != first {
		f.Errorf("version of what was only checked: got %q, want %q", got, first)
	}
	if got := f.get("b").Version; got != second {
		f.Errorf("version of what was updated: got %q, want %q", got, second)
	}
}

func expiry(f *fixture) {
	soon := time.Now().Add(time.Hour)
	want := func(sort string, want time.Time) {
		f.Helper()
		got := f.get(sort).Expires
		if got.IsZero() != want.IsZero() || got.Sub(want).Abs() >= time.Second {
			f.Errorf("expiry of %s: got %v, want %v", sort, got, want)
		}
	}
	f.do(table.Put(f.key("a")).Until(soon), table.Put(f.key("b")), table.Update(f.key("c")).Until(soon.Truncate(time.Second)))
	want("a", soon)
	want("b", time.Time{})
	if got, want := f.get("c").Expires, soon.Truncate(time.Second); !got.Equal(want) {
		f.Errorf("expiry in whole seconds: got %v, want %v", got, want)
	}

	f.do(table.Update(f.key("a"), table.S("x", "")), table.Update(f.key("b")).Until(soon), table.Put(f.key("c")))
	want("a", soon)
	want("b", soon)
	want("c", time.Time{})
}

func partitions(f *fixture) {
	keys := []table.Key{
		{Partition: f.partition, Sort: "#a"},
		{Partition: f.partition + "#", Sort: "a"},
		{Partition: f.partition + "#a", Sort: "#"},
		{Partition: f.partition + "##", Sort: "a#"},
	}
	for _, k := range keys {
		f.do(table.Put(k, table.S("own", k.Partition+"|"+k.Sort)))
	}
	for _, k := range keys {
		item, err := f.store.Get(f.Context(), k)
		if got, want := item.Str("own"), k.Partition+"|"+k.Sort; err != nil || got != want {
			f.Errorf("Get(%v): got %q, %v", k, got, err)
		}
	}
	if page := f.query(table.Query{Prefix: "#"}); len(page.Items) != 1 {
		f.Errorf("query of one partition: got %d items, want 1", len(page.Items))
	}
}

func spansPartitions(f *fixture) {
	other := table.Key{Partition: f.partition + "-2", Sort: "a"}
	f.do(table.Put(f.key("a")))
	err := f.try(table.Put(other), table.Delete(f.key("a")), table.Check(f.key("b"), table.Exists()))
	f.wantFailed(err, 2)
	f.wantItem("a")

	f.do(table.Put(other), table.Delete(f.key("a")))
	f.wantAbsent("a")
	if _, err := f.store.Get(f.Context(), other); err != nil {
		f.Errorf("Get of the other partition: %v", err)
	}
}

func isolated(f *fixture) {
	attrs := table.Attrs{table.S("s", "one"), table.N("n", 1), table.B("b", bytes.Repeat([]byte("one"), 3000))}
	want := slices.Clone(attrs)
	f.do(table.Put(f.key("a"), attrs...))
	attrs[0] = table.S("s", "the caller's slice was changed after the put")
	f.wantItem("a", want...)

	item := f.get("a")
	item.Attrs[0] = table.S("s", "the returned slice was changed")
	f.wantItem("a", want...)

	item = f.get("a")
	page := f.query(table.Query{Prefix: "a"})
	many := f.getMany([]table.Key{f.key("a")}, "b")
	for range 20 {
		f.do(table.Put(f.key("a"), table.S("s", "two"), table.N("n", 2), table.B("b", bytes.Repeat([]byte("two"), 3000))))
		f.do(table.Delete(f.key("a")))
	}
	f.wantAttrs(item.Attrs, want...)
	f.wantAttrs(page.Items[0].Attrs, want...)
	f.wantAttrs(many[f.key("a")].Attrs, want[2])
}

func cancelled(f *fixture) {
	ctx := ended(f.T)
	for name, call := range map[string]func() error{
		"Get":     func() error { _, err := f.store.Get(ctx, f.key("a")); return err },
		"GetMany": func() error { _, err := f.store.GetMany(ctx, []table.Key{f.key("a")}); return err },
		"Query": func() error {
			_, err := f.store.Query(ctx, table.Query{Partition: f.partition, Prefix: "a"})
			return err
		},
		"Transact": func() error { return f.store.Transact(ctx, putTx(f.key("a"))) },
	} {
		if err := call(); !errors.Is(err, context.Canceled) {
			f.Errorf("%s: got %v, want context.Canceled", name, err)
		}
	}
}

func putTx(key table.Key) table.Tx {
	return table.Tx{Token: table.NewToken(), Actions: []table.Action{table.Put(key)}}
}
