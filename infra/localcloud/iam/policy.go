package iam

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
)

// A Statement allows or denies actions on resources. Exactly one of Actions
// and NotActions is set, and one of Resources and NotResources. A * stands for
// any characters, a ? for one.
//
// Of conditions three are understood, all on dynamodb:LeadingKeys. With
// LeadingKeys the statement speaks only of requests of which each partition key
// is one of these (ForAllValues:StringEquals), with LeadingKeysLike of those of
// which each fits one of these (ForAllValues:StringLike), with AnyLeadingKey of
// those of which at least one is one of these (ForAnyValue:StringEquals).
type Statement struct {
	Effect       string // Allow or Deny
	Actions      []string
	NotActions   []string // all but these
	Resources    []string
	NotResources []string // all but these

	LeadingKeys     []string
	LeadingKeysLike []string // patterns, as of resources
	AnyLeadingKey   []string
}

// A Policy is a list of statements that has been found sound. The zero Policy
// allows nothing.
type Policy struct{ statements []statement }

// NewPolicy makes a policy of statements. Those of several policies of one
// principal are simply put together.
func NewPolicy(statements ...Statement) (Policy, error) {
	var p Policy
	for i, s := range statements {
		compiled, err := s.compile()
		if err != nil {
			return Policy{}, fmt.Errorf("statement %d: %w", i+1, err)
		}
		p.statements = append(p.statements, compiled)
	}
	return p, nil
}

// ParsePolicy reads a policy document in JSON. What would not be evaluated is
// an error: a condition that was passed over would grant too much here and
// hide what is missing there.
func ParsePolicy(document []byte) (Policy, error) {
	var doc struct {
		Version   string
		ID        string `json:"Id"`
		Statement statements
	}
	if err := strictly(document, &doc); err != nil {
		return Policy{}, fmt.Errorf("read policy: %w", err)
	}
	if doc.Version != "" && doc.Version != "2012-10-17" && doc.Version != "2008-10-17" {
		return Policy{}, fmt.Errorf("read policy: there is no version %q", doc.Version)
	}
	if len(doc.Statement) == 0 {
		return Policy{}, errors.New("read policy: it has no statement")
	}
	p, err := NewPolicy(doc.Statement...)
	if err != nil {
		return Policy{}, fmt.Errorf("read policy: %w", err)
	}
	return p, nil
}

// strictly decodes one JSON value whose every field is known.
func strictly(text []byte, v any) error {
	dec := json.NewDecoder(bytes.NewReader(text))
	dec.DisallowUnknownFields()
	if err := dec.Decode(v); err != nil {
		return err
	}
	if _, err := dec.Token(); err != io.EOF {
		return errors.New("something follows the document")
	}
	return nil
}

// statements is one statement or a list of them.
type statements []Statement

func (s *statements) UnmarshalJSON(text []byte) error {
	if !bytes.HasPrefix(text, []byte("[")) {
		text = slices.Concat([]byte("["), text, []byte("]"))
	}
	var list []*written
	if err := strictly(text, &list); err != nil {
		return err
	}
	for i, w := range list {
		if w == nil {
			return fmt.Errorf("statement %d is null", i+1)
		}
		if w.Principal != nil || w.NotPrincipal != nil {
			return fmt.Errorf("statement %d: principals are not supported", i+1)
		}
		read := Statement{
			Effect: w.Effect, Actions: w.Action, NotActions: w.NotAction, Resources: w.Resource, NotResources: w.NotResource,
		}
		if err := read.readCondition(w.Condition); err != nil {
			return fmt.Errorf("statement %d: %w", i+1, err)
		}
		*s = append(*s, read)
	}
	return nil
}

// written is a statement as it is written down.
type written struct {
	Sid, Effect                              string
	Action, NotAction, Resource, NotResource oneOrMore
	Condition, Principal, NotPrincipal       json.RawMessage
}

// readCondition reads the condition of a statement, if there is one.
func (s *Statement) readCondition(text json.RawMessage) error {
	if text == nil {
		return nil
	}
	type leading struct {
		Keys oneOrMore `json:"dynamodb:LeadingKeys"`
	}
	var condition struct {
		All  leading `json:"ForAllValues:StringEquals"`
		Like leading `json:"ForAllValues:StringLike"`
		Some leading `json:"ForAnyValue:StringEquals"`
	}
	if err := strictly(text, &condition); err != nil {
		return fmt.Errorf("a condition that is not supported: %w", err)
	}
	s.LeadingKeys, s.LeadingKeysLike, s.AnyLeadingKey = condition.All.Keys, condition.Like.Keys, condition.Some.Keys
	kinds := 0
	for _, keys := range [][]string{s.LeadingKeys, s.LeadingKeysLike, s.AnyLeadingKey} {
		kinds += min(len(keys), 1)
	}
	if kinds != 1 {
		return errors.New("a condition needs keys, of one kind")
	}
	return nil
}

// oneOrMore is a string or a list of strings.
type oneOrMore []string

func (o *oneOrMore) UnmarshalJSON(text []byte) error {
	if bytes.HasPrefix(text, []byte("[")) {
		return json.Unmarshal(text, (*[]string)(o))
	}
	*o = make([]string, 1)
	return json.Unmarshal(text, &(*o)[0])
}

// compile checks a statement and prepares it to be matched.
func (s Statement) compile() (statement, error) {
	var c statement
	if s.Effect != "Allow" && s.Effect != "Deny" {
		return c, fmt.Errorf("effect %q is neither Allow nor Deny", s.Effect)
	}
	if (len(s.Actions) == 0) == (len(s.NotActions) == 0) {
		return c, errors.New("it needs either actions or excepted ones")
	}
	if (len(s.Resources) == 0) == (len(s.NotResources) == 0) {
		return c, errors.New("it needs either resources or excepted ones")
	}
	c.deny = s.Effect == "Deny"
	c.keys, c.like, c.anyKey = s.LeadingKeys, s.LeadingKeysLike, s.AnyLeadingKey
	c.exceptActions, c.exceptResources = len(s.NotActions) > 0, len(s.NotResources) > 0
	for _, text := range slices.Concat(s.Actions, s.NotActions) {
		if err := checkAction(text); err != nil {
			return c, err
		}
		c.actions = append(c.actions, strings.ToLower(text))
	}
	for _, text := range slices.Concat(s.Resources, s.NotResources) {
		r, err := newResource(text)
		if err != nil {
			return c, err
		}
		c.resources = append(c.resources, r)
	}
	return c, nil
}

// checkAction refuses what is no "service:Action".
func checkAction(text string) error {
	if text == "*" {
		return nil
	}
	service, name, ok := strings.Cut(text, ":")
	if !ok || service == "" || name == "" || strings.ContainsAny(service, "*?") || strings.Contains(name, ":") {
		return fmt.Errorf("action %q is not of the form service:Action", text)
	}
	return nil
}

// newResource refuses what is no whole ARN. AWS completes a shorter one by
// wildcards, which nobody means who writes a narrow policy.
func newResource(text string) (resource, error) {
	if strings.Contains(text, "${") {
		return resource{}, fmt.Errorf("resource %q has a variable, which is not supported", text)
	}
	if text == "*" {
		return resource{any: true}, nil
	}
	arn, ok := splitARN(text)
	if !ok || arn[0] != "arn" || arn[5] == "" {
		return resource{}, fmt.Errorf("resource %q is not an ARN of six parts", text)
	}
	return resource{arn: arn}, nil
}
