// Package document reads the policy that people write, in YAML and with
// expressions over claims, and makes of it what package access decides by.
//
//	audience: [registry.example.com]
//	issuers:
//	  - name: github
//	    url: https://token.actions.githubusercontent.com
//	    require: claims.repository_owner == "acme"
//	aws:
//	  accounts: ["123456789012"]
//	groups:
//	  - name: builders
//	    members: [user:alice, robot:ci]
//	  - name: main-builds
//	    members: [issuer:github]
//	    when: claims.repository == "acme/app" && claims.ref == "refs/heads/main"
//	rules:
//	  - name: builders push
//	    allow: [pull, push]
//	    to: [group:builders, group:main-builds, "aws:arn:aws:iam::123456789012:role/deploy-*"]
//	    repositories: [team/**]
//	  - allow: [pull]
//	    to: [robot:production]
//	    repositories: [team/**]
//	    tags: [release-*]
//	  - deny: [delete]
//	    to: [anyone]
//	    repositories: ["**"]
//	    tags: [release-*]
//	tests:
//	  - who: robot:production
//	    action: pull
//	    repository: team/app
//	    tag: main
//	    want: deny
//
// Nothing is allowed but by a rule, and what a rule denies no other allows. A
// group without members is for robots that are made as members of it. A key
// that is not known, one that has no value and a list with nothing in it are
// errors: a limit that went missing would let more pass than was meant.
package document

import (
	"errors"
	"fmt"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"

	"github.com/berthregistry/berth/shared/access"
)

// Bounds of what is read.
const (
	MaxSize  = 100 << 10 // bytes
	maxDepth = 20        // a policy needs 4; the claims of a test may go deeper
)

// Parse reads a policy. Errors begin with name, line and column. The tests in
// it are read but not run: see Test.
func Parse(name string, text []byte) (*access.Policy, error) {
	w, err := read(name, text)
	if err != nil {
		return nil, err
	}
	return w.policy, nil
}

// written is a document that was read.
type written struct {
	name   string
	root   ast.Node
	form   form
	policy *access.Policy
}

func read(name string, text []byte) (_ *written, err error) {
	// The YAML package panics at a few malformed texts. A policy comes from
	// whoever may change it, and must not end the process that reads it.
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("%s: this is not YAML (%v)", name, p)
		}
	}()
	if len(text) > MaxSize {
		return nil, fmt.Errorf("%s: a policy has at most %d bytes, this one has %d", name, MaxSize, len(text))
	}
	w := &written{name: name}
	if err := w.decode(text); err != nil {
		return nil, w.located(err)
	}
	if w.policy, err = w.form.policy(w.root); err != nil {
		return nil, w.located(err)
	}
	if err := w.policy.Compile(); err != nil {
		return nil, w.located(err)
	}
	if err := w.checkTests(); err != nil {
		return nil, w.located(err)
	}
	return w, nil
}

// decode reads the YAML. A text with nothing in it is a policy without rules.
func (w *written) decode(text []byte) error {
	if err := checkNesting(text); err != nil {
		return err
	}
	file, err := parser.ParseBytes(text, 0)
	if err != nil {
		return err
	}
	switch {
	case len(file.Docs) > 1:
		return errors.New("there is more than one YAML document in it")
	case len(file.Docs) == 0 || file.Docs[0].Body == nil || file.Docs[0].Body.Type() == ast.NullType:
		return nil
	}
	w.root = file.Docs[0].Body
	if err := checkSyntax(w.root); err != nil {
		return err
	}
	return yaml.NodeToValue(w.root, &w.form, yaml.Strict())
}
