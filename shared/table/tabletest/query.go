package tabletest

import (
	"fmt"
	"slices"
	"strings"

	"github.com/berthregistry/berth/shared/table"
)

var queryTests = []test{
	{"order is that of the bytes", queryOrder},
	{"prefix", queryPrefix},
	{"after is exclusive and need not exist", queryAfter},
	{"pages of every limit give the whole", queryPages},
	{"a page ends soon after its bytes", queryBytes},
	{"items come whole", queryWhole},
	{"an empty answer is a page", func(f *fixture) {
		if page := f.query(table.Query{Prefix: "a"}); len(page.Items) != 0 || page.More {
			f.Errorf("got %+v, want an empty page", page)
		}
	}},
	{"a read sees what was answered before", queryIsCurrent},
	{"malformed", queryMalformed},
}

func queryOrder(f *fixture) {
	sorts := []string{"k#", "k#a", "k#A", "k#B", "k#é", "k#aa", "k#a b", "k#a#", "k#10", "k#2", "k#\u00ff", "k#𝄞", "k#z", "k#\uffee", "k#a\u0001", "k#a-b", "k#a/b"}
	for _, s := range sorts {
		f.do(table.Put(f.key(s)))
	}
	slices.Sort(sorts)
	f.wantSorts(f.query(table.Query{Prefix: "k"}), sorts, false)
}

// wantSorts fails unless the page holds exactly these.
func (f *fixture) wantSorts(page table.Page, want []string, more bool) {
	f.Helper()
	if got := sorts(page.Items); !slices.Equal(got, want) {
		f.Errorf("page: got %q, want %q", got, want)
	}
	if page.More && !more {
		f.Error("more is promised behind the last item of a page that is not full")
	}
}

func sorts(items []table.Item) []string {
	out := make([]string, len(items))
	for i, item := range items {
		out[i] = item.Sort
	}
	return out
}

func queryPrefix(f *fixture) {
	f.fill("a", "a#1", "a#2", "a#2#x", "a$", "b#1", "c", "\U0010ffff", "\U0010ffffx")
	for prefix, want := range map[string][]string{
		"a":          {"a", "a#1", "a#2", "a#2#x", "a$"},
		"a#":         {"a#1", "a#2", "a#2#x"},
		"a#2":        {"a#2", "a#2#x"},
		"b":          {"b#1"},
		"b#12":       {},
		"A":          {},
		"\U0010ffff": {"\U0010ffff", "\U0010ffffx"},
	} {
		f.Logf("prefix %q", prefix)
		f.wantSorts(f.query(table.Query{Prefix: prefix}), want, false)
	}
}

// fill puts an empty item under each of at most MaxActions sort keys.
func (f *fixture) fill(sorts ...string) {
	f.Helper()
	actions := make([]table.Action, len(sorts))
	for i, s := range sorts {
		actions[i] = table.Put(f.key(s))
	}
	f.do(actions...)
}

func queryAfter(f *fixture) {
	f.fill("a#1", "a#2", "a#3", "b#1")
	for after, want := range map[string][]string{
		"":     {"a#1", "a#2", "a#3"},
		"a#":   {"a#1", "a#2", "a#3"},
		"a#1":  {"a#2", "a#3"},
		"a#10": {"a#2", "a#3"},
		"a#2":  {"a#3"},
		"a#3":  {},
		"a#9":  {},
	} {
		f.Logf("after %q", after)
		f.wantSorts(f.query(table.Query{Prefix: "a#", After: after}), want, false)
	}
}

