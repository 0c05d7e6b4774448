package template

import (
	"regexp"
	"strings"
)

// What Fn::Sub replaces, and ${!Literal}, which it leaves as ${Literal}.
var variable = regexp.MustCompile(`\$\{(!?)([^{}!][^{}]*)\}`)

// sub is Fn::Sub: a text, or a list of a text and a mapping of variables.
func (s *scope) sub(n *node) (*node, error) {
	whole, own, err := subArguments(n)
	if err != nil {
		return nil, err
	}
	var failed error
	text := variable.ReplaceAllStringFunc(whole.text, func(match string) string {
		parts := variable.FindStringSubmatch(match)
		if parts[1] == "!" {
			return "${" + parts[2] + "}"
		}
		v, err := s.variable(whole.at, own, parts[2])
		if err != nil && failed == nil {
			failed = err
		}
		return v
	})
	return value(n.at, text), failed
}

func subArguments(n *node) (whole, own *node, err error) {
	if n.kind == scalar {
		return n, nil, nil
	}
	items, err := n.arguments(2)
	if err != nil {
		return nil, nil, err
	}
	if err := items[0].expect(scalar); err != nil {
		return nil, nil, err
	}
	return items[0], items[1], items[1].expect(mapping)
}

// variable is what one ${name} stands for.
func (s *scope) variable(at position, own *node, name string) (string, error) {
	name = strings.TrimSpace(name)
	if v := own.get(name); v != nil {
		return s.word(v)
	}
	return s.word(reference(at, name))
}

// reference is Ref of a name, or Fn::GetAtt of a path.
func reference(at position, name string) *node {
	function := "Ref"
	if strings.Contains(name, ".") {
		function = "Fn::GetAtt"
	}
	return &node{at: at, kind: mapping, pairs: []pair{{function, at, value(at, name)}}}
}
