package template

import "slices"

// The services that take on roles here.
const (
	functions = "lambda.amazonaws.com"
	rules     = "events.amazonaws.com"
)

// checkRole reads a role that may be nobody's.
func checkRole(s *scope, r *resource, n *node, out *Stack) error {
	_, trusted, err := readRole(n)
	if err == nil && !slices.Contains(trusted, functions) && !slices.Contains(trusted, rules) {
		err = n.at.errorf("neither %s nor %s may take on this role", functions, rules)
	}
	return err
}

// role returns the name of the role with an ARN, and what it allows to the
// service that is to take it on.
func (s *scope) role(at position, arn, service string) (string, []Statement, error) {
	for _, r := range s.order {
		if r.model.name != "RoleName" {
			continue
		}
		if exists, err := s.exists(r); err != nil || !exists {
			continue
		}
		if own, err := s.attributeOf(r, at, "Arn"); err != nil || own != arn {
			continue
		}
		properties, err := s.evaluate(r.properties)
		if err != nil {
			return "", nil, err
		}
		name, err := s.nameOf(r)
		if err != nil {
			return "", nil, err
		}
		statements, trusted, err := readRole(properties)
		if err == nil && !slices.Contains(trusted, service) {
			err = at.errorf("%s may not take on the role %s", service, r.id)
		}
		return name, statements, err
	}
	return "", nil, at.errorf("%q is no role of this template", arn)
}

// readRole reads the inline policies of a role, and which services may take it
// on.
func readRole(n *node) (statements []Statement, trusted []string, err error) {
	err = n.fields(map[string]field{
		"RoleName":                 known,
		"Description":              known,
		"Path":                     known,
		"Tags":                     known,
		"AssumeRolePolicyDocument": document(func(n *node) error { return readTrust(n, &trusted) }),
		"Policies": each(func(n *node) error {
			if err := n.need("PolicyName", "PolicyDocument"); err != nil {
				return err
			}
			return n.fields(map[string]field{
				"PolicyName":     text(new(string)),
				"PolicyDocument": document(func(n *node) error { return readStatement(n, &statements) }),
			})
		}),
	})
	return statements, trusted, err
}

// document reads a policy, which has one statement or a list of them.
func document(statement field) field {
	return func(n *node) error {
		if err := n.need("Version", "Statement"); err != nil {
			return err
		}
		return n.fields(map[string]field{
			"Version": oneOf(new(string), "2012-10-17"),
			"Statement": func(n *node) error {
				if n.kind == mapping {
					return statement(n)
				}
				return each(statement)(n)
			},
		})
	}
}

// readStatement reads what is allowed or denied. NotAction, NotResource and
// conditions but those on partition keys are not understood here and so
// refused.
func readStatement(n *node, to *[]Statement) error {
	var st Statement
	if err := n.fields(map[string]field{
		"Sid":      text(new(string)),
		"Effect":   oneOf(&st.Effect, "Allow", "Deny"),
		"Action":   texts(&st.Actions),
		"Resource": texts(&st.Resources),
		"Condition": inside(map[string]field{
			"ForAllValues:StringEquals": inside(map[string]field{"dynamodb:LeadingKeys": texts(&st.LeadingKeys)}),
			"ForAllValues:StringLike":   inside(map[string]field{"dynamodb:LeadingKeys": texts(&st.LeadingKeysLike)}),
			"ForAnyValue:StringEquals":  inside(map[string]field{"dynamodb:LeadingKeys": texts(&st.AnyLeadingKey)}),
		}),
	}); err != nil {
		return err
	}
	kinds := min(len(st.LeadingKeys), 1) + min(len(st.LeadingKeysLike), 1) + min(len(st.AnyLeadingKey), 1)
	if n.get("Condition") != nil && kinds != 1 {
		return n.get("Condition").at.errorf("a condition is on dynamodb:LeadingKeys")
	}
	*to = append(*to, st)
	return n.need("Effect", "Action", "Resource")
}

// readTrust reads which services may take on the role.
func readTrust(n *node, services *[]string) error {
	if err := n.need("Effect", "Action", "Principal"); err != nil {
		return err
	}
	return n.fields(map[string]field{
		"Sid":       text(new(string)),
		"Effect":    oneOf(new(string), "Allow"),
		"Action":    func(n *node) error { return actionIs(n, "sts:AssumeRole") },
		"Principal": inside(map[string]field{"Service": texts(services)}),
	})
}

func actionIs(n *node, want string) error {
	var got []string
	if err := texts(&got)(n); err != nil {
		return err
	}
	if len(got) != 1 || got[0] != want {
		return n.at.errorf("the action is %s", want)
	}
	return nil
}
