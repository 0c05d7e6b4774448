package document

import (
	"fmt"
	"slices"
	"strings"

	"github.com/berthregistry/berth/shared/access"
	"github.com/berthregistry/berth/shared/pattern"
)

// An Answer is what a policy says to a request.
type Answer string

// The answers. Partly is for a question about a whole repository of which some
// tags only are allowed.
const (
	Allowed Answer = "allowed"
	Denied  Answer = "denied"
	Partly  Answer = "allowed for some tags only"
)

// An Explanation is how a policy comes to its answer.
type Explanation struct {
	Who        access.Principal
	Repository string
	Tag        string // "" for the whole repository
	Action     access.Action

	Answer Answer
	// Rule is the name of the one that decided, "" if none allows it.
	Rule  string
	Steps []Step
}

// A Step is what one rule has to do with it.
type Step struct {
	Rule string
	Deny bool
	// Reason says why the rule does not speak of this; "" if it does.
	Reason  string
	Decides bool
}

// Explain says what a policy answers to a principal, and which rule decided. A
// principal with claims comes from Evaluate.
func Explain(p *access.Policy, who access.Principal, repo, tag string, a access.Action) Explanation {
	d := p.Decide(who, repo, a)
	e := Explanation{Who: who, Repository: repo, Tag: tag, Action: a, Answer: answer(d, tag), Rule: d.Rule}
	for i := range p.Rules {
		r := &p.Rules[i]
		e.Steps = append(e.Steps, Step{Rule: r.Name, Deny: r.Deny, Reason: reason(p, i, who, repo, tag, a)})
	}
	if tag != "" {
		e.Rule = e.decider()
	}
	for i := range e.Steps {
		e.Steps[i].Decides = e.Steps[i].Rule == e.Rule
	}
	return e
}

func answer(d access.Decision, tag string) Answer {
	switch {
	case tag != "" && d.Tags.Has(tag), d.Tags.All():
		return Allowed
	case tag == "" && d.Allowed():
		return Partly
	}
	return Denied
}

// decider returns the rule that decides about a tag: the first that denies it,
// or else the first that allows it.
func (e *Explanation) decider() string {
	speaks := func(deny bool) int {
		return slices.IndexFunc(e.Steps, func(s Step) bool { return s.Reason == "" && s.Deny == deny })
	}
	for _, deny := range []bool{true, false} {
		if i := speaks(deny); i >= 0 {
			return e.Steps[i].Rule
		}
	}
	return ""
}

// reason says why a rule does not speak of a request, "" if it does.
func reason(p *access.Policy, i int, who access.Principal, repo, tag string, a access.Action) string {
	r := &p.Rules[i]
	switch p.Fit(i, who, repo, a) {
	case access.OtherAction:
		return "is about " + list(r.Actions)
	case access.OtherRepository:
		return "is about repositories " + list(r.Repositories)
	case access.OtherPrincipal:
		return "is about " + list(r.Whom.Names)
	case access.Unheld:
		return "has an expression, or its group has, that does not hold of the claims"
	}
	if tag != "" && len(r.Tags) > 0 && !slices.ContainsFunc(r.Tags, func(s string) bool { return fitsTag(s, tag) }) {
		return "is about tags " + list(r.Tags)
	}
	return ""
}

// fitsTag matches again what the policy has compiled for itself.
func fitsTag(text, tag string) bool {
	p, err := pattern.ParseTag(text)
	return err == nil && p.Match(tag)
}

func list[T ~string](words []T) string { return strings.Join(as[string](words), ", ") }

// String is the explanation as it is printed: the answer, and a line for each
// rule, of which the one that decided begins with an arrow.
func (e Explanation) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s: %s\n", e.Answer, e.question())
	if e.Rule == "" {
		b.WriteString("no rule allows it\n")
	}
	for _, s := range e.Steps {
		b.WriteString(s.line())
	}
	return b.String()
}

func (e *Explanation) question() string {
	switch {
	case e.Action == access.Admin:
		return fmt.Sprintf("%s administers the registry", e.Who)
	case e.Tag != "":
		return fmt.Sprintf("%s for %s in %s:%s", e.Action, e.Who, e.Repository, e.Tag)
	}
	return fmt.Sprintf("%s for %s in %s", e.Action, e.Who, e.Repository)
}

func (s *Step) line() string {
	mark, verb, says := "   ", "allows", "allows it"
	if s.Deny {
		verb, says = "denies", "denies it"
	}
	if s.Decides {
		mark = "-> "
	}
	if s.Reason != "" {
		says = verb + " none of it, as it " + s.Reason
	}
	return fmt.Sprintf("%s%s: %s\n", mark, s.Rule, says)
}
