package access

import (
	"slices"
	"strings"

	"github.com/berthregistry/berth/shared/oci"
	"github.com/berthregistry/berth/shared/registry"
)

// A Session is one request's caller: who they are, what their token is narrowed
// to, and the policy in force.
type Session struct {
	Principal
	// Scopes are what the token is narrowed to. Nil means that nothing narrows
	// it, as with a password or for whoever presents nothing; a token without
	// scopes has an empty list, which lets nothing pass.
	Scopes []Scope
	Policy *Policy
}

// May says what the caller may do in a repository. Admin is of the registry,
// and asked about with Session.Admin.
func (s *Session) May(repo string, a Action) Decision {
	if s.Scopes != nil && !covers(s.Scopes, repo, a) {
		return Decision{}
	}
	return s.Policy.Decide(s.Principal, repo, a)
}

// Lacks says whether it is the token alone that is in the way: the policy
// allows the action, and another token would let it pass.
func (s *Session) Lacks(repo string, a Action) bool {
	return s.Scopes != nil && !covers(s.Scopes, repo, a) && s.Policy.Decide(s.Principal, repo, a).Allowed()
}

// Catalog says whether the caller may list repositories. They see those that
// they may pull something of: see Rights.
func (s *Session) Catalog() bool {
	return (s.Scopes == nil || coversRegistry(s.Scopes, nameCatalog)) && s.Policy.catalog(s.Principal)
}

// Admin says whether the caller may change policy, robots and keys.
func (s *Session) Admin() bool {
	return (s.Scopes == nil || coversRegistry(s.Scopes, nameAdmin)) && s.Policy.Decide(s.Principal, "", Admin).Allowed()
}

// catalog says whether somebody may ask which repositories there are. Who is
// unknown may where there may be one for them.
func (p *Policy) catalog(who Principal) bool {
	if !p.knows(&who) {
		return false
	}
	return !who.Unknown() || slices.ContainsFunc(p.compiled.rules, func(r rule) bool {
		return !r.deny && r.has(Pull) && r.whom.fit(&who, false) == Fits
	})
}

// Rights are what the caller may do in a repository. The repository "" stands
// for the catalog: then the rights elsewhere are those of the policy if the
// token has the catalog, since none has a scope for each repository.
func (s *Session) Rights(repo string, hints []oci.Reference) registry.Rights {
	if repo == "" {
		return registry.Rights{Elsewhere: s.catalogued}
	}
	asked := [...]deciding{{action: Pull}, {action: Push}, {action: Tag}, {action: Attach}, {action: Delete}}
	s.Policy.decide(&s.Principal, repo, asked[:])
	narrowed := func(d *deciding) registry.Tags {
		if s.Scopes != nil && !covers(s.Scopes, repo, d.action) {
			return registry.Tags{}
		}
		return d.decision().Tags
	}
	return registry.Rights{
		Pull:      narrowed(&asked[0]),
		Push:      narrowed(&asked[1]),
		Tag:       narrowed(&asked[2]),
		Attach:    narrowed(&asked[3]),
		Delete:    narrowed(&asked[4]),
		Who:       s.remembered(),
		Hints:     hints,
		Elsewhere: func(other string) registry.Rights { return s.Rights(other, nil) },
	}
}

// catalogued is what the catalog shows of a repository.
func (s *Session) catalogued(repo string) registry.Rights {
	if !s.Catalog() {
		return registry.Rights{}
	}
	return registry.Rights{Pull: s.Policy.Decide(s.Principal, repo, Pull).Tags}
}

// remembered is the name under which what the caller sends is remembered.
// Whoever presents nothing is nobody in particular. Of whom rules speak in
// different ways are different callers, though their name is the same: a job
// must not read what another job of its repository has sent for other tags.
func (s *Session) remembered() string {
	if s.Unknown() {
		return ""
	}
	return strings.Join(slices.Concat(s.Groups, s.Holds, []string{s.Principal.String()}), "\n")
}
