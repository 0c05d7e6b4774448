package template

import (
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// What CloudFormation takes as one value.
const maxParameter = 4096 // bytes

// A parameter is one entry of Parameters.
type parameter struct {
	kind                 string
	preset               *node
	allowed              []string
	pattern              string
	complaint            string
	minLength, maxLength int
	minValue, maxValue   int
	low, high            bool // whether there is a minValue, a maxValue
}

// readParameters sets the parameters of the scope by what is given, and by the
// defaults for the rest. What is given and not declared is an error.
func (s *scope) readParameters(given map[string]string) error {
	declared := s.root.get("Parameters")
	for name := range given {
		if declared.get(name) == nil {
			return s.root.at.errorf("the template has no parameter %s", name)
		}
	}
	if declared == nil {
		return nil
	}
	for _, p := range declared.pairs {
		v, err := readParameter(p, given)
		if err != nil {
			return err
		}
		s.parameters[p.key] = v
	}
	return nil
}

func readParameter(p pair, given map[string]string) (*node, error) {
	q := parameter{maxLength: maxParameter}
	if err := q.read(p.value); err != nil {
		return nil, err
	}
	v, ok := given[p.key]
	if !ok && q.preset == nil {
		return nil, p.at.errorf("parameter %s has no default and was not given", p.key)
	}
	if !ok {
		v = q.preset.text
	}
	if problem := q.check(v); problem != "" {
		return nil, p.at.errorf("parameter %s is %q: %s", p.key, v, problem)
	}
	if q.isList() {
		return values(p.at, splitList(v)), nil
	}
	return value(p.at, v), nil
}

func (q *parameter) read(n *node) error {
	const most = 1<<31 - 1
	if err := n.fields(map[string]field{
		"Type":                  oneOf(&q.kind, "String", "Number", "CommaDelimitedList", "List<Number>"),
		"Default":               func(n *node) error { q.preset = n; return n.expect(scalar) },
		"AllowedValues":         each(func(n *node) error { q.allowed = append(q.allowed, n.text); return n.expect(scalar) }),
		"AllowedPattern":        text(&q.pattern),
		"ConstraintDescription": text(&q.complaint),
		"MinLength":             number(&q.minLength, 0, maxParameter),
		"MaxLength":             number(&q.maxLength, 0, maxParameter),
		"MinValue":              func(n *node) error { q.low = true; return number(&q.minValue, -most, most)(n) },
		"MaxValue":              func(n *node) error { q.high = true; return number(&q.maxValue, -most, most)(n) },
		"Description":           known,
		"NoEcho":                known,
	}); err != nil {
		return err
	}
	if _, err := regexp.Compile(q.pattern); err != nil {
		return n.at.errorf("AllowedPattern: %w", err)
	}
	return n.need("Type")
}

func (q *parameter) isList() bool { return q.kind == "CommaDelimitedList" || q.kind == "List<Number>" }

func splitList(v string) []string {
	if v == "" {
		return nil
	}
	words := strings.Split(v, ",")
	for i := range words {
		words[i] = strings.TrimSpace(words[i])
	}
	return words
}

// check returns what is wrong with a value, or nothing. Of a list every word is
// looked at.
func (q *parameter) check(v string) string {
	if !q.isList() {
		return q.checkOne(v)
	}
	for _, word := range splitList(v) {
		if problem := q.checkOne(word); problem != "" {
			return problem
		}
	}
	return ""
}

func (q *parameter) checkOne(v string) string {
	switch length := utf8.RuneCountInString(v); {
	case q.allowed != nil && !slices.Contains(q.allowed, v):
		return "not one of " + strings.Join(q.allowed, ", ")
	case length < q.minLength || length > q.maxLength || len(v) > maxParameter:
		return "too short or too long"
	case q.pattern != "" && !regexp.MustCompile(`^(?:`+q.pattern+`)$`).MatchString(v):
		return "does not fit " + q.pattern + ". " + q.complaint
	case q.kind == "Number" || q.kind == "List<Number>":
		return q.checkNumber(v)
	}
	return ""
}

func (q *parameter) checkNumber(v string) string {
	f, err := strconv.ParseFloat(v, 64)
	if err != nil || q.low && f < float64(q.minValue) || q.high && f > float64(q.maxValue) {
		return "no number, or out of range"
	}
	return ""
}
