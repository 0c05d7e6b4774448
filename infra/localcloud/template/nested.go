package template

import (
	"maps"
	"strings"
)

// readNested adds what a nested stack declares.
func readNested(s *scope, r *resource, properties *node, out *Stack) error {
	inner, err := s.inner(r)
	if err != nil {
		return err
	}
	stack, err := inner.stack()
	if err != nil {
		return err
	}
	out.Functions = append(out.Functions, stack.Functions...)
	out.Routes = append(out.Routes, stack.Routes...)
	out.Tables = append(out.Tables, stack.Tables...)
	out.Buckets = append(out.Buckets, stack.Buckets...)
	out.Queues = append(out.Queues, stack.Queues...)
	out.Mappings = append(out.Mappings, stack.Mappings...)
	out.Buses = append(out.Buses, stack.Buses...)
	out.Rules = append(out.Rules, stack.Rules...)
	out.Destinations = append(out.Destinations, stack.Destinations...)
	out.Connections = append(out.Connections, stack.Connections...)
	return nil
}

// inner returns the scope of a nested stack.
func (s *scope) inner(r *resource) (*scope, error) {
	if r.nested != nil {
		return r.nested, nil
	}
	properties, err := s.evaluate(r.properties)
	if err != nil {
		return nil, err
	}
	var file string
	parameters := map[string]string{}
	if err := properties.fields(map[string]field{
		"TemplateURL": text(&file),
		"Parameters":  textMap(parameters),
		"Tags":        known,
	}); err != nil {
		return nil, err
	}
	if err := properties.need("TemplateURL"); err != nil {
		return nil, err
	}
	if strings.Contains(file, "://") {
		return nil, r.at.errorf("only a template in a file beside this one can be nested, not %s", file)
	}
	pseudo := maps.Clone(s.pseudo)
	if pseudo["AWS::StackName"], err = s.nameOf(r); err != nil {
		return nil, err
	}
	inner, err := newScope(s.loader, s.beside(file), parameters, pseudo)
	if err != nil {
		return nil, r.at.errorf("nested stack %s: %w", r.id, err)
	}
	r.nested = inner
	return inner, nil
}

// textMap reads a mapping of texts.
func textMap(to map[string]string) field {
	return func(n *node) error {
		if err := n.expect(mapping); err != nil {
			return err
		}
		for _, p := range n.pairs {
			if err := p.value.expect(scalar); err != nil {
				return err
			}
			to[p.key] = p.value.text
		}
		return nil
	}
}

// outputOf is an output of a nested stack.
func (s *scope) outputOf(r *resource, at position, name string) (string, error) {
	if r.properties.get("TemplateURL") == nil {
		return "", at.errorf("%s is no nested stack and has no outputs", r.id)
	}
	inner, err := s.inner(r)
	if err != nil {
		return "", err
	}
	declared := inner.root.get("Outputs").get(name)
	if declared == nil {
		return "", at.errorf("the stack %s has no output %s", r.id, name)
	}
	out := map[string]string{}
	if err := inner.output(pair{name, declared.at, declared}, out); err != nil {
		return "", err
	}
	v, ok := out[name]
	if !ok {
		return "", at.errorf("the output %s of %s does not exist, since its condition does not hold", name, r.id)
	}
	return v, nil
}
