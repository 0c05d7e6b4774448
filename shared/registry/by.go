package registry

import (
	"strings"
	"unicode/utf8"

	"github.com/berthregistry/berth/shared/table"
)

// maxBy bounds the name of who did something, in bytes, as items and events have
// it: the name of a job by its issuer may be long, and there is one in each tag.
const maxBy = 256

// by is what the items of manifests, tags, referrers and repositories say of who
// made them: nothing for nobody in particular. It is there to be told, and
// decides nothing.
func (w Rights) by() []table.Attr {
	if w.By == "" {
		return nil
	}
	return []table.Attr{table.S(attrBy, clipBy(w.By))}
}

// onBehalf is the registry as it ends, perhaps elsewhere, what somebody has begun.
func (r *Registry) onBehalf(name string) *Registry {
	other := *r
	other.rights.By = name
	return &other
}

// clipBy cuts a name that is too long, and shows it.
func clipBy(name string) string {
	const cut = "…"
	name = strings.ToValidUTF8(name, "\ufffd")
	if len(name) <= maxBy {
		return name
	}
	end := maxBy - len(cut)
	for !utf8.RuneStart(name[end]) {
		end--
	}
	return name[:end] + cut
}
