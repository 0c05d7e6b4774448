package tabletest

import (
	"errors"
	"slices"
	"strconv"

	"github.com/berthregistry/berth/shared/table"
)

var conditionTests = []test{
	{"each holds where it should, with every operation", conditionMatrix},
	{"exactly the failed actions are named", failedActions},
	{"nothing happened after one failed", nothingHappened},
	{"a version is never met again after a delete", versionIsNeverReused},
}

// conditionMatrix tries every condition against a full item, an item without
// attributes and no item at all, with all four operations.
func conditionMatrix(f *fixture) {
	attrs := []table.Attr{
		table.S("s", "x"), table.S("empty", ""), table.N("n", 7), table.B("b", []byte{0, 1}), table.B("no bytes", nil),
	}
	full := f.do(table.Put(f.key("full"), attrs...))
	f.do(table.Put(f.key("bare")))

	for _, c := range []struct {
		name               string
		c                  table.Condition
		full, bare, absent bool
	}{
		{"absent", table.Absent(), false, false, true},
		{"exists", table.Exists(), true, true, false},
		{"version", table.VersionIs(full), true, false, false},
		{"other version", table.VersionIs("other"), false, false, false},
		{"string", table.Equals(table.S("s", "x")), true, false, false},
		{"other string", table.Equals(table.S("s", "X")), false, false, false},
		{"empty string", table.Equals(table.S("empty", "")), true, false, false},
		{"number", table.Equals(table.N("n", 7)), true, false, false},
		{"number as string", table.Equals(table.S("n", "7")), false, false, false},
		{"bytes", table.Equals(table.B("b", []byte{0, 1})), true, false, false},
		{"other bytes", table.Equals(table.B("b", []byte{0})), false, false, false},
		{"empty bytes", table.Equals(table.B("no bytes", nil)), true, false, false},
		{"unknown attribute", table.Equals(table.S("unknown", "")), false, false, false},
		{"lacks", table.Lacks("s"), false, true, true},
		{"lacks unknown", table.Lacks("unknown"), true, true, true},
	} {
		for sort, holds := range map[string]bool{"full": c.full, "bare": c.bare, "none": c.absent} {
			f.tryAll(c.name+" of "+sort, f.key(sort), c.c, holds)
		}
	}
}

// tryAll tries the condition with every operation. A check of something that
// does not hold rides along, so that no write is ever done.
func (f *fixture) tryAll(name string, key table.Key, c table.Condition, holds bool) {
	want := []int{0, 1}
	if holds {
		want = []int{1}
	}
	for i, a := range []table.Action{
		table.Put(key).When(c),
		table.Update(key, table.S("x", "")).When(c),
		table.Delete(key).When(c),
		table.Check(key, c),
	} {
		err := f.try(a, table.Check(f.key("stop"), table.Exists()))
		var failed *table.ConditionError
		if !errors.As(err, &failed) || !slices.Equal(failed.Failed, want) {
			f.Errorf("%s, operation %d: got %v, want failure of %v", name, i+1, err, want)
		}
	}
}

func failedActions(f *fixture) {
	f.do(table.Put(f.key("there")))
	actions := make([]table.Action, 0, table.MaxActions)
	var want []int
	for i := range table.MaxActions {
		a := table.Put(f.key("new-" + strconv.Itoa(i)))
		if i%7 == 3 {
			a = a.When(table.Exists())
			want = append(want, i)
		}
		actions = append(actions, a)
	}
	f.wantFailed(f.try(actions...), want...)
	f.wantFailed(f.try(table.Put(f.key("there")).When(table.Absent())), 0)
}

func nothingHappened(f *fixture) {
	f.do(table.Put(f.key("replaced"), table.S("x", "old")), table.Put(f.key("updated"), table.N("n", 1)), table.Put(f.key("deleted")))
	version := f.get("updated").Version
	f.wantFailed(f.try(
		table.Put(f.key("made")),
		table.Put(f.key("replaced"), table.S("x", "new")),
		table.Update(f.key("updated")).Adding("n", 1),
		table.Delete(f.key("deleted")),
		table.Check(f.key("made by nobody"), table.Exists()),
	), 4)
	f.wantAbsent("made")
	f.wantItem("replaced", table.S("x", "old"))
	f.wantItem("updated", table.N("n", 1))
	f.wantItem("deleted")
	if got := f.get("updated").Version; got != version {
		f.Errorf("version: got %q, want %q", got, version)
	}
}

func versionIsNeverReused(f *fixture) {
	read := f.do(table.Put(f.key("a"), table.S("x", "same")))
	f.do(table.Delete(f.key("a")))
	f.wantFailed(f.try(table.Put(f.key("a")).When(table.VersionIs(read))), 0)
	f.do(table.Put(f.key("a"), table.S("x", "same")))
	f.wantFailed(f.try(table.Delete(f.key("a")).When(table.VersionIs(read))), 0)
	f.wantItem("a", table.S("x", "same"))
}
