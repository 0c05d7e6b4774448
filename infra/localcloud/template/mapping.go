package template

import (
	"encoding/json"
	"slices"
	"strings"
	"time"
)

// What a stream's event source mapping does where the template is silent.
const (
	defaultBatch = 100
	noEnd        = -1
)

// readStreamEvent reads an event of type DynamoDB.
func (s *scope) readStreamEvent(function string, n *node, out *Stack) error {
	m := newMapping(function)
	fields := m.fields()
	fields["Stream"] = text(&m.source)
	return m.read(n, fields, "Stream", out)
}

// readMappingResource reads an AWS::Lambda::EventSourceMapping.
func readMappingResource(s *scope, r *resource, n *node, out *Stack) error {
	m := newMapping("")
	fields := m.fields()
	fields["EventSourceArn"] = text(&m.source)
	fields["FunctionName"] = func(n *node) (err error) {
		m.Function, err = s.functionNamed(n)
		return err
	}
	if err := n.need("FunctionName"); err != nil {
		return err
	}
	return m.read(n, fields, "EventSourceArn", out)
}

// functionNamed is the logical id of a function that is named or given by its
// ARN.
func (s *scope) functionNamed(n *node) (string, error) {
	for _, r := range s.order {
		if r.model.global != "Function" {
			continue
		}
		name, err := s.nameOf(r)
		if err != nil {
			return "", err
		}
		if n.text == name || strings.HasSuffix(n.text, ":function:"+name) {
			return r.id, nil
		}
	}
	return "", n.at.errorf("%q is no function of this template", n.text)
}

// mappingReader is a mapping while it is read.
type mappingReader struct {
	Mapping
	source      string
	window, age int // seconds
	enabled     bool
	responses   []string
}

func newMapping(function string) *mappingReader {
	return &mappingReader{
		Mapping: Mapping{Function: function, BatchSize: defaultBatch, Retries: noEnd, Parallel: 1},
		age:     noEnd,
		enabled: true,
	}
}

func (m *mappingReader) fields() map[string]field {
	return map[string]field{
		"StartingPosition":               oneOf(&m.Start, "TRIM_HORIZON", "LATEST"),
		"BatchSize":                      number(&m.BatchSize, 1, 10_000),
		"MaximumBatchingWindowInSeconds": number(&m.window, 0, 300),
		"MaximumRetryAttempts":           number(&m.Retries, noEnd, 10_000),
		"MaximumRecordAgeInSeconds":      number(&m.age, noEnd, 604_800),
		"BisectBatchOnFunctionError":     boolean(&m.Bisect),
		"ParallelizationFactor":          number(&m.Parallel, 1, 10),
		"FunctionResponseTypes":          texts(&m.responses),
		"FilterCriteria":                 inside(map[string]field{"Filters": each(m.filter)}),
		"DestinationConfig": inside(map[string]field{
			"OnFailure": inside(map[string]field{
				"Destination": text(&m.OnFailure),
				"Type":        oneOf(new(string), "SQS"),
			}),
		}),
		"Enabled": boolean(&m.enabled),
	}
}

func (m *mappingReader) filter(n *node) error {
	var pattern string
	if err := n.fields(map[string]field{"Pattern": text(&pattern)}); err != nil {
		return err
	}
	if err := json.Unmarshal([]byte(pattern), new(map[string]any)); err != nil {
		return n.at.errorf("the pattern is no JSON object: %w", err)
	}
	m.Filters = append(m.Filters, pattern)
	return nil
}

func (m *mappingReader) read(n *node, fields map[string]field, source string, out *Stack) error {
	if err := n.fields(fields); err != nil {
		return err
	}
	if err := n.need(source, "StartingPosition"); err != nil {
		return err
	}
	for _, word := range m.responses {
		if word != "ReportBatchItemFailures" {
			return n.at.errorf("unknown response type %q", word)
		}
	}
	m.Source = m.source
	m.Window = time.Duration(m.window) * time.Second
	m.MaxAge = time.Duration(max(m.age, 0)) * time.Second
	m.ReportItems = slices.Contains(m.responses, "ReportBatchItemFailures")
	if m.enabled {
		out.Mappings = append(out.Mappings, m.Mapping)
	}
	return nil
}
