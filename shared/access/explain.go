package access

// An Expression is a condition on claims.
type Expression struct{ ID, Text string }

// Fit says whether the rule with an index speaks of a request, whatever its
// tags are, or else why not.
func (p *Policy) Fit(rule int, who Principal, repo string, a Action) Fit {
	if !p.knows(&who) {
		return OtherPrincipal
	}
	return p.compiled.rules[rule].fits(&who, repo, a)
}

// Expressions returns those on which it depends what a principal may do, each
// once. The one that its issuer requires is not among them.
func (p *Policy) Expressions(who Principal) []Expression {
	var found []Expression
	seen := map[string]bool{}
	add := func(w *whom) {
		if w.when == "" || seen[w.when] || w.named(&who, false) != Fits {
			return
		}
		seen[w.when] = true
		found = append(found, Expression{w.when, w.text})
	}
	if !p.knows(&who) {
		return nil
	}
	for _, w := range p.compiled.groups {
		add(w)
	}
	for i := range p.compiled.rules {
		add(&p.compiled.rules[i].whom)
	}
	return found
}
