package document

import (
	"errors"
	"fmt"
	"strings"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/token"

	"github.com/berthregistry/berth/shared/access"
)

// refuse makes an error about a place in the file.
func refuse(node ast.Node, format string, args ...any) error {
	return &yaml.SyntaxError{Message: fmt.Sprintf(format, args...), Token: node.GetToken()}
}

// located says in one line where in the file an error is.
func (w *written) located(err error) error {
	var fault *access.Fault
	if errors.As(err, &fault) {
		if w.root == nil {
			return fmt.Errorf("%s:1:1: %s", w.name, fault.Text)
		}
		at := position(find(w.root, fault.Place))
		return fmt.Errorf("%s:%d:%d: %s", w.name, at.Line, at.Column, fault.Text)
	}
	var e yaml.Error
	if !errors.As(err, &e) || e.GetToken() == nil {
		return fmt.Errorf("%s: %w", w.name, err)
	}
	at := e.GetToken().Position
	return fmt.Errorf("%s:%d:%d: %s", w.name, at.Line, at.Column, strings.ReplaceAll(e.GetMessage(), "\n", " "))
}

// find returns the part of the file that a place names. Of what is not there,
// it is the nearest part that should have had it.
func find(root ast.Node, place string) ast.Node {
	for place != "" {
		if path, err := yaml.PathString("$." + place); err == nil {
			if node, err := path.FilterNode(root); err == nil && node != nil {
				return node
			}
		}
		place = place[:max(strings.LastIndexAny(place, ".["), 0)]
	}
	return root
}

// position is where a node begins. The token of a mapping is its first colon,
// which is where nobody looks for it.
func position(node ast.Node) *token.Position {
	switch n := node.(type) {
	case *ast.MappingNode:
		if len(n.Values) > 0 && !n.IsFlowStyle {
			return position(n.Values[0])
		}
	case *ast.MappingValueNode:
		return n.Key.GetToken().Position
	}
	return node.GetToken().Position
}
