package iam

import (
	"slices"
	"strings"
	"unicode/utf8"
)

// A Decision is what a policy says of an action on a resource.
type Decision int

// The decisions. What no statement allows is not allowed, and what one denies
// is denied whatever others allow.
const (
	NotAllowed Decision = iota
	Denied
	Allowed
)

// Evaluate decides on an action, such as s3:GetObject, on the resource of an
// ARN. The case of actions does not matter, that of resources does. The keys
// are what a request to DynamoDB has for dynamodb:LeadingKeys: the partition
// keys of the items it is about.
func (p Policy) Evaluate(action, arn string, keys ...string) Decision {
	action = strings.ToLower(action)
	parts, _ := splitARN(arn)
	decision := NotAllowed
	for _, s := range p.statements {
		switch {
		case !s.matches(action, parts, keys):
		case s.deny:
			return Denied
		default:
			decision = Allowed
		}
	}
	return decision
}

// statement is a Statement that has been found sound.
type statement struct {
	deny            bool
	actions         []string // patterns in lower case
	exceptActions   bool     // all actions but those
	resources       []resource
	exceptResources bool     // all resources but those
	keys            []string // nil: of any
	like            []string // nil: of any
	anyKey          []string // nil: whatever there is
}

func (s statement) matches(action string, arn [6]string, keys []string) bool {
	if !s.holds(keys) {
		return false
	}
	named := slices.ContainsFunc(s.actions, func(pattern string) bool { return match(pattern, action) })
	if named == s.exceptActions {
		return false
	}
	listed := slices.ContainsFunc(s.resources, func(r resource) bool { return r.matches(arn) })
	return listed != s.exceptResources
}

// holds is all conditions. As AWS has it, those on all keys hold where there are
// none, so that a Scan is not kept from anything by them; the one on any does
// not.
func (s statement) holds(keys []string) bool {
	in := func(list []string) func(string) bool {
		return func(key string) bool { return slices.Contains(list, key) }
	}
	if s.anyKey != nil && !slices.ContainsFunc(keys, in(s.anyKey)) {
		return false
	}
	return !slices.ContainsFunc(keys, func(key string) bool {
		return s.keys != nil && !in(s.keys)(key) || s.like != nil && !s.isLike(key)
	})
}

// isLike reports whether a key fits one of the patterns.
func (s statement) isLike(key string) bool {
	return slices.ContainsFunc(s.like, func(pattern string) bool { return match(pattern, key) })
}

// resource is a pattern of ARNs. Its wildcards stay within the parts between
// the first five colons.
type resource struct {
	any bool
	arn [6]string
}

func (r resource) matches(arn [6]string) bool {
	if r.any {
		return true
	}
	for i, pattern := range r.arn {
		if !match(pattern, arn[i]) {
			return false
		}
	}
	return true
}

// splitARN returns the six parts of an ARN. The last may hold colons itself.
func splitARN(text string) (arn [6]string, ok bool) {
	return arn, copy(arn[:], strings.SplitN(text, ":", 6)) == 6
}

// match reports whether all of text is what pattern says: * is any characters,
// ? is one. It takes time in proportion to the product of both lengths.
func match(pattern, text string) bool {
	p, t := 0, 0
	star, from := -1, 0 // the last * seen, and the text it leaves to what follows
	for t < len(text) {
		_, width := utf8.DecodeRuneInString(text[t:])
		switch {
		case p < len(pattern) && pattern[p] == '*':
			star, from = p, t
			p++
		case p < len(pattern) && pattern[p] == '?':
			p, t = p+1, t+width
		case p < len(pattern) && pattern[p] == text[t]:
			p, t = p+1, t+1
		case star >= 0:
			_, width = utf8.DecodeRuneInString(text[from:])
			from += width
			p, t = star+1, from
		default:
			return false
		}
	}
	return strings.Trim(pattern[p:], "*") == ""
}
