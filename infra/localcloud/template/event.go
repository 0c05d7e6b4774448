package template

import (
	"regexp"
	"strings"
	"time"
)

// madeLabel stands for what EventBridge puts at the end of ARNs, which nobody
// knows before.
const madeLabel = "00000000-0000-0000-0000-000000000000"

// What EventBridge does where the template is silent, and at most.
const (
	mostDeliveries  = 185
	mostDeliveryAge = 24 * time.Hour
)

// A Bus is an AWS::Events::EventBus.
type Bus struct{ ID, Name, ARN string }

// A Rule is an AWS::Events::Rule that is enabled: events of a bus that fit its
// pattern go to its targets.
type Rule struct {
	ID, Name string
	Bus      string // its name
	Pattern  string // JSON
	Targets  []Target
}

// A Target is where a rule leads.
type Target struct {
	ID          string
	ARN         string
	InputPath   []string          // members that lead to what it gets; none: it gets the event
	Header      map[string]string // of requests to a Destination
	Retries     int               // after the first attempt
	MaxAge      time.Duration     // of an event
	DeadLetters string            // ARN of a queue, empty for none
	Role        string            // name of the role the rule takes on for it, empty for none
	Policies    []Statement       // of that role
}

// A Destination is an AWS::Events::ApiDestination.
type Destination struct{ ID, ARN, Connection, Method, URL string }

// A Connection is an AWS::Events::Connection: a header that says who calls.
type Connection struct{ ID, ARN, Header, Value string }

// readBus reads an AWS::Events::EventBus.
func readBus(s *scope, r *resource, n *node, out *Stack) error {
	if err := n.fields(map[string]field{"Name": known, "Description": text(new(string)), "Tags": known}); err != nil {
		return err
	}
	if err := n.need("Name"); err != nil {
		return err
	}
	b := Bus{ID: r.id}
	var err error
	if b.Name, err = s.nameOf(r); err != nil {
		return err
	}
	b.ARN, err = s.attributeOf(r, r.at, "Arn")
	out.Buses = append(out.Buses, b)
	return err
}

// readRule reads an AWS::Events::Rule.
func readRule(s *scope, r *resource, n *node, out *Stack) error {
	rule := Rule{ID: r.id, Bus: "default"}
	state := "ENABLED"
	if err := n.fields(map[string]field{
		"Name":         known,
		"Description":  text(new(string)),
		"EventBusName": text(&rule.Bus),
		"EventPattern": func(n *node) (err error) { rule.Pattern, err = asJSON(n); return err },
		"State":        oneOf(&state, "ENABLED", "DISABLED"),
		"Targets":      each(func(n *node) error { return s.readTarget(n, &rule) }),
		"Tags":         known,
	}); err != nil {
		return err
	}
	if err := n.need("EventPattern"); err != nil {
		return err
	}
	rule.Bus = rule.Bus[strings.LastIndexByte(rule.Bus, '/')+1:] // it may be an ARN
	var err error
	if rule.Name, err = s.nameOf(r); err != nil {
		return err
	}
	if state == "ENABLED" {
		out.Rules = append(out.Rules, rule)
	}
	return nil
}

// inputPath is one that names members and nothing else.
var inputPath = regexp.MustCompile(`^\$(\.[a-zA-Z0-9_-]+)*$`)

func (s *scope) readTarget(n *node, to *Rule) error {
	t := Target{Header: map[string]string{}, Retries: mostDeliveries}
	age := int(mostDeliveryAge.Seconds())
	var path, role string
	if err := n.fields(map[string]field{
		"Id":        text(&t.ID),
		"Arn":       text(&t.ARN),
		"RoleArn":   text(&role),
		"InputPath": text(&path),
		"HttpParameters": inside(map[string]field{
			"HeaderParameters": textMap(t.Header),
		}),
		"RetryPolicy": inside(map[string]field{
			"MaximumEventAgeInSeconds": number(&age, 60, int(mostDeliveryAge.Seconds())),
			"MaximumRetryAttempts":     number(&t.Retries, 0, mostDeliveries),
		}),
		"DeadLetterConfig": inside(map[string]field{"Arn": text(&t.DeadLetters)}),
	}); err != nil {
		return err
	}
	if err := n.need("Id", "Arn"); err != nil {
		return err
	}
	if path != "" && !inputPath.MatchString(path) {
		return n.get("InputPath").at.errorf("%q is no path of members, such as $.detail", path)
	}
	if path != "" {
		t.InputPath = strings.Split(path, ".")[1:]
	}
	t.MaxAge = time.Duration(age) * time.Second
	var err error
	if role != "" {
		t.Role, t.Policies, err = s.role(n.get("RoleArn").at, role, rules)
	}
	to.Targets = append(to.Targets, t)
	return err
}

// readDestination reads an AWS::Events::ApiDestination.
func readDestination(s *scope, r *resource, n *node, out *Stack) error {
	d := Destination{ID: r.id}
	if err := n.fields(map[string]field{
		"Name":                         known,
		"Description":                  text(new(string)),
		"ConnectionArn":                text(&d.Connection),
		"HttpMethod":                   oneOf(&d.Method, "POST", "PUT", "PATCH"),
		"InvocationEndpoint":           text(&d.URL),
		"InvocationRateLimitPerSecond": number(new(int), 1, 300),
	}); err != nil {
		return err
	}
	if err := n.need("ConnectionArn", "HttpMethod", "InvocationEndpoint"); err != nil {
		return err
	}
	var err error
	d.ARN, err = s.attributeOf(r, r.at, "Arn")
	out.Destinations = append(out.Destinations, d)
	return err
}

// readConnection reads an AWS::Events::Connection. Of the ways to say who calls
// it knows the header with a key.
func readConnection(s *scope, r *resource, n *node, out *Stack) error {
	c := Connection{ID: r.id}
	if err := n.fields(map[string]field{
		"Name":              known,
		"Description":       text(new(string)),
		"AuthorizationType": oneOf(new(string), "API_KEY"),
		"AuthParameters": inside(map[string]field{
			"ApiKeyAuthParameters": inside(map[string]field{"ApiKeyName": text(&c.Header), "ApiKeyValue": secret(&c.Value)}),
		}),
	}); err != nil {
		return err
	}
	if c.Header == "" || c.Value == "" {
		return n.at.errorf("ApiKeyName or ApiKeyValue is missing")
	}
	var err error
	c.ARN, err = s.attributeOf(r, r.at, "Arn")
	out.Connections = append(out.Connections, c)
	return err
}

// secret is a text that may be looked up in Secrets Manager. Here there is none:
// what a secret holds is its name.
func secret(to *string) field {
	return func(n *node) error {
		*to = n.text
		if name, ok := strings.CutPrefix(n.text, "{{resolve:secretsmanager:"); ok {
			*to = strings.TrimSuffix(name, "}}")
		}
		return n.expect(scalar)
	}
}
