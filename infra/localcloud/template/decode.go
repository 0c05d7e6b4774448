package template

import (
	"slices"
	"strconv"
)

// A field reads the value of one property.
type field func(*node) error

// known marks a property that means nothing on this machine, such as tags.
func known(*node) error { return nil }

// fields reads a mapping whose properties are all named. A property that is not
// is an error: what is not understood must not be passed over.
func (n *node) fields(properties map[string]field) error {
	if err := n.expect(mapping); err != nil {
		return err
	}
	for _, p := range n.pairs {
		read, ok := properties[p.key]
		if !ok {
			return p.at.errorf("unknown property %s", p.key)
		}
		if err := read(p.value); err != nil {
			return err
		}
	}
	return nil
}

// need refuses a mapping that lacks one of these.
func (n *node) need(keys ...string) error {
	for _, key := range keys {
		if n.get(key) == nil {
			return n.at.errorf("%s is missing", key)
		}
	}
	return nil
}

func text(to *string) field {
	return func(n *node) error {
		*to = n.text
		return n.expect(scalar)
	}
}

// oneOf is a text of a few.
func oneOf(to *string, words ...string) field {
	return func(n *node) error {
		if err := text(to)(n); err != nil {
			return err
		}
		if !slices.Contains(words, n.text) {
			return n.at.errorf("%q is none of %q", n.text, words)
		}
		return nil
	}
}

// texts is one text, or a list of them.
func texts(to *[]string) field {
	return func(n *node) error {
		if n.kind == scalar {
			*to = append(*to, n.text)
			return nil
		}
		return each(func(item *node) error {
			*to = append(*to, item.text)
			return item.expect(scalar)
		})(n)
	}
}

// each reads the items of a list.
func each(read field) field {
	return func(n *node) error {
		if err := n.expect(list); err != nil {
			return err
		}
		for _, item := range n.items {
			if err := read(item); err != nil {
				return err
			}
		}
		return nil
	}
}

// inside reads a mapping within a mapping.
func inside(properties map[string]field) field {
	return func(n *node) error { return n.fields(properties) }
}

func number(to *int, low, high int) field {
	return func(n *node) error {
		if err := n.expect(scalar); err != nil {
			return err
		}
		v, err := strconv.Atoi(n.text)
		if err != nil || v < low || v > high {
			return n.at.errorf("%q is no number from %d to %d", n.text, low, high)
		}
		*to = v
		return nil
	}
}

func boolean(to *bool) field {
	return func(n *node) error {
		if n.kind != scalar || n.text != "true" && n.text != "false" {
			return n.at.errorf("true or false is expected here")
		}
		*to = n.text == "true"
		return nil
	}
}
