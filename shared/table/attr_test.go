package table_test

import (
	"testing"

	"github.com/berthregistry/berth/shared/table"
)

func TestAttrsLookUp(t *testing.T) {
	as := table.Attrs{table.S("s", "x"), table.N("n", -1), table.B("b", []byte("y"))}
	if as.Str("s") != "x" || as.Num("n") != -1 || string(as.Bin("b")) != "y" {
		t.Errorf("got %q, %d, %q", as.Str("s"), as.Num("n"), as.Bin("b"))
	}
	if as.Str("n") != "" || as.Num("s") != 0 || as.Bin("s") != nil || as.Str("none") != "" {
		t.Error("a value was found under another kind or name")
	}
	if !as.Has("s") || as.Has("none") {
		t.Error("Has is wrong")
	}
}

func TestAttrsChangeACopy(t *testing.T) {
	as := table.Attrs{table.S("a", "1"), table.S("b", "2")}
	replaced, more, less := as.With(table.N("a", 9)), as.With(table.S("c", "3")), as.Without("a")
	if len(replaced) != 2 || replaced.Num("a") != 9 {
		t.Errorf("replaced: got %v", replaced)
	}
	if len(more) != 3 || more.Str("c") != "3" {
		t.Errorf("more: got %v", more)
	}
	if len(less) != 1 || less.Has("a") {
		t.Errorf("less: got %v", less)
	}
	if len(as) != 2 || as.Str("a") != "1" {
		t.Errorf("the receiver was changed: %v", as)
	}
}

func TestAttrEqual(t *testing.T) {
	if !table.B("b", nil).Equal(table.B("b", []byte{})) {
		t.Error("nil and empty bytes differ")
	}
	for _, other := range []table.Attr{table.S("b", "x"), table.N("a", 0), table.B("a", []byte("x")), table.S("a", "y")} {
		if other.Equal(table.S("a", "x")) {
			t.Errorf("%v equals another attribute", other)
		}
	}
}

func TestActionsAreNotShared(t *testing.T) {
	base := table.Update(aKey).Adding("n", 1).Unsetting("x")
	one, two := base.Adding("one", 1).Unsetting("one"), base.Adding("two", 2).Unsetting("two")
	if one.Add.Has("two") || two.Add.Has("one") || one.Unset[1] != "one" || two.Unset[1] != "two" || len(base.Add) != 1 {
		t.Errorf("got %v %v and %v %v, each wants its own", one.Add, one.Unset, two.Add, two.Unset)
	}
}
