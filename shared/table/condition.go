package table

// A Condition is what must hold of an item for an action to be done. The zero
// value always holds.
type Condition struct {
	kind condition
	attr Attr
}

type condition byte

const (
	always condition = iota
	absent
	exists
	version
	equals
	lacks
)

// Absent holds where there is no item.
func Absent() Condition { return Condition{kind: absent} }

// Exists holds where there is an item.
func Exists() Condition { return Condition{kind: exists} }

// VersionIs holds where the item was last written by the transaction with this
// token: nothing has changed since it was read.
func VersionIs(token string) Condition {
	return Condition{kind: version, attr: S("", token)}
}

// Equals holds where the item has exactly this attribute.
func Equals(a Attr) Condition { return Condition{kind: equals, attr: a} }

// Lacks holds where the item has no attribute of this name, or is absent.
func Lacks(name string) Condition { return Condition{kind: lacks, attr: S(name, "")} }

// A ConditionVisitor receives a condition by its kind. Drivers that translate
// conditions into another language implement it; one method is called per
// Visit, none for the condition that always holds.
type ConditionVisitor interface {
	Absent()
	Exists()
	VersionIs(token string)
	Equals(a Attr)
	Lacks(name string)
}

// Visit calls the method of v that fits c.
func (c Condition) Visit(v ConditionVisitor) {
	switch c.kind {
	case absent:
		v.Absent()
	case exists:
		v.Exists()
	case version:
		v.VersionIs(c.attr.str)
	case equals:
		v.Equals(c.attr)
	case lacks:
		v.Lacks(c.attr.Name)
	}
}

// Holds says whether c holds of an item, which is nil where there is none.
func (c Condition) Holds(item *Item) bool {
	switch c.kind {
	case absent:
		return item == nil
	case exists:
		return item != nil
	case version:
		return item != nil && item.Version == c.attr.str
	case equals:
		if item == nil {
			return false
		}
		a, ok := item.Lookup(c.attr.Name)
		return ok && a.Equal(c.attr)
	case lacks:
		return item == nil || !item.Has(c.attr.Name)
	}
	return true
}
