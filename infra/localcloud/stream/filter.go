package stream

import (
	"slices"

	"github.com/berthregistry/berth/infra/localcloud/pattern"
)

// passes reports whether the function is to see r.
func (m *Mapping) passes(r record) bool {
	return len(m.filters) == 0 ||
		slices.ContainsFunc(m.filters, func(p pattern.Pattern) bool { return p.Fits(r.json) })
}
