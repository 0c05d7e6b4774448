package access

import (
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
	if !p.knows(&who) {
		return Decision{}
	}
	var d deciding
	for i := range p.compiled.rules {
		r := &p.compiled.rules[i]
		if r.fits(&who, repo, a) != Fits {
			continue
		}
		if r.deny && len(r.tags) == 0 {
			return Decision{Rule: r.name}
		}
		d.add(r)
	}
	return d.decision()
}

// deciding is what the rules looked at so far say. Where the limits are nil, no
// rule spoke of tags.
type deciding struct {
	whole *rule // the first that allows all
	some  *rule // the first that allows some tags
	allow [][]pattern.Tag
	deny  [][]pattern.Tag
}

func (d *deciding) add(r *rule) {
	switch {
	case r.deny:
		d.deny = append(d.deny, r.tags)
	case len(r.tags) > 0:
		d.allow = append(d.allow, r.tags)
		if d.some == nil {
			d.some = r
		}
	case d.whole == nil:
		d.whole = r
	}
}

func (d *deciding) decision() Decision {
	allow, deny := d.allow, d.deny
	switch {
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
