// Package pattern is EventBridge's language for choosing events, which the
// filters of Lambda's event source mappings share.
package pattern

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
)

// A Pattern chooses some of all events. It is safe for concurrent use; the zero
// Pattern fits nothing.
type Pattern struct{ root pattern }

// A pattern says whether a value fits. present is false if there is no such
// value at all.
type pattern func(value any, present bool) bool

// Parse reads a pattern, which is JSON. It knows values, prefix, suffix,
// equals-ignore-case, anything-but, exists and $or, and refuses what it does not
// know.
func Parse(text string) (Pattern, error) {
	var tree map[string]any
	if err := json.Unmarshal([]byte(text), &tree); err != nil {
		return Pattern{}, err
	}
	root, err := object(tree)
	return Pattern{root}, err
}

// Fits reports whether an event, which is JSON, is one of those chosen. What is
// no JSON is not.
func (p Pattern) Fits(event []byte) bool {
	var tree any
	return p.root != nil && json.Unmarshal(event, &tree) == nil && p.root(tree, true)
}

// object fits an object if every named member fits. Members that are not named
// do not matter.
func object(tree map[string]any) (pattern, error) {
	if len(tree) == 0 {
		return nil, errors.New("an empty pattern")
	}
	var all []pattern
	for name, want := range tree {
		p, err := member(name, want)
		if err != nil {
			return nil, err
		}
		all = append(all, p)
	}
	return func(value any, present bool) bool {
		for _, p := range all {
			if !p(value, present) {
				return false
			}
		}
		return true
	}, nil
}

// member fits an object by one of its members.
func member(name string, want any) (pattern, error) {
	var p pattern
	var err error
	switch want := want.(type) {
	case map[string]any:
		p, err = object(want)
	case []any:
		if name == "$or" {
			return anyOf(want, alternativeObject)
		}
		p, err = anyOf(want, leaf)
	default:
		err = errors.New("a list or an object is wanted")
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return func(value any, _ bool) bool {
		object, _ := value.(map[string]any)
		inner, present := object[name]
		return p(inner, present)
	}, nil
}

// anyOf fits what fits one of the alternatives.
func anyOf(alternatives []any, parse func(any) (pattern, error)) (pattern, error) {
	if len(alternatives) == 0 {
		return nil, errors.New("an empty list")
	}
	var some []pattern
	for _, a := range alternatives {
		p, err := parse(a)
		if err != nil {
			return nil, err
		}
		some = append(some, p)
	}
	return func(value any, present bool) bool {
		for _, p := range some {
			if p(value, present) {
				return true
			}
		}
		return false
	}, nil
}

func alternativeObject(want any) (pattern, error) {
	tree, ok := want.(map[string]any)
	if !ok {
		return nil, errors.New("$or wants objects")
	}
	return object(tree)
}

// leaf fits a value that is no object. Of a list one element must fit.
func leaf(want any) (pattern, error) {
	rule, ok := want.(map[string]any)
	if !ok {
		return values(equals(want)), nil
	}
	if len(rule) != 1 {
		return nil, fmt.Errorf("%d rules in one object, want 1", len(rule))
	}
	for name, argument := range rule {
		if name == "exists" {
			return exists(argument)
		}
		test, err := comparison(name, argument)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		return values(test), nil
	}
	panic("unreachable: the rule has one name")
}

// values makes a pattern of a test of one value.
func values(test func(any) bool) pattern {
	return func(value any, present bool) bool {
		list, ok := value.([]any)
		if !ok {
			return present && test(value)
		}
		for _, element := range list {
			if test(element) {
				return true
			}
		}
		return false
	}
}

func exists(argument any) (pattern, error) {
	want, ok := argument.(bool)
	if !ok {
		return nil, errors.New("exists wants true or false")
	}
	return func(value any, present bool) bool {
		_, inner := value.(map[string]any) // only leaves are said to exist
		return (present && !inner) == want
	}, nil
}

func comparison(name string, argument any) (func(any) bool, error) {
	if name == "anything-but" {
		return anythingBut(argument)
	}
	text, ok := argument.(string)
	if !ok {
		return nil, errors.New("a string is wanted")
	}
	var test func(string) bool
	switch name {
	case "prefix":
		test = func(s string) bool { return strings.HasPrefix(s, text) }
	case "suffix":
		test = func(s string) bool { return strings.HasSuffix(s, text) }
	case "equals-ignore-case":
		test = func(s string) bool { return strings.EqualFold(s, text) }
	default:
		return nil, errors.New("this rule is not known here")
	}
	return func(value any) bool {
		s, ok := value.(string)
		return ok && test(s)
	}, nil
}

// anythingBut takes a value, a list of values, or one rule about strings.
func anythingBut(argument any) (func(any) bool, error) {
	switch argument := argument.(type) {
	case []any:
		return func(value any) bool {
			for _, a := range argument {
				if equals(a)(value) {
					return false
				}
			}
			return true
		}, nil
	case map[string]any:
		if len(argument) != 1 {
			return nil, fmt.Errorf("%d rules in one object, want 1", len(argument))
		}
		for name, inner := range argument {
			test, err := comparison(name, inner)
			return func(value any) bool { return !test(value) }, err
		}
	}
	return func(value any) bool { return !equals(argument)(value) }, nil
}

// equals compares with a string, a number, true, false or null. Nothing equals
// an object or a list.
func equals(want any) func(any) bool {
	return func(value any) bool {
		switch value.(type) {
		case map[string]any, []any:
			return false
		}
		return value == want
	}
}
