package tabletest

import "github.com/berthregistry/berth/shared/table"

var updateTests = []test{
	{"it changes what it names and leaves the rest", func(f *fixture) {
		f.do(table.Put(f.key("a"), table.S("keep", "k"), table.S("set", "old"), table.N("add", 40), table.B("drop", []byte("d"))))
		f.do(table.Update(f.key("a"), table.S("set", "new"), table.S("more", "m")).Adding("add", 2).Unsetting("drop", "never there"))
		f.wantItem("a", table.S("keep", "k"), table.S("set", "new"), table.S("more", "m"), table.N("add", 42))
	}},
	{"it may change the kind of a value", func(f *fixture) {
		f.do(table.Put(f.key("a"), table.S("x", "1")))
		f.do(table.Update(f.key("a"), table.N("x", 1)))
		f.wantItem("a", table.N("x", 1))
	}},
	{"it makes an item that is absent", func(f *fixture) {
		f.do(table.Update(f.key("a"), table.S("x", "1")).Adding("n", -3).Unsetting("y"))
		f.wantItem("a", table.S("x", "1"), table.N("n", -3))
	}},
	{"an empty update makes a stub and marks a version", func(f *fixture) {
		f.do(table.Update(f.key("a")))
		f.wantItem("a")
		token := f.do(table.Update(f.key("a")))
		if got := f.get("a").Version; got != token {
			f.Errorf("version: got %q, want %q", got, token)
		}
	}},
	{"unsetting alone makes a stub", func(f *fixture) {
		f.do(table.Update(f.key("a")).Unsetting("x"))
		f.wantItem("a")
	}},
	{"adding goes below zero, and zero leaves a number behind", func(f *fixture) {
		f.do(table.Update(f.key("a")).Adding("n", 0).Adding("m", 5))
		f.do(table.Update(f.key("a")).Adding("n", -1).Adding("m", -5))
		f.wantItem("a", table.N("n", -1), table.N("m", 0))
	}},
	{"adding to what is no number is refused", func(f *fixture) {
		f.do(table.Put(f.key("a"), table.S("n", "1")))
		f.wantLimit(f.try(table.Put(f.key("b")), table.Update(f.key("a")).Adding("n", 1)))
		f.wantItem("a", table.S("n", "1"))
		f.wantAbsent("b")
	}},
	{"a failed condition stops it", func(f *fixture) {
		f.wantFailed(f.try(table.Update(f.key("a")).Adding("n", 1).When(table.Exists())), 0)
		f.wantAbsent("a")
	}},
}
