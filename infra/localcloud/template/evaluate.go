package template

import (
	"strconv"
	"strings"
)

// A function computes what stands in the place of its arguments. It returns nil
// for what AWS::NoValue removes.
type function func(s *scope, arguments *node) (*node, error)

// intrinsic returns the function of a name.
func intrinsic(name string) (function, bool) {
	f, ok := map[string]function{
		"Ref":           (*scope).ref,
		"Fn::GetAtt":    (*scope).getAtt,
		"Fn::Sub":       (*scope).sub,
		"Fn::Join":      (*scope).join,
		"Fn::Split":     (*scope).split,
		"Fn::Select":    (*scope).selected,
		"Fn::FindInMap": (*scope).findInMap,
		"Fn::If":        (*scope).choose,
	}[name]
	return f, ok
}

// call returns the function that a mapping is a call of. The words of conditions
// are none: they have no value.
func call(n *node) (name string, arguments *node, ok bool) {
	if n.kind != mapping || len(n.pairs) != 1 {
		return "", nil, false
	}
	p := n.pairs[0]
	return p.key, p.value, p.key == "Ref" || strings.HasPrefix(p.key, "Fn::")
}

// evaluate returns the node with all functions in it computed, nil if nothing
// remains of it. Of Fn::If only the branch that holds is looked at.
func (s *scope) evaluate(n *node) (*node, error) {
	if name, arguments, ok := call(n); ok {
		f, ok := intrinsic(name)
		if !ok {
			return nil, n.at.errorf("unknown function %s", name)
		}
		return f(s, arguments)
	}
	out := &node{at: n.at, kind: n.kind, text: n.text, plain: n.plain}
	for _, item := range n.items {
		v, err := s.evaluate(item)
		if err != nil {
			return nil, err
		}
		if v != nil {
			out.items = append(out.items, v)
		}
	}
	for _, p := range n.pairs {
		if strings.HasPrefix(p.key, "Fn::") {
			return nil, p.at.errorf("%s stands beside other keys", p.key)
		}
		v, err := s.evaluate(p.value)
		if err != nil {
			return nil, err
		}
		if v != nil {
			out.pairs = append(out.pairs, pair{p.key, p.at, v})
		}
	}
	return out, nil
}

// word evaluates to a text.
func (s *scope) word(n *node) (string, error) {
	v, err := s.evaluate(n)
	if err != nil {
		return "", err
	}
	if v == nil || v.kind != scalar {
		return "", n.at.errorf("this gives no text")
	}
	return v.text, nil
}

// words evaluates to a list of texts.
func (s *scope) words(n *node) ([]string, error) {
	v, err := s.evaluate(n)
	if err != nil {
		return nil, err
	}
	if v == nil || v.kind != list {
		return nil, n.at.errorf("this gives no list")
	}
	var out []string
	err = texts(&out)(v)
	return out, err
}

// arguments refuses a list of another length.
func (n *node) arguments(count int) ([]*node, error) {
	if n.kind != list || len(n.items) != count {
		return nil, n.at.errorf("a list of %d is expected here", count)
	}
	return n.items, nil
}

func value(at position, text string) *node { return &node{at: at, kind: scalar, text: text} }

// ref is Ref: a pseudo parameter, a parameter, or the name of a resource.
func (s *scope) ref(n *node) (*node, error) {
	if err := n.expect(scalar); err != nil {
		return nil, err
	}
	if n.text == "AWS::NoValue" {
		return nil, nil
	}
	if v, ok := s.pseudo[n.text]; ok {
		return value(n.at, v), nil
	}
	if v, ok := s.parameters[n.text]; ok {
		return v, nil
	}
	r, err := s.resource(n.at, n.text)
	if err != nil {
		return nil, err
	}
	v, err := s.refOf(r)
	return value(n.at, v), err
}

// getAtt is Fn::GetAtt.
func (s *scope) getAtt(n *node) (*node, error) {
	if n.kind == scalar {
		n = pathOf(n)
	}
	items, err := n.arguments(2)
	if err != nil {
		return nil, err
	}
	attribute, err := s.word(items[1])
	if err != nil {
		return nil, err
	}
	r, err := s.resource(n.at, items[0].text)
	if err != nil {
		return nil, err
	}
	v, err := s.attributeOf(r, n.at, attribute)
	return value(n.at, v), err
}

// join is Fn::Join.
func (s *scope) join(n *node) (*node, error) {
	items, err := n.arguments(2)
	if err != nil {
		return nil, err
	}
	words, err := s.words(items[1])
	return value(n.at, strings.Join(words, items[0].text)), err
}

// split is Fn::Split.
func (s *scope) split(n *node) (*node, error) {
	items, err := n.arguments(2)
	if err != nil {
		return nil, err
	}
	if items[0].text == "" {
		return nil, n.at.errorf("Fn::Split needs something to split at")
	}
	whole, err := s.word(items[1])
	return values(n.at, strings.Split(whole, items[0].text)), err
}

func values(at position, words []string) *node {
	out := &node{at: at, kind: list}
	for _, w := range words {
		out.items = append(out.items, value(at, w))
	}
	return out
}

// selected is Fn::Select.
func (s *scope) selected(n *node) (*node, error) {
	items, err := n.arguments(2)
	if err != nil {
		return nil, err
	}
	text, err := s.word(items[0])
	if err != nil {
		return nil, err
	}
	of, err := s.evaluate(items[1])
	if err != nil {
		return nil, err
	}
	index, err := strconv.Atoi(text)
	if err != nil || of == nil || index < 0 || index >= len(of.items) {
		return nil, n.at.errorf("Fn::Select finds nothing at %q", text)
	}
	return of.items[index], nil
}

// findInMap is Fn::FindInMap.
func (s *scope) findInMap(n *node) (*node, error) {
	items, err := n.arguments(3)
	if err != nil {
		return nil, err
	}
	at := s.root.get("Mappings")
	for _, item := range items {
		key, err := s.word(item)
		if err != nil {
			return nil, err
		}
		if at = at.get(key); at == nil {
			return nil, item.at.errorf("the mappings have no %q here", key)
		}
	}
	return at, nil
}

// choose is Fn::If.
func (s *scope) choose(n *node) (*node, error) {
	items, err := n.arguments(3)
	if err != nil {
		return nil, err
	}
	holds, err := s.condition(items[0].at, items[0].text)
	if err != nil {
		return nil, err
	}
	if holds {
		return s.evaluate(items[1])
	}
	return s.evaluate(items[2])
}
