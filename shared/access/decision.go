package access

import (
	"cmp"
	"slices"

	"github.com/berthregistry/berth/shared/pattern"
	"github.com/berthregistry/berth/shared/registry"
)

// A Decision is what a policy says to one action of one principal in one
// repository.
type Decision struct {
	// Tags is for what part of the repository the action is allowed: none, some
	// tags, or all of it. Admin is of no repository, and allowed is all.
	Tags registry.Tags
	// Rule is the name of the rule that decided: the one that denies, or the
	// first that allows most. It is "" where no rule allows anything.
	Rule string
}

// Allowed says whether the action is allowed for anything at all.
func (d Decision) Allowed() bool { return !d.Tags.None() }

// Decide says what a principal may do in a repository. It is called several
// times at each request, and allocates only where rules speak of tags. A nil
// policy, and one that was not compiled, allow nothing.
//
// Allowed is what any rule allows, but for what any rule denies. What is denied
// some tags is limited to tags from then on: the rest of the repository may be
// reachable from those as well.
func (p *Policy) Decide(who Principal, repo string, a Action) Decision {
	d := [1]deciding{{action: a}}
	p.decide(&who, repo, d[:])
	return d[0].decision()
}

// decide looks once through the rules for several actions, as it takes longest
// to find out whether a rule is about somebody.
func (p *Policy) decide(who *Principal, repo string, asked []deciding) {
	if !p.knows(who) {
		return
	}
	for i := range p.compiled.rules {
		r := &p.compiled.rules[i]
		if !slices.ContainsFunc(asked, func(d deciding) bool { return r.has(d.action) }) {
			continue
		}
		if !r.here(repo) || r.whom.fit(who, r.deny) != Fits {
			continue
		}
		for j := range asked {
			if r.has(asked[j].action) {
				asked[j].add(r)
			}
		}
	}
}

// deciding is what the rules looked at so far say to one action.
type deciding struct {
	action Action
	denied *rule // the first that denies all
	whole  *rule // the first that allows all
	some   *rule // the first that allows some tags
	allow  [][]pattern.Tag
	deny   [][]pattern.Tag // nil as long as no rule took away tags
}

func (d *deciding) add(r *rule) {
	switch {
	case r.deny && len(r.tags) == 0:
		d.denied = cmp.Or(d.denied, r)
	case r.deny:
		d.deny = append(d.deny, r.tags)
	case len(r.tags) > 0:
		d.some = cmp.Or(d.some, r)
		d.allow = append(d.allow, r.tags)
	default:
		d.whole = cmp.Or(d.whole, r)
	}
}

func (d *deciding) decision() Decision {
	allow, deny := d.allow, d.deny
	switch {
	case d.denied != nil:
		return Decision{Rule: d.denied.name}
	case d.whole != nil && deny == nil:
		return Decision{Tags: registry.AllTags(), Rule: d.whole.name}
	case d.whole != nil:
		return Decision{Rule: d.whole.name, Tags: registry.SomeTags(func(tag string) bool {
			return !fitsAny(deny, tag)
		})}
	case d.some != nil:
		return Decision{Rule: d.some.name, Tags: registry.SomeTags(func(tag string) bool {
			return fitsAny(allow, tag) && !fitsAny(deny, tag)
		})}
	}
	return Decision{}
}

func fitsAny(lists [][]pattern.Tag, tag string) bool {
	return slices.ContainsFunc(lists, func(tags []pattern.Tag) bool { return fitsTag(tags, tag) })
}

func fitsTag(tags []pattern.Tag, tag string) bool {
	for i := range tags {
		if tags[i].Match(tag) {
			return true
		}
	}
	return false
}
