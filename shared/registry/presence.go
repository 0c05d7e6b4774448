package registry

import (
	"slices"
	"strings"

	"github.com/berthregistry/berth/shared/table"
)

// Attributes of a manifest item that count the referrers of the manifest. They
// change in the transaction that puts or deletes the referrer, so `absent` is
// never said after the push of a referrer was answered.
const (
	attrReferrers    = "referrers"
	attrReferrersOf  = "referrers:"         // and an artifact type
	attrReferrersAny = attrReferrersOf + "" // types beyond maxTypes
)

// maxTypes bounds the artifact types counted one by one on one subject, so that
// nobody can fill an item with them. It is checked before the count is made, so
// pushes at the same moment may go a few beyond it.
const maxTypes = 128

// Presence says what refers to a manifest.
type Presence struct {
	// Count is the number of referrers.
	Count int64
	// Types are their artifact types, sorted, or nil where not all are known
	// or one of them is empty.
	Types []string
}

// presenceOf reads the counts from a manifest item.
func presenceOf(item table.Item) Presence {
	p := Presence{Count: item.Num(attrReferrers)}
	complete := true
	for _, a := range item.Attrs {
		t, ok := strings.CutPrefix(a.Name, attrReferrersOf)
		switch {
		case !ok || a.Num() <= 0:
		case t == "":
			complete = false
		default:
			p.Types = append(p.Types, t)
		}
	}
	if !complete {
		p.Types = nil
	}
	slices.Sort(p.Types)
	return p
}

// countedAs is the attribute that counts referrers of a type on a subject.
func countedAs(subject table.Item, artifactType string) string {
	name := attrReferrersOf + artifactType
	if subject.Has(name) {
		return name
	}
	n := 0
	for _, a := range subject.Attrs {
		if strings.HasPrefix(a.Name, attrReferrersOf) && a.Num() > 0 {
			n++
		}
	}
	if n >= maxTypes {
		return attrReferrersAny
	}
	return name
}
