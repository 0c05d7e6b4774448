package table_test

import (
	"fmt"
	"testing"

	"github.com/berthregistry/berth/shared/table"
)

func TestConditionHolds(t *testing.T) {
	item := &table.Item{Key: aKey, Version: "v1", Attrs: table.Attrs{table.S("s", ""), table.N("n", 1), table.B("b", []byte{1})}}
	for name, c := range map[string]struct {
		condition    table.Condition
		there, where bool // on the item, and where there is none
	}{
		"none":            {table.Condition{}, true, true},
		"absent":          {table.Absent(), false, true},
		"exists":          {table.Exists(), true, false},
		"version":         {table.VersionIs("v1"), true, false},
		"other version":   {table.VersionIs("v2"), false, false},
		"no version":      {table.VersionIs(""), false, false},
		"string":          {table.Equals(table.S("s", "")), true, false},
		"number":          {table.Equals(table.N("n", 1)), true, false},
		"other number":    {table.Equals(table.N("n", 2)), false, false},
		"bytes":           {table.Equals(table.B("b", []byte{1})), true, false},
		"other kind":      {table.Equals(table.B("s", nil)), false, false},
		"other attribute": {table.Equals(table.S("x", "")), false, false},
		"lacks":           {table.Lacks("x"), true, true},
		"has":             {table.Lacks("s"), false, true},
	} {
		if got := c.condition.Holds(item); got != c.there {
			t.Errorf("%s, of an item: got %v", name, got)
		}
		if got := c.condition.Holds(nil); got != c.where {
			t.Errorf("%s, of no item: got %v", name, got)
		}
	}
}

// A speaker is a visitor that writes down what it was told.
type speaker struct{ said string }

func (s *speaker) Absent()                { s.said += "absent" }
func (s *speaker) Exists()                { s.said += "exists" }
func (s *speaker) VersionIs(token string) { s.said += "version is " + token }
func (s *speaker) Equals(a table.Attr)    { s.said += fmt.Sprintf("%s equals %d", a.Name, a.Num()) }
func (s *speaker) Lacks(name string)      { s.said += "lacks " + name }

func TestConditionIsVisited(t *testing.T) {
	for want, c := range map[string]table.Condition{
		"":              {},
		"absent":        table.Absent(),
		"exists":        table.Exists(),
		"version is v1": table.VersionIs("v1"),
		"n equals 7":    table.Equals(table.N("n", 7)),
		"lacks x":       table.Lacks("x"),
	} {
		var s speaker
		if c.Visit(&s); s.said != want {
			t.Errorf("got %q, want %q", s.said, want)
		}
	}
}
