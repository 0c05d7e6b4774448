package access

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"github.com/berthregistry/berth/shared/pattern"
)

// compiled is a policy in the form that decides.
type compiled struct {
	version string
	known   map[name]struct{} // the issuers and the accounts of AWS
	groups  []*whom
	rules   []rule
}

// Compile checks a policy and makes it ready to decide; until then it allows
// nothing. What is wrong with it is a *Fault. Compile is called once, before
// the policy is used by more than one goroutine.
func (p *Policy) Compile() error {
	c, err := compile(p)
	if err != nil {
		p.compiled = compiled{}
		return err
	}
	p.compiled = c
	return nil
}

// Version names what the policy says: policies of one text have the same. It is
// "" before Compile.
func (p *Policy) Version() string {
	if p == nil {
		return ""
	}
	return p.compiled.version
}

// versionLength is how much of the hash names a version: too much for two that
// follow each other to share it by chance.
const versionLength = 16

// UnmarshalJSON reads a policy and compiles it. A member that is not known is
// an error: it may be what limits a rule, written by a later version of this
// program.
func (p *Policy) UnmarshalJSON(text []byte) error {
	type plain Policy
	var q plain
	d := json.NewDecoder(bytes.NewReader(text))
	d.DisallowUnknownFields()
	if err := d.Decode(&q); err != nil {
		return fmt.Errorf("read policy: %w", err)
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return errors.New("read policy: something follows it")
	}
	*p = Policy(q)
	return p.Compile()
}

func compile(p *Policy) (c compiled, err error) {
	if err := checkTrusts(p); err != nil {
		return c, err
	}
	groups, err := compileGroups(p)
	if err != nil {
		return c, err
	}
	if c.rules, err = compileRules(p, groups); err != nil {
		return c, err
	}
	if err := checkExpressions(p); err != nil {
		return c, err
	}
	for _, g := range p.Groups {
		c.groups = append(c.groups, groups[g.Name])
	}
	text, err := json.Marshal(p)
	if err != nil {
		return c, fmt.Errorf("version of policy: %w", err)
	}
	sum := sha256.Sum256(text)
	c.version, c.known = hex.EncodeToString(sum[:])[:versionLength], known(p)
	return c, nil
}

func known(p *Policy) map[name]struct{} {
	known := map[name]struct{}{}
	for _, t := range p.Issuers {
		known[name{Issuer, t.Name}] = struct{}{}
	}
	for _, account := range p.Accounts {
		known[name{AWS, account}] = struct{}{}
	}
	return known
}

// knows says whether a principal can still be one: an issuer or an account that
// is no longer trusted ends what its tokens may do.
func (p *Policy) knows(who *Principal) bool {
	if p == nil || p.compiled.version == "" {
		return false
	}
	if !who.HasClaims() {
		return true
	}
	_, ok := p.compiled.known[name{who.Kind, who.Name}]
	return ok
}

// patterns reads each of a list of patterns.
func patterns[P any](place string, texts []string, parse func(string) (P, error)) ([]P, error) {
	var out []P
	for i, text := range texts {
		p, err := parse(text)
		if err != nil {
			return nil, fault(at(place, i), "%v", err)
		}
		out = append(out, p)
	}
	return out, nil
}

func compileGroups(p *Policy) (map[string]*whom, error) {
	groups := map[string]*whom{}
	for i, g := range p.Groups {
		place := at("groups", i)
		if err := checkName(place+".name", "group", g.Name); err != nil {
			return nil, err
		}
		if groups[g.Name] != nil {
			return nil, fault(place+".name", "there is another group %q", g.Name)
		}
		w, err := reader{policy: p, place: place, list: "members"}.whom(g.Members)
		if err != nil {
			return nil, err
		}
		groups[g.Name] = w
	}
	return groups, nil
}

func compileRules(p *Policy, groups map[string]*whom) ([]rule, error) {
	if len(p.Rules) > MaxRules {
		return nil, fault("rules", "there are %d rules, at most %d are taken", len(p.Rules), MaxRules)
	}
	names := map[string]bool{}
	rules := make([]rule, 0, len(p.Rules))
	for i := range p.Rules {
		r, err := compileRule(p, i, groups)
		if err != nil {
			return nil, err
		}
		if names[r.name] {
			return nil, fault(at("rules", i)+".name", "there is another rule %q", r.name)
		}
		names[r.name] = true
		rules = append(rules, r)
	}
	return rules, nil
}

func compileRule(p *Policy, i int, groups map[string]*whom) (rule, error) {
	source, place := &p.Rules[i], at("rules", i)
	r := rule{name: source.Name, deny: source.Deny}
	if err := checkRule(place, source); err != nil {
		return r, err
	}
	for _, a := range source.Actions {
		r.actions |= a.bits()
	}
	w, err := reader{policy: p, place: place, list: "to", groups: groups}.whom(source.Whom)
	if err != nil {
		return r, err
	}
	if err := checkAnonymous(place, source, w); err != nil {
		return r, err
	}
	r.whom = *w
	if r.repositories, err = patterns(place+".repositories", source.Repositories, pattern.ParseRepository); err != nil {
		return r, err
	}
	r.tags, err = patterns(place+".tags", source.Tags, pattern.ParseTag)
	return r, err
}
