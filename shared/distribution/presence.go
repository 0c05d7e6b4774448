package distribution

import (
	"net/http"
	"strings"

	"github.com/berthregistry/berth/shared/registry"
)

// The headers of the referrer presence proposal (distribution-spec issue 454
// and pull request 463), in Go's canonical form; names are case-insensitive.
const (
	headerReferrers = "Oci-Referrers"
	headerTypes     = "Oci-Referrers-Artifact-Types"
)

// maxTypesHeader bounds OCI-Referrers-Artifact-Types, in bytes.
const maxTypesHeader = 2 << 10

var (
	presentValue = []string{"present"}
	absentValue  = []string{"absent"}
)

// writePresence says in the answer's header whether anything refers to a
// manifest, as far as the mode lets it. The value is true at the moment of the
// read that the answer comes from.
func writePresence(mode registry.HeaderMode, answer, request http.Header, p registry.Presence) {
	switch mode {
	case registry.HeaderOff:
		return
	case registry.HeaderOnRequest:
		answer.Add("Vary", headerReferrers)
		if !strings.EqualFold(request.Get(headerReferrers), "request") {
			return
		}
	case registry.HeaderAbsentOnly:
		if p.Count > 0 {
			return
		}
	}
	if p.Count <= 0 {
		answer[headerReferrers] = absentValue
		return
	}
	answer[headerReferrers] = presentValue
	if types, ok := joinTypes(p.Types); ok {
		answer[headerTypes] = []string{types}
	}
}

// joinTypes lists artifact types for a header, or says that they do not fit in
// one, by length or by what a stranger put into them.
func joinTypes(types []string) (string, bool) {
	size := 0
	for _, t := range types {
		size += len(t) + len(", ")
		if strings.IndexFunc(t, func(c rune) bool { return c <= ' ' || c >= 0x7f || c == ',' }) >= 0 {
			return "", false
		}
	}
	if size == 0 || size > maxTypesHeader {
		return "", false
	}
	return strings.Join(types, ", "), true
}
