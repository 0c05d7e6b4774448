package settings

import (
	"bytes"
	"errors"
	"fmt"
	"io"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
)

// Parse reads settings. Errors begin with name, line and column.
func Parse(name string, text []byte) (_ *Settings, err error) {
	// The YAML package panics at a few malformed texts, such as a tag without
	// a value. A slip in the file must not end a registry that reads it again.
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("%s: this is not YAML (%v)", name, p)
		}
	}()
	var s Settings
	d := yaml.NewDecoder(bytes.NewReader(text), yaml.Strict())
	if err := d.Decode(&s); err != nil && !errors.Is(err, io.EOF) {
		return nil, located(name, err)
	}
	if err := d.Decode(new(ast.Node)); !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("%s: there is more than one YAML document in it", name)
	}
	return &s, nil
}

// located says in one line where in the file an error is.
func located(name string, err error) error {
	var e yaml.Error
	if !errors.As(err, &e) || e.GetToken() == nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	at := e.GetToken().Position
	return fmt.Errorf("%s:%d:%d: %s", name, at.Line, at.Column, e.GetMessage())
}

// refuse makes an error about a place in the file.
func refuse(node ast.Node, format string, args ...any) error {
	return &yaml.SyntaxError{Message: fmt.Sprintf(format, args...), Token: node.GetToken()}
}

// word reads a scalar as text.
func word(node ast.Node) (string, error) {
	if _, ok := node.(ast.ScalarNode); !ok || node.Type() == ast.NullType {
		return "", refuse(node, "a word is expected here")
	}
	var s string
	err := yaml.NodeToValue(node, &s, yaml.Strict())
	return s, err
}
