package tabletest

import (
	"fmt"

	"github.com/berthregistry/berth/shared/table"
)

var manyTests = []test{
	{"those that exist, whole", manyWhole},
	{"projection", manyProjected},
	{"as many keys as allowed, of large items", manyLarge},
	{"limits", manyLimits},
}

func (f *fixture) getMany(keys []table.Key, names ...string) map[table.Key]table.Item {
	f.Helper()
	items, err := f.store.GetMany(f.Context(), keys, names...)
	if err != nil {
		f.Fatalf("GetMany(%d keys): %v", len(keys), err)
	}
	return items
}

func manyWhole(f *fixture) {
	other := table.Key{Partition: f.partition + "-2", Sort: "a"}
	token := f.do(table.Put(f.key("a"), table.S("x", "1"), table.B("b", nil)), table.Put(f.key("b")), table.Put(other, table.S("x", "2")))

	items := f.getMany([]table.Key{f.key("a"), f.key("none"), other, f.key("b")})
	if len(items) != 3 {
		f.Errorf("got %d items, want 3", len(items))
	}
	for key, want := range map[table.Key][]table.Attr{
		f.key("a"): {table.S("x", "1"), table.B("b", nil)}, f.key("b"): nil, other: {table.S("x", "2")},
	} {
		got := items[key]
		if got.Key != key || got.Version != token {
			f.Errorf("got %v of version %q, want %v of version %q", got.Key, got.Version, key, token)
		}
		f.wantAttrs(got.Attrs, want...)
	}
	if items := f.getMany([]table.Key{f.key("none")}); len(items) != 0 {
		f.Errorf("of none: got %v", items)
	}
	if items := f.getMany(nil); len(items) != 0 {
		f.Errorf("of no keys: got %v", items)
	}
}

func manyProjected(f *fixture) {
	f.do(table.Put(f.key("a"), table.S("state", "live"), table.N("size", 3), filler(1000)), table.Put(f.key("b"), filler(10)))
	items := f.getMany([]table.Key{f.key("a"), f.key("b"), f.key("none")}, "size", "state", "never there")
	if len(items) != 2 {
		f.Errorf("got %d items, want 2: one without any of the attributes is there as well", len(items))
	}
	f.wantAttrs(items[f.key("a")].Attrs, table.S("state", "live"), table.N("size", 3))
	f.wantAttrs(items[f.key("b")].Attrs)
	if got := items[f.key("b")].Key; got != f.key("b") {
		f.Errorf("key: got %v, want %v", got, f.key("b"))
	}
}

// manyLarge asks for more bytes than DynamoDB gives in one answer (16 MB), so
// that a driver has to ask again for what was left out.
func manyLarge(f *fixture) {
	var keys []table.Key
	for i := range table.MaxKeys {
		keys = append(keys, f.key(fmt.Sprintf("%03d", i)))
		if i%10 == 9 {
			f.putLarge(keys[i-9:])
		}
	}
	items := f.getMany(keys)
	if len(items) != len(keys) {
		f.Fatalf("got %d items, want %d", len(items), len(keys))
	}
	for _, key := range keys {
		if got := len(items[key].Str("filler")); got != largeItem {
			f.Errorf("%v: got %d bytes", key, got)
		}
	}
}

const largeItem = 180 << 10

func (f *fixture) putLarge(keys []table.Key) {
	f.Helper()
	var actions []table.Action
	for _, key := range keys {
		actions = append(actions, table.Put(key, filler(largeItem)))
	}
	f.do(actions...)
}

func manyLimits(f *fixture) {
	var keys []table.Key
	for i := range table.MaxKeys + 1 {
		keys = append(keys, f.key(fmt.Sprintf("%03d", i)))
	}
	_, err := f.store.GetMany(f.Context(), keys)
	f.wantLimit(err)
	_, err = f.store.GetMany(f.Context(), []table.Key{f.key("a"), f.key("b"), f.key("a")})
	f.wantLimit(err)
}
