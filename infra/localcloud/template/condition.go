package template

// condition says whether a named condition holds.
func (s *scope) condition(at position, name string) (bool, error) {
	if holds, ok := s.conditions[name]; ok {
		return holds, nil
	}
	n := s.root.get("Conditions").get(name)
	if n == nil {
		return false, at.errorf("there is no condition %q", name)
	}
	if s.deciding[name] {
		return false, n.at.errorf("condition %q rests on itself", name)
	}
	s.deciding[name] = true
	holds, err := s.decideBefore(n)
	if err == nil {
		s.conditions[name] = holds
	}
	return holds, err
}

// decideBefore computes what is decided before anything exists, so that no
// resource can be named in it.
func (s *scope) decideBefore(n *node) (bool, error) {
	before := *s
	before.resources = nil
	return before.decide(n)
}

// decide computes a condition.
func (s *scope) decide(n *node) (bool, error) {
	if n.kind != mapping || len(n.pairs) != 1 {
		return false, n.at.errorf("a condition is expected here")
	}
	arguments := n.pairs[0].value
	switch name := n.pairs[0].key; name {
	case "Condition":
		return s.condition(arguments.at, arguments.text)
	case "Fn::Equals":
		return s.equals(arguments)
	case "Fn::Not":
		items, err := arguments.arguments(1)
		if err != nil {
			return false, err
		}
		holds, err := s.decide(items[0])
		return !holds, err
	case "Fn::And":
		return s.all(arguments, true)
	case "Fn::Or":
		return s.all(arguments, false)
	default:
		return false, n.at.errorf("unknown condition function %s", name)
	}
}

func (s *scope) equals(n *node) (bool, error) {
	items, err := n.arguments(2)
	if err != nil {
		return false, err
	}
	a, err := s.word(items[0])
	if err != nil {
		return false, err
	}
	b, err := s.word(items[1])
	return a == b, err
}

// all decides every part, as CloudFormation does: a mistake in the second part
// shows also where the first decides. It is And if and is set, else Or.
func (s *scope) all(n *node, and bool) (bool, error) {
	if n.kind != list || len(n.items) < 2 || len(n.items) > 10 {
		return false, n.at.errorf("a list of 2 to 10 conditions is expected here")
	}
	result := and
	for _, item := range n.items {
		holds, err := s.decide(item)
		if err != nil {
			return false, err
		}
		if holds != and {
			result = holds
		}
	}
	return result, nil
}
