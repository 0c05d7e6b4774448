package distribution

import (
	"net/http"
	"strings"

	"github.com/berthregistry/berth/shared/oci"
	"github.com/berthregistry/berth/shared/registry"
)

// ETags of manifests are digests in quotes, and strong; those of lists are sums,
// and weak. If-None-Match asks for the weak comparison of both, which only has to
// overlook a W/ (RFC 9110, section 8.8.3.2).

// noneMatch says whether If-None-Match names the entity tag, given without W/, so
// that the client has what it asks for.
func noneMatch(h http.Header, etag string) bool {
	values := h["If-None-Match"]
	if len(values) == 0 {
		return false
	}
	for _, v := range values {
		for one := range strings.SplitSeq(v, ",") {
			one = strings.TrimSpace(one)
			if one == "*" || strings.TrimPrefix(one, "W/") == etag {
				return true
			}
		}
	}
	return false
}

// precondition reads If-Match and If-None-Match of a request that changes
// something. Errors: oci.ErrPrecondition for what can never hold.
func precondition(h http.Header) (registry.Precondition, error) {
	var p registry.Precondition
	for _, v := range h["If-Match"] {
		for one := range strings.SplitSeq(v, ",") {
			one = strings.TrimSpace(one)
			if one == "*" {
				p.MatchAny = true
				continue
			}
			d, err := oci.ParseDigest(strings.Trim(one, `"`))
			if err == nil {
				p.Match = append(p.Match, d)
			}
		}
	}
	if len(h["If-Match"]) > 0 && !p.MatchAny && len(p.Match) == 0 {
		return p, oci.ErrPrecondition.With(nil, "If-Match names no digest that could be here")
	}
	if v := h.Get("If-None-Match"); v != "" {
		if strings.TrimSpace(v) != "*" {
			return p, oci.ErrPrecondition.With(nil, "If-None-Match is only understood as * here")
		}
		p.NoneMatch = true
	}
	return p, nil
}
