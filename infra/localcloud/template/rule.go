package template

// checkRules holds the parameters to what Rules assert of them together.
func (s *scope) checkRules() error {
	rules := s.root.get("Rules")
	if rules == nil {
		return nil
	}
	for _, p := range rules.pairs {
		if err := s.checkRule(p); err != nil {
			return err
		}
	}
	return nil
}

func (s *scope) checkRule(p pair) error {
	var condition *node
	var assertions []*node
	if err := p.value.fields(map[string]field{
		"RuleCondition": func(n *node) error { condition = n; return nil },
		"Assertions":    each(func(n *node) error { assertions = append(assertions, n); return n.need("Assert") }),
	}); err != nil {
		return err
	}
	if condition != nil {
		if holds, err := s.decideBefore(condition); err != nil || !holds {
			return err
		}
	}
	for _, n := range assertions {
		if err := s.assert(p.key, n); err != nil {
			return err
		}
	}
	return nil
}

func (s *scope) assert(rule string, n *node) error {
	description := "it does not hold"
	if err := n.fields(map[string]field{"Assert": known, "AssertDescription": text(&description)}); err != nil {
		return err
	}
	holds, err := s.decideBefore(n.get("Assert"))
	if err == nil && !holds {
		err = n.at.errorf("rule %s: %s", rule, description)
	}
	return err
}
