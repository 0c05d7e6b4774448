package document

import (
	"fmt"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/token"

	"github.com/berthregistry/berth/shared/access"
)

// form is the document as it is written.
type form struct {
	Audience []word      `yaml:"audience"`
	Issuers  []issuer    `yaml:"issuers"`
	AWS      aws         `yaml:"aws"`
	Groups   []groupForm `yaml:"groups"`
	Rules    []ruleForm  `yaml:"rules"`
	Tests    []testForm  `yaml:"tests"`
}

type issuer struct {
	Name     word   `yaml:"name"`
	URL      word   `yaml:"url"`
	Audience []word `yaml:"audience"`
	Require  word   `yaml:"require"`
}

type aws struct {
	Accounts []word `yaml:"accounts"`
}

type groupForm struct {
	Name    word   `yaml:"name"`
	Members []word `yaml:"members"`
	When    word   `yaml:"when"`
}

type ruleForm struct {
	Name         word   `yaml:"name"`
	Allow        []word `yaml:"allow"`
	Deny         []word `yaml:"deny"`
	To           []word `yaml:"to"`
	When         word   `yaml:"when"`
	Repositories []word `yaml:"repositories"`
	Tags         []word `yaml:"tags"`
}

type testForm struct {
	Who        word           `yaml:"who"`
	Groups     []word         `yaml:"groups"`
	Claims     map[string]any `yaml:"claims"`
	Action     word           `yaml:"action"`
	Repository word           `yaml:"repository"`
	Tag        word           `yaml:"tag"`
	Want       word           `yaml:"want"`
}

// A word is text. What YAML takes for a number or a truth value is an error, as
// 1.10 would become 1.1 and the account 012345678901 a number in octal.
type word string

// UnmarshalYAML reads text.
func (w *word) UnmarshalYAML(node ast.Node) error {
	switch node.Type() {
	case ast.StringType, ast.LiteralType:
		var s string
		err := yaml.NodeToValue(node, &s, yaml.Strict())
		*w = word(s)
		return err
	case ast.IntegerType, ast.FloatType, ast.BoolType, ast.InfinityType, ast.NanType:
		return refuse(node, "text is expected here: put quotes around %s", node.GetToken().Value)
	case ast.MappingType, ast.MappingValueType: // what {to: [user:a]} is taken for
		at := position(node)
		return &yaml.SyntaxError{Message: "text is expected here: put quotes around it if it has a colon", Token: &token.Token{Position: at}}
	}
	return refuse(node, "text is expected here")
}

// as are the same words as another type.
func as[T, W ~string](words []W) []T {
	var out []T
	for _, w := range words {
		out = append(out, T(w))
	}
	return out
}

// policy makes a policy of the form. It checks what the policy can't: what is
// there twice or not at all, and the expressions.
func (f *form) policy(root ast.Node) (*access.Policy, error) {
	p := &access.Policy{Audiences: as[string](f.Audience), Accounts: as[string](f.AWS.Accounts), Rules: []access.Rule{}}
	for i, x := range f.Issuers {
		require, err := compiled(root, fmt.Sprintf("issuers[%d].require", i), x.Require)
		if err != nil {
			return nil, err
		}
		p.Issuers = append(p.Issuers, access.Trust{
			Name: string(x.Name), URL: string(x.URL), Audiences: as[string](x.Audience),
			Require: require.ID, RequireText: require.Text,
		})
	}
	for i, x := range f.Groups {
		when, err := compiled(root, fmt.Sprintf("groups[%d].when", i), x.When)
		if err != nil {
			return nil, err
		}
		p.Groups = append(p.Groups, access.Group{
			Name: string(x.Name), Members: access.Whom{Names: as[string](x.Members), When: when.ID, WhenText: when.Text},
		})
	}
	for i, x := range f.Rules {
		r, err := x.rule(root, i)
		if err != nil {
			return nil, err
		}
		p.Rules = append(p.Rules, r)
	}
	return p, nil
}

func (x *ruleForm) rule(root ast.Node, i int) (access.Rule, error) {
	place := fmt.Sprintf("rules[%d]", i)
	when, err := compiled(root, place+".when", x.When)
	if err != nil {
		return access.Rule{}, err
	}
	r := access.Rule{
		Name: string(x.Name), Deny: x.Deny != nil,
		Whom:         access.Whom{Names: as[string](x.To), When: when.ID, WhenText: when.Text},
		Repositories: as[string](x.Repositories), Tags: as[string](x.Tags),
		Actions: as[access.Action](append(x.Allow, x.Deny...)),
	}
	if r.Name == "" {
		r.Name = fmt.Sprintf("rule %d", i+1)
	}
	switch {
	case x.Allow != nil && x.Deny != nil:
		return r, &access.Fault{Place: place + ".deny", Text: "a rule allows or denies, not both"}
	case x.Allow == nil && x.Deny == nil:
		return r, &access.Fault{Place: place, Text: "this rule has neither allow nor deny"}
	}
	return r, nil
}
