package access

import (
	"slices"

	"github.com/berthregistry/berth/shared/pattern"
)

// A Fit says whether a rule speaks of a request, or else why not.
type Fit int

// The fits, in the order in which they are looked at.
const (
	Fits            Fit = iota
	OtherAction         // it is about other actions
	OtherRepository     // it is about other repositories
	OtherPrincipal      // it is about other principals
	Unheld              // it would be about this one, but its expression does not hold of the claims
)

// rule is a Rule in the form that decides.
type rule struct {
	name         string
	deny         bool
	actions      bits
	whom         whom
	repositories []pattern.Repository
	tags         []pattern.Tag
}

// bits are a set of actions.
type bits uint8

// bits returns what a rule with the action is about: push brings content under
// a tag, so it has what brings a part of that.
func (a Action) bits() bits {
	switch a {
	case Pull:
		return 1
	case Tag:
		return 2
	case Attach:
		return 4
	case Push:
		return 8 | Tag.bits() | Attach.bits()
	case Delete:
		return 16
	case Admin:
		return 32
	}
	return 0
}

// has says whether the rule is about an action itself.
func (r *rule) has(a Action) bool {
	asked := a.bits()
	return asked != 0 && r.actions&asked == asked
}

func (r *rule) fits(who *Principal, repo string, a Action) Fit {
	switch {
	case !r.has(a):
		return OtherAction
	case !r.here(repo):
		return OtherRepository
	}
	return r.whom.fit(who, r.deny)
}

// here says whether the rule is about a repository. Those with Admin have no
// other action, and are about none.
func (r *rule) here(repo string) bool {
	if r.has(Admin) {
		return true
	}
	for i := range r.repositories {
		if r.repositories[i].Match(repo) {
			return true
		}
	}
	return false
}

// whom is a Whom in the form that decides.
type whom struct {
	anonymous     bool
	authenticated bool
	plain         map[name]struct{}
	starred       []starred
	groups        []group
	when          string // the id of an expression, "" for none
	doubt         string // that id with InDoubt before it
	text          string // the expression
}

// name is a principal as a rule may name it: a user or robot by name, an issuer
// for all of its principals, one of AWS by account or by ARN.
type name struct {
	kind Kind
	text string
}

type starred struct {
	kind    Kind
	pattern pattern.Principal
}

type group struct {
	name    string
	members *whom
}

// fit says whether a principal is meant. A rule that denies means those as well
// of whom it cannot be said whether its expression holds.
func (w *whom) fit(who *Principal, deny bool) Fit {
	fit := w.named(who, deny)
	if fit == Fits && w.when != "" && !slices.Contains(who.Holds, w.when) && !(deny && slices.Contains(who.Holds, w.doubt)) {
		return Unheld
	}
	return fit
}

// named says whether a principal is among the names, whatever the expression
// says. It is Unheld where the expression of a group would have to hold.
func (w *whom) named(who *Principal, deny bool) Fit {
	if who.Unknown() {
		return fitIf(w.anonymous)
	}
	if w.authenticated || w.plainly(who) || w.stars(who) {
		return Fits
	}
	fit := OtherPrincipal
	for _, g := range w.groups {
		if slices.Contains(who.Groups, g.name) {
			return Fits
		}
		switch g.members.fit(who, deny) {
		case Fits:
			return Fits
		case Unheld:
			fit = Unheld
		}
	}
	return fit
}

func fitIf(fits bool) Fit {
	if fits {
		return Fits
	}
	return OtherPrincipal
}

func (w *whom) stars(who *Principal) bool {
	for i := range w.starred {
		if s := &w.starred[i]; s.kind == who.Kind && s.pattern.Match(who.matched()) {
			return true
		}
	}
	return false
}

func (w *whom) plainly(who *Principal) bool {
	_, ok := w.plain[name{who.Kind, who.Name}]
	if !ok && who.Kind == AWS {
		_, ok = w.plain[name{who.Kind, who.Subject}]
	}
	return ok
}

// matched is what stars are matched against.
func (p *Principal) matched() string {
	if p.Kind == AWS {
		return p.Subject
	}
	return p.Name
}
