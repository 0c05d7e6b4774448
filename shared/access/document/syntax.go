package document

import (
	"bytes"
	"fmt"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
)

// checkSyntax refuses what YAML has and a policy has no use for. Of a key
// without a value nobody can say whether the value was meant to go, and what it
// limited with it; aliases can make a short text a huge one.
func checkSyntax(root ast.Node) error {
	var err error
	ast.Walk(syntax{err: &err}, root)
	return err
}

// syntax looks at each node until one is wrong.
type syntax struct {
	err *error
	// claims says that this is below the claims of a test. They are as tokens
	// have them, so they may be empty.
	claims bool
}

// Visit looks at a node and returns who looks at those below it.
func (s syntax) Visit(node ast.Node) ast.Visitor {
	if *s.err != nil {
		return nil
	}
	switch n := node.(type) {
	case *ast.AnchorNode, *ast.AliasNode, *ast.MergeKeyNode:
		*s.err = refuse(n, "anchors and aliases are not taken; a pattern that begins with a star has quotes around it")
	case *ast.TagNode:
		*s.err = refuse(n, "types of YAML are not taken; text that begins with ! has quotes around it")
	case *ast.SequenceNode:
		*s.err = s.sequence(n)
	case *ast.MappingValueNode:
		*s.err = s.member(n)
		s.claims = s.claims || keyOf(n) == "claims"
	}
	return s
}

func keyOf(n *ast.MappingValueNode) string { return n.Key.GetToken().Value }

func (s syntax) sequence(n *ast.SequenceNode) error {
	for _, entry := range n.Values {
		if entry.Type() == ast.NullType && !s.claims {
			return refuse(entry, "this entry is empty")
		}
	}
	return nil
}

func (s syntax) member(n *ast.MappingValueNode) error {
	if s.claims || !empty(n.Value) || keyOf(n) == "rules" && n.Value.Type() == ast.SequenceType || keyOf(n) == "claims" {
		return nil
	}
	return &yaml.SyntaxError{
		Message: fmt.Sprintf("%s has no value: leave it out if none is meant", keyOf(n)), Token: n.Key.GetToken(),
	}
}

func empty(node ast.Node) bool {
	switch n := node.(type) {
	case *ast.NullNode:
		return true
	case *ast.StringNode:
		return n.Value == ""
	case *ast.LiteralNode:
		return n.Value.Value == ""
	case *ast.SequenceNode:
		return len(n.Values) == 0
	case *ast.MappingNode:
		return len(n.Values) == 0
	}
	return false
}

// checkNesting refuses what is nested deep in few bytes, before the YAML package
// follows it down: brackets in brackets, and lists in lists on one line. Those
// in text count as well, but there they are closed again.
func checkNesting(text []byte) error {
	open := 0
	for line := range bytes.Lines(text) {
		if leadingMarks(line) > maxDepth {
			return fmt.Errorf("a line begins more than %d lists in lists", maxDepth)
		}
		for _, c := range line {
			switch c {
			case '[', '{':
				open++
			case ']', '}':
				open = max(open-1, 0)
			}
			if open > maxDepth {
				return fmt.Errorf("more than %d brackets are open at once", maxDepth)
			}
		}
	}
	return nil
}

// leadingMarks counts the hyphens and question marks that a line begins with.
func leadingMarks(line []byte) (n int) {
	for _, c := range line {
		switch c {
		case '-', '?':
			n++
		case ' ', '\t':
		default:
			return n
		}
	}
	return n
}
