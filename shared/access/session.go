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

// inRepository are the actions that are about a repository.
var inRepository = [...]Action{Pull, Push, Tag, Attach, Delete}

// Decisions are what a caller may do in one repository. The zero value is
// nothing.
type Decisions struct {
	session *Session
	repo    string
	each    [len(inRepository)]Decision
}

// Decisions decides all actions in a repository at once, in little more time than
// May takes for one.
func (s *Session) Decisions(repo string) Decisions {
	d := Decisions{session: s, repo: repo}
	if repo == "" {
		return d
	}
	var asked [len(inRepository)]deciding
	for i, a := range inRepository {
		asked[i].action = a
	}
	s.Policy.decide(&s.Principal, repo, asked[:])
	for i, a := range inRepository {
		if s.Scopes == nil || covers(s.Scopes, repo, a) {
			d.each[i] = asked[i].decision()
		}
	}
	return d
}

// Of is what May would say.
func (d *Decisions) Of(a Action) Decision {
	if i := slices.Index(inRepository[:], a); i >= 0 {
		return d.each[i]
	}
	return Decision{}
}

// Rights are the decisions as the registry takes them. The repository "" stands
// for the catalog: then the rights elsewhere are those of the policy if the
// token has the catalog, since none has a scope for each repository.
func (d *Decisions) Rights(hints []oci.Reference) registry.Rights {
	s := d.session
	if d.repo == "" {
		return registry.Rights{Elsewhere: s.catalogued}
	}
	return registry.Rights{
		Pull:      d.Of(Pull).Tags,
		Push:      d.Of(Push).Tags,
		Tag:       d.Of(Tag).Tags,
		Attach:    d.Of(Attach).Tags,
		Delete:    d.Of(Delete).Tags,
		Who:       s.remembered(),
		By:        s.by(),
		Hints:     hints,
		Elsewhere: func(other string) registry.Rights { return s.Rights(other, nil) },
	}
}

// Rights are those of the decisions about a repository.
func (s *Session) Rights(repo string, hints []oci.Reference) registry.Rights {
	d := s.Decisions(repo)
	return d.Rights(hints)
}

// catalogued is what the catalog shows of a repository.
func (s *Session) catalogued(repo string) registry.Rights {
	if !s.Catalog() {
		return registry.Rights{}
	}
	return registry.Rights{Pull: s.Policy.Decide(s.Principal, repo, Pull).Tags}
}

// by is the caller's name as the audit log has it, "" for nobody in particular.
func (s *Session) by() string {
	if s.Unknown() {
		return ""
	}
	return s.Principal.String()
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