func queryPages(f *fixture) {
	var all []string
	for i := range 23 {
		all = append(all, fmt.Sprintf("a#%02d", i))
	}
	f.fill(append([]string{"a", "b"}, all...)...)
	for _, limit := range []int{1, 2, 5, 22, 23, 24, 100, 5000} {
		pages := f.pages(table.Query{Prefix: "a#", Limit: limit})
		if got := sorts(slices.Concat(pages...)); !slices.Equal(got, all) {
			f.Errorf("limit %d: got %q, want %q", limit, got, all)
		}
		for i, page := range pages {
			if left := len(all) - i*limit; len(page) != max(0, min(limit, left)) {
				f.Errorf("limit %d, page %d: got %d items, %d were left", limit, i, len(page), left)
			}
			if promised := i < len(pages)-1; promised && len(page) < limit {
				f.Errorf("limit %d, page %d: more is promised behind a page that is not full", limit, i)
			}
		}
	}
}

// pages asks until nothing more is promised.
func (f *fixture) pages(q table.Query) [][]table.Item {
	f.Helper()
	var pages [][]table.Item
	for {
		page := f.query(q)
		pages = append(pages, page.Items)
		if !page.More {
			return pages
		}
		if len(page.Items) == 0 {
			f.Fatal("an empty page promises more")
		}
		q.After = page.Items[len(page.Items)-1].Sort
	}
}

func queryBytes(f *fixture) {
	var all []string
	for i := range 9 {
		all = append(all, fmt.Sprintf("a#%d", i))
		f.do(table.Put(f.key(all[i]), filler(300<<10)))
	}
	pages := f.pages(table.Query{Prefix: "a"})
	if got := sorts(slices.Concat(pages...)); !slices.Equal(got, all) {
		f.Errorf("all pages: got %q, want %q", got, all)
	}
	for i, page := range pages {
		size := 0
		for _, item := range page {
			size += item.Size()
		}
		if size > table.MaxPage+table.MaxItem {
			f.Errorf("page %d: got %d bytes, want at most an item past %d", i, size, table.MaxPage)
		}
		if last := i == len(pages)-1; !last && size < table.MaxPage-table.MaxItem {
			f.Errorf("page %d: got %d bytes, want about %d", i, size, table.MaxPage)
		}
	}
	if got := f.query(table.Query{Prefix: "a", Limit: 2}); len(got.Items) != 2 || !got.More {
		f.Errorf("limit 2 of large items: got %d items, more %v", len(got.Items), got.More)
	}
}

func queryWhole(f *fixture) {
	attrs := []table.Attr{table.S("s", "x"), table.N("n", -5), table.B("b", []byte{0, 255})}
	f.do(table.Put(f.key("a"), attrs...))
	page := f.query(table.Query{Prefix: "a"})
	if len(page.Items) != 1 {
		f.Fatalf("got %d items, want 1", len(page.Items))
	}
	got, want := page.Items[0], f.get("a")
	if got.Key != want.Key || got.Version != want.Version || !got.Expires.Equal(want.Expires) {
		f.Errorf("queried %+v, got %+v", got, want)
	}
	f.wantAttrs(got.Attrs, attrs...)
}

func queryIsCurrent(f *fixture) {
	for i := range 20 {
		f.do(table.Put(f.key(fmt.Sprintf("a#%02d", i))))
		if got := len(f.query(table.Query{Prefix: "a"}).Items); got != i+1 {
			f.Fatalf("after put %d: got %d items", i+1, got)
		}
	}
	f.do(table.Delete(f.key("a#00")))
	if got := len(f.query(table.Query{Prefix: "a"}).Items); got != 19 {
		f.Errorf("after a delete: got %d items, want 19", got)
	}
}

func queryMalformed(f *fixture) {
	for name, q := range map[string]table.Query{
		"no partition":         {Prefix: "a"},
		"no prefix":            {Partition: f.partition},
		"after outside prefix": {Partition: f.partition, Prefix: "a", After: "b"},
		"negative limit":       {Partition: f.partition, Prefix: "a", Limit: -1},
		"long prefix":          {Partition: f.partition, Prefix: strings.Repeat("a", table.MaxSortKey+1)},
		"long after":           {Partition: f.partition, Prefix: "a", After: strings.Repeat("a", table.MaxSortKey+1)},
	} {
		_, err := f.store.Query(f.Context(), q)
		f.Log(name)
		f.wantLimit(err)
	}
}
