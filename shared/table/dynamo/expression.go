package dynamo

import (
	"slices"
	"strconv"
	"strings"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/berthregistry/berth/shared/table"
)

// An expression gathers the placeholders of one action's expressions. All
// names go through placeholders, since DynamoDB reserves some six hundred
// words, "size" and "state" among them. The maps stay nil while there is
// nothing in them, since DynamoDB refuses empty ones.
//
// The same action always gives the same text, as it must: a token that comes
// again with another text is refused.
type expression struct {
	names  map[string]string
	values map[string]types.AttributeValue
}

// name returns the placeholder of an attribute's name.
func (e *expression) name(name string) string {
	for placeholder, known := range e.names {
		if known == name {
			return placeholder
		}
	}
	if e.names == nil {
		e.names = make(map[string]string)
	}
	placeholder := "#" + strconv.Itoa(len(e.names))
	e.names[placeholder] = name
	return placeholder
}

// value returns the placeholder of a value.
func (e *expression) value(v types.AttributeValue) string {
	if e.values == nil {
		e.values = make(map[string]types.AttributeValue)
	}
	placeholder := ":" + strconv.Itoa(len(e.values))
	e.values[placeholder] = v
	return placeholder
}

// condition returns c as text, nil if it always holds.
func (e *expression) condition(c table.Condition) *string {
	w := conditionWriter{expression: e}
	c.Visit(&w)
	if w.text == "" {
		return nil
	}
	return &w.text
}

// A conditionWriter is the table.ConditionVisitor that writes a condition down.
type conditionWriter struct {
	*expression
	text string
}

func (w *conditionWriter) Absent() { w.Lacks(attrPartition) }

func (w *conditionWriter) Exists() { w.text = "attribute_exists(" + w.name(attrPartition) + ")" }

func (w *conditionWriter) VersionIs(token string) { w.Equals(table.S(attrVersion, token)) }

func (w *conditionWriter) Equals(a table.Attr) { w.text = w.name(a.Name) + " = " + w.value(value(a)) }

func (w *conditionWriter) Lacks(name string) { w.text = "attribute_not_exists(" + w.name(name) + ")" }

// update returns the text that changes an item as a says. It sets the version
// in any case, so it is never empty.
func (e *expression) update(a table.Action, token string) *string {
	set := []string{e.name(attrVersion) + " = " + e.value(text(token))}
	if !a.Expires.IsZero() {
		set = append(set, e.name(attrExpires)+" = "+e.value(seconds(a.Expires)))
	}
	for _, at := range byName(a.Set) {
		set = append(set, e.name(at.Name)+" = "+e.value(value(at)))
	}
	out := "SET " + strings.Join(set, ", ")

	var add, remove []string
	for _, at := range byName(a.Add) {
		add = append(add, e.name(at.Name)+" "+e.value(value(at)))
	}
	for _, name := range slices.Sorted(slices.Values(a.Unset)) {
		remove = append(remove, e.name(name))
	}
	if len(add) > 0 {
		out += " ADD " + strings.Join(add, ", ")
	}
	if len(remove) > 0 {
		out += " REMOVE " + strings.Join(remove, ", ")
	}
	return &out
}

func byName(as table.Attrs) table.Attrs {
	return slices.SortedFunc(slices.Values(as), func(a, b table.Attr) int { return strings.Compare(a.Name, b.Name) })
}

// projection returns the text that names these attributes and the key's. A
// name that came twice would be refused as an overlap.
func (e *expression) projection(names []string) *string {
	all := append([]string{attrPartition, attrSort}, names...)
	slices.Sort(all)
	var placeholders []string
	for _, name := range slices.Compact(all) {
		placeholders = append(placeholders, e.name(name))
	}
	out := strings.Join(placeholders, ", ")
	return &out
}
