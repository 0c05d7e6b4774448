package template

import (
	"maps"
	"slices"
	"strings"
)

// checkNames looks whether each name in the template stands for something, also
// in branches that the parameters do not choose: CloudFormation does so too.
func (s *scope) checkNames() error {
	for _, section := range []string{"Rules", "Conditions", "Resources", "Outputs", "Globals"} {
		if n := s.root.get(section); n != nil {
			if err := s.checkNamesIn(n); err != nil {
				return err
			}
		}
	}
	for _, r := range s.order {
		for _, id := range r.dependsOn {
			if s.owner(id) == nil {
				return r.at.errorf("%s depends on %s, which is not there", r.id, id)
			}
		}
	}
	return nil
}

// owner returns the resource with an id, or the one that SAM makes it of.
func (s *scope) owner(id string) *resource {
	if r, ok := s.resources[id]; ok {
		return r
	}
	for _, r := range s.order {
		if r.model.generated != "" && id == r.id+r.model.generated {
			return r
		}
	}
	return nil
}

func (s *scope) checkNamesIn(n *node) error {
	for _, item := range n.items {
		if err := s.checkNamesIn(item); err != nil {
			return err
		}
	}
	for _, p := range n.pairs {
		if condition := namedCondition(p); condition != nil && s.root.get("Conditions").get(condition.text) == nil {
			return condition.at.errorf("there is no condition %q", condition.text)
		}
		for _, name := range namesIn(p) {
			if !s.knows(name) {
				return p.at.errorf("%s names %q, which is not there", p.key, name)
			}
		}
		if err := s.checkNamesIn(p.value); err != nil {
			return err
		}
	}
	return nil
}

func (s *scope) knows(name string) bool {
	return name == "AWS::NoValue" || s.pseudo[name] != "" || s.parameters[name] != nil || s.resources[name] != nil
}

// namedCondition is the condition that a key names, nil if it does not name one.
// In a policy, Condition is a mapping and none of ours.
func namedCondition(p pair) *node {
	switch {
	case p.key == "Condition" && p.value.kind == scalar:
		return p.value
	case p.key == "Fn::If" && len(p.value.items) > 0:
		return p.value.items[0]
	}
	return nil
}

// namesIn returns the parameters and resources that one key with its arguments
// names. What is nested in the arguments is not looked at.
func namesIn(p pair) []string {
	switch p.key {
	case "Ref":
		return []string{p.value.text}
	case "Fn::GetAtt":
		return []string{resourceOf(p.value)}
	case "Fn::Sub":
		return namesInSub(p.value)
	}
	return nil
}

func resourceOf(path *node) string {
	if len(path.items) > 0 {
		return path.items[0].text
	}
	name, _, _ := strings.Cut(path.text, ".")
	return name
}

func namesInSub(n *node) []string {
	whole, own, err := subArguments(n)
	if err != nil {
		return nil // it is refused where it is evaluated
	}
	var names []string
	for _, parts := range variable.FindAllStringSubmatch(whole.text, -1) {
		name := strings.TrimSpace(parts[2])
		if parts[1] == "!" || own.get(name) != nil {
			continue
		}
		name, _, _ = strings.Cut(name, ".")
		names = append(names, name)
	}
	return names
}

// checkCycles refuses resources that wait for each other.
func (s *scope) checkCycles() error {
	needs := s.needs()
	done := map[string]bool{}
	for _, r := range s.order {
		if cycle := findCycle(needs, r.id, nil, done); cycle != nil {
			return r.at.errorf("these wait for each other: %s", strings.Join(cycle, " > "))
		}
	}
	return nil
}

// needs returns, of each resource, the ones that must be there first. An event
// of a function is made after it and after the API; but the API needs every
// function that it routes to.
func (s *scope) needs() map[string]map[string]bool {
	needs := map[string]map[string]bool{}
	for id := range s.resources {
		needs[id] = map[string]bool{}
	}
	for _, r := range s.order {
		for _, id := range r.dependsOn {
			needs[r.id][s.owner(id).id] = true
		}
		for _, p := range r.properties.pairs {
			if p.key != "Events" {
				s.collect(p.value, needs[r.id])
				continue
			}
			named := map[string]bool{}
			s.collect(p.value, named)
			for id := range named {
				if s.resources[id].model.global == "HttpApi" {
					needs[id][r.id] = true
				}
			}
		}
	}
	return needs
}

// collect adds the resources that a part of the template names.
func (s *scope) collect(n *node, to map[string]bool) {
	for _, item := range n.items {
		s.collect(item, to)
	}
	for _, p := range n.pairs {
		for _, name := range namesIn(p) {
			if s.resources[name] != nil {
				to[name] = true
			}
		}
		s.collect(p.value, to)
	}
}

func findCycle(needs map[string]map[string]bool, id string, path []string, done map[string]bool) []string {
	if i := slices.Index(path, id); i >= 0 {
		return append(path[i:], id)
	}
	if done[id] {
		return nil
	}
	for _, next := range slices.Sorted(maps.Keys(needs[id])) {
		if cycle := findCycle(needs, next, append(slices.Clone(path), id), done); cycle != nil {
			return cycle
		}
	}
	done[id] = true
	return nil
}
