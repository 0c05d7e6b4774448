package template

import "encoding/json"

// asJSON is a part of a template as JSON. What a function has computed is a
// string.
func asJSON(n *node) (string, error) {
	if err := n.expect(mapping); err != nil {
		return "", err
	}
	v, err := plainValue(n)
	if err != nil {
		return "", err
	}
	b, err := json.Marshal(v)
	return string(b), err
}

// plainValue is a node as the package json writes it.
func plainValue(n *node) (any, error) {
	switch {
	case n.kind == mapping:
		out := map[string]any{}
		for _, p := range n.pairs {
			v, err := plainValue(p.value)
			if err != nil {
				return nil, err
			}
			out[p.key] = v
		}
		return out, nil
	case n.kind == list:
		out := []any{}
		for _, item := range n.items {
			v, err := plainValue(item)
			if err != nil {
				return nil, err
			}
			out = append(out, v)
		}
		return out, nil
	case !n.plain:
		return n.text, nil
	case !json.Valid([]byte(n.text)):
		return nil, n.at.errorf("%s is not written as JSON has it", n.text)
	}
	return json.RawMessage(n.text), nil
}
