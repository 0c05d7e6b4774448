package template

import (
	"fmt"
	"maps"
	"path/filepath"
	"slices"
)

// A loader reads the files of templates. The files it is in are those that a
// nested stack must not name again.
type loader struct {
	read func(path string) ([]byte, error)
	in   []string
}

// A scope is one template under its parameters: what each name in it stands for.
type scope struct {
	loader     loader
	file       string
	root       *node
	pseudo     map[string]string
	parameters map[string]*node
	conditions map[string]bool // those that were decided
	deciding   map[string]bool
	resources  map[string]*resource
	order      []*resource // as in the file
}

// newScope reads a template and looks whether all names in it stand for
// something, also where no condition leads.
func newScope(l loader, file string, parameters, pseudo map[string]string) (*scope, error) {
	if slices.Contains(l.in, file) {
		return nil, fmt.Errorf("%s is nested in itself", file)
	}
	body, err := l.read(file)
	if err != nil {
		return nil, err
	}
	root, err := parse(file, body)
	if err != nil {
		return nil, err
	}
	l.in = append(slices.Clone(l.in), file)
	s := &scope{
		loader: l, file: file, root: root, pseudo: maps.Clone(pseudo),
		parameters: map[string]*node{}, conditions: map[string]bool{}, deciding: map[string]bool{},
		resources: map[string]*resource{},
	}
	s.pseudo["AWS::StackId"] = "arn:aws:cloudformation:" + pseudo["AWS::Region"] + ":" + pseudo["AWS::AccountId"] + ":stack/" + pseudo["AWS::StackName"] + "/local"
	return s, s.prepare(parameters)
}

func (s *scope) prepare(parameters map[string]string) error {
	if err := s.readSections(); err != nil {
		return err
	}
	if err := s.readParameters(parameters); err != nil {
		return err
	}
	if err := s.readResources(); err != nil {
		return err
	}
	if err := s.checkNames(); err != nil {
		return err
	}
	if err := s.checkCycles(); err != nil {
		return err
	}
	return s.checkRules()
}

// readSections looks at the first level of the template.
func (s *scope) readSections() error {
	section := func(n *node) error { return n.expect(mapping) }
	if err := s.root.fields(map[string]field{
		"AWSTemplateFormatVersion": oneOf(new(string), "2010-09-09"),
		"Transform":                oneOf(new(string), "AWS::Serverless-2016-10-31"),
		"Description":              known,
		"Metadata":                 known,
		"Globals":                  section,
		"Parameters":               section,
		"Rules":                    section,
		"Mappings":                 section,
		"Conditions":               section,
		"Resources":                section,
		"Outputs":                  section,
	}); err != nil {
		return err
	}
	return s.root.need("Resources")
}

// stack evaluates everything.
func (s *scope) stack() (*Stack, error) {
	out := &Stack{Outputs: map[string]string{}}
	if conditions := s.root.get("Conditions"); conditions != nil {
		for _, p := range conditions.pairs {
			if _, err := s.condition(p.at, p.key); err != nil {
				return nil, err
			}
		}
	}
	for _, r := range s.order {
		if err := s.add(r, out); err != nil {
			return nil, err
		}
	}
	return out, s.outputs(out.Outputs)
}

// add puts what a resource declares into the stack.
func (s *scope) add(r *resource, out *Stack) error {
	exists, err := s.exists(r)
	if err != nil || !exists {
		return err
	}
	properties, err := s.evaluate(r.properties)
	if err != nil {
		return err
	}
	if properties == nil {
		return r.at.errorf("nothing is left of the properties of %s", r.id)
	}
	if r.model.read == nil {
		return nil
	}
	return r.model.read(s, r, properties, out)
}

func (s *scope) outputs(to map[string]string) error {
	declared := s.root.get("Outputs")
	if declared == nil {
		return nil
	}
	for _, p := range declared.pairs {
		if err := s.output(p, to); err != nil {
			return err
		}
	}
	return nil
}

func (s *scope) output(p pair, to map[string]string) error {
	var condition *node
	if err := p.value.fields(map[string]field{
		"Value":       known,
		"Description": known,
		"Export":      known,
		"Condition":   func(n *node) error { condition = n; return n.expect(scalar) },
	}); err != nil {
		return err
	}
	if err := p.value.need("Value"); err != nil {
		return err
	}
	if condition != nil {
		if holds, err := s.condition(condition.at, condition.text); err != nil || !holds {
			return err
		}
	}
	v, err := s.word(p.value.get("Value"))
	to[p.key] = v
	return err
}

// beside returns the path of a file that the template names from its own folder.
func (s *scope) beside(path string) string { return filepath.Join(filepath.Dir(s.file), path) }
