package table_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/berthregistry/berth/shared/table"
)

var aKey = table.Key{Partition: "repo#app", Sort: "tag#v1"}

func TestSize(t *testing.T) {
	const keys = 2 + 8 + 2 + 6 // pk, repo#app, sk, tag#v1
	for name, c := range map[string]struct {
		item table.Item
		want int
	}{
		"bare":    {table.Item{Key: aKey}, keys + 7},
		"version": {table.Item{Key: aKey, Version: "12345"}, keys + 7 + 5},
		"expiry":  {table.Item{Key: aKey, Expires: time.Unix(1700000000, 0)}, keys + 7 + 7 + 7},
		"string":  {table.Item{Key: aKey, Attrs: table.Attrs{table.S("name", "é")}}, keys + 7 + 4 + 2},
		"bytes":   {table.Item{Key: aKey, Attrs: table.Attrs{table.B("name", make([]byte, 9))}}, keys + 7 + 4 + 9},
		"digit":   {table.Item{Key: aKey, Attrs: table.Attrs{table.N("name", 7)}}, keys + 7 + 4 + 2},
		"digits":  {table.Item{Key: aKey, Attrs: table.Attrs{table.N("name", 123456)}}, keys + 7 + 4 + 5},
	} {
		if got := c.item.Size(); got != c.want {
			t.Errorf("%s: got %d, want %d", name, got, c.want)
		}
	}
}

// What a driver refuses is tested with every driver, in tabletest. Here are
// the ends that need none.
func TestValidateTx(t *testing.T) {
	fits := table.Tx{Token: table.NewToken(), Actions: []table.Action{
		table.Put(aKey, table.S("s", ""), table.N("n", 0), table.B("b", nil)).When(table.Absent()).Until(time.Now()),
		table.Update(table.Key{Partition: "p", Sort: "s"}, table.S("s", "")).Adding("n", 1).Unsetting("x").Until(time.Now()),
		table.Delete(table.Key{Partition: "p", Sort: "t"}),
		table.Check(table.Key{Partition: "p", Sort: "u"}, table.Lacks("x")),
	}}
	if err := fits.Validate(); err != nil {
		t.Errorf("got %v, want nil", err)
	}
	late := table.Tx{Token: fits.Token, Actions: []table.Action{table.Delete(aKey).Until(time.Now())}}
	if err := late.Validate(); !errors.Is(err, table.ErrLimit) {
		t.Errorf("deletion with an expiry: got %v, want ErrLimit", err)
	}
}

// A put is as large as the item that it makes, version and expiry included.
func TestValidateCountsWhatIsStored(t *testing.T) {
	put := table.Put(aKey, table.S("x", "")).Until(time.Unix(1700000000, 0))
	token := table.NewToken()
	room := table.MaxItem - table.Item{Key: aKey, Version: token, Expires: put.Expires, Attrs: put.Set}.Size()
	for extra, fits := range map[int]bool{0: true, 1: false} {
		put.Set = table.Attrs{table.S("x", strings.Repeat("x", room+extra))}
		err := table.Tx{Token: token, Actions: []table.Action{put}}.Validate()
		if fits != (err == nil) || !fits && !errors.Is(err, table.ErrLimit) {
			t.Errorf("%d bytes over: got %v", extra, err)
		}
	}
}

func TestValidateQuery(t *testing.T) {
	for _, q := range []table.Query{
		{Partition: "p", Prefix: "a"},
		{Partition: "p", Prefix: "a", After: "a", Limit: 1},
		{Partition: "p", Prefix: strings.Repeat("a", table.MaxSortKey), After: strings.Repeat("a", table.MaxSortKey)},
	} {
		if err := q.Validate(); err != nil {
			t.Errorf("%.60v: got %v, want nil", q, err)
		}
	}
}

func TestValidateKeys(t *testing.T) {
	other := table.Key{Partition: aKey.Partition, Sort: "tag#v2"}
	for name, c := range map[string]struct {
		keys []table.Key
		fits bool
	}{
		"none": {nil, true}, "two": {[]table.Key{aKey, other}, true}, "twice": {[]table.Key{aKey, other, aKey}, false},
		"malformed": {[]table.Key{aKey, {}}, false},
	} {
		if err := table.ValidateKeys(c.keys); c.fits != (err == nil) || !c.fits && !errors.Is(err, table.ErrLimit) {
			t.Errorf("%s: got %v", name, err)
		}
	}
}
