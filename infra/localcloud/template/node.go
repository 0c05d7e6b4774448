package template

import (
	"errors"
	"fmt"
	"strings"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"
)

// A position is a place in a template.
type position struct {
	file         string
	line, column int
}

func (p position) String() string { return fmt.Sprintf("%s:%d:%d", p.file, p.line, p.column) }

func (p position) errorf(format string, args ...any) error {
	return fmt.Errorf("%s: %w", p, fmt.Errorf(format, args...))
}

type kind string

const (
	scalar  kind = "a value"
	list    kind = "a list"
	mapping kind = "a mapping"
)

// A node is a part of a template. The short form of a function, !Ref X, is held
// as the long one, {Ref: X}, so that everything behind knows one form only.
type node struct {
	at    position
	kind  kind
	text  string  // scalar: as it is written
	plain bool    // scalar: a number, true or false, written without quotes
	items []*node // list
	pairs []pair  // mapping, in the order of the file
}

type pair struct {
	key   string
	at    position
	value *node
}

// get returns the value of a key, nil if it is not there.
func (n *node) get(key string) *node {
	if n == nil {
		return nil
	}
	for _, p := range n.pairs {
		if p.key == key {
			return p.value
		}
	}
	return nil
}

// expect refuses a node of another kind.
func (n *node) expect(k kind) error {
	if n.kind != k {
		return n.at.errorf("%s is expected here, this is %s", k, n.kind)
	}
	return nil
}

// parse reads the text of a template. CloudFormation takes no anchors, aliases,
// merges and nulls, so they are errors here too.
func parse(file string, text []byte) (_ *node, err error) {
	// The YAML package panics at a few malformed texts.
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("%s: this is not YAML (%v)", file, p)
		}
	}()
	parsed, err := parser.ParseBytes(text, 0)
	if err != nil {
		return nil, syntaxError(file, err)
	}
	if len(parsed.Docs) != 1 || parsed.Docs[0].Body == nil {
		return nil, fmt.Errorf("%s: one YAML document is expected", file)
	}
	return reader{file}.node(parsed.Docs[0].Body)
}

// syntaxError says in one line where the text stops being YAML.
func syntaxError(file string, err error) error {
	var e yaml.Error
	if !errors.As(err, &e) || e.GetToken() == nil {
		return fmt.Errorf("%s: %w", file, err)
	}
	at := e.GetToken().Position
	return position{file, at.Line, at.Column}.errorf("%s", e.GetMessage())
}

type reader struct{ file string }

func (r reader) at(n ast.Node) position {
	if m, ok := n.(*ast.MappingNode); ok && len(m.Values) > 0 {
		n = m.Values[0].Key // the token of a mapping is its first colon
	}
	if m, ok := n.(*ast.MappingValueNode); ok {
		n = m.Key
	}
	if t := n.GetToken(); t != nil && t.Position != nil {
		return position{r.file, t.Position.Line, t.Position.Column}
	}
	return position{file: r.file}
}

func (r reader) node(n ast.Node) (*node, error) {
	switch n := n.(type) {
	case nil:
		return nil, fmt.Errorf("%s: a value is missing", r.file)
	case *ast.MappingNode:
		return r.mapping(r.at(n), n.Values)
	case *ast.MappingValueNode:
		return r.mapping(r.at(n), []*ast.MappingValueNode{n})
	case *ast.SequenceNode:
		return r.list(n)
	case *ast.TagNode:
		return r.tagged(n)
	case *ast.StringNode:
		return &node{at: r.at(n), kind: scalar, text: n.Value}, nil
	case *ast.LiteralNode:
		return &node{at: r.at(n), kind: scalar, text: n.Value.Value}, nil
	case *ast.NullNode:
		return nil, r.at(n).errorf("a value is missing; CloudFormation takes no null")
	case *ast.IntegerNode, *ast.FloatNode, *ast.BoolNode, *ast.InfinityNode, *ast.NanNode:
		return &node{at: r.at(n), kind: scalar, text: n.GetToken().Value, plain: true}, nil
	}
	return nil, r.at(n).errorf("CloudFormation takes no YAML of this kind (%s)", n.Type())
}

func (r reader) mapping(at position, values []*ast.MappingValueNode) (*node, error) {
	out := &node{at: at, kind: mapping}
	for _, v := range values {
		key, err := r.node(v.Key)
		if err != nil {
			return nil, err
		}
		if key.kind != scalar {
			return nil, key.at.errorf("a key is a word")
		}
		value, err := r.node(v.Value)
		if err != nil {
			return nil, err
		}
		out.pairs = append(out.pairs, pair{key.text, key.at, value})
	}
	return out, nil
}

func (r reader) list(n *ast.SequenceNode) (*node, error) {
	out := &node{at: r.at(n), kind: list}
	for _, v := range n.Values {
		item, err := r.node(v)
		if err != nil {
			return nil, err
		}
		out.items = append(out.items, item)
	}
	return out, nil
}

// tagged turns a short form into its long one.
func (r reader) tagged(n *ast.TagNode) (*node, error) {
	at := r.at(n)
	value, err := r.node(n.Value)
	if err != nil {
		return nil, err
	}
	name, ok := strings.CutPrefix(n.Start.Value, "!")
	if !ok || name == "" || strings.HasPrefix(name, "!") {
		return nil, at.errorf("unknown tag %s", n.Start.Value)
	}
	if name != "Ref" && name != "Condition" {
		name = "Fn::" + name
	}
	if value.text != "" && name == "Fn::GetAtt" {
		value = pathOf(value)
	}
	return &node{at: at, kind: mapping, pairs: []pair{{name, at, value}}}, nil
}

// pathOf splits Resource.Attribute. An attribute may have dots of its own, as
// Outputs.Name of a nested stack does.
func pathOf(n *node) *node {
	resource, attribute, _ := strings.Cut(n.text, ".")
	return &node{at: n.at, kind: list, items: []*node{
		{at: n.at, kind: scalar, text: resource},
		{at: n.at, kind: scalar, text: attribute},
	}}
}
