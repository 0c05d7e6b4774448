package httpapi

import (
	"bytes"
	"encoding/json"
	"errors"
)

var errNotJSON = errors.New("not JSON")

// members calls visit for each member of a JSON object, with the value as it
// was written. Anything but one whole object is an error.
//
// encoding/json reads every byte several times, which for a body of megabytes
// takes longer than all else here. This finds the ends of the values and leaves
// it to visit to check the few that matter.
func members(data []byte, visit func(name string, value []byte)) error {
	rest, ok := bytes.CutPrefix(trim(data), []byte("{"))
	if !ok {
		return errNotJSON
	}
	for rest = trim(rest); len(rest) > 0 && rest[0] != '}'; {
		raw, after, err := cutValue(rest)
		if err != nil {
			return err
		}
		name, err := unquote(raw)
		if err != nil {
			return err
		}
		if after, ok = bytes.CutPrefix(trim(after), []byte(":")); !ok {
			return errNotJSON
		}
		value, after, err := cutValue(trim(after))
		if err != nil {
			return err
		}
		visit(string(name), value)
		if rest, err = next(trim(after)); err != nil {
			return err
		}
	}
	if len(rest) == 0 || len(trim(rest[1:])) > 0 {
		return errNotJSON
	}
	return nil
}

// next steps over the comma after a member, or stays at the end of the object.
func next(rest []byte) ([]byte, error) {
	after, ok := bytes.CutPrefix(rest, []byte(","))
	if !ok && (len(rest) == 0 || rest[0] != '}') {
		return nil, errNotJSON
	}
	after = trim(after)
	if ok && (len(after) == 0 || after[0] != '"') {
		return nil, errNotJSON
	}
	return after, nil
}

// cutValue splits data after its first value, which is what is between the
// quotes and brackets that belong together, or one bare word.
func cutValue(data []byte) (value, rest []byte, err error) {
	depth := 0
	for i := 0; i < len(data); i++ {
		switch data[i] {
		case '"':
			n := bytesOfString(data[i:])
			if n == 0 {
				return nil, nil, errNotJSON
			}
			i += n - 1
		case '{', '[':
			depth++
		case '}', ']':
			depth--
		default:
			if depth > 0 || !endsWord(data[i+1:]) {
				continue
			}
		}
		if depth < 0 {
			return nil, nil, errNotJSON
		}
		if depth == 0 {
			return data[:i+1], data[i+1:], nil
		}
	}
	return nil, nil, errNotJSON
}

// endsWord reports whether a number, true, false or null can't go on with rest.
func endsWord(rest []byte) bool {
	return len(rest) == 0 || bytes.IndexByte([]byte(" \t\r\n,:}]"), rest[0]) >= 0
}

// bytesOfString is the length of the string at the start of data, its quotes
// included, or 0 if it has no end.
func bytesOfString(data []byte) int {
	quote := 0 // the first one from i on; searched for once, not after each escape
	for i := 1; i < len(data); {
		if quote < i {
			n := bytes.IndexByte(data[i:], '"')
			if n < 0 {
				return 0
			}
			quote = i + n
		}
		escape := bytes.IndexByte(data[i:quote], '\\')
		if escape < 0 {
			return quote + 1
		}
		i += escape + 2
	}
	return 0
}

// unquote returns what a JSON string says. One without escapes, as base64 is,
// is not copied.
func unquote(raw []byte) ([]byte, error) {
	if len(raw) < 2 || raw[0] != '"' {
		return nil, errNotJSON
	}
	if plain := raw[1 : len(raw)-1]; bytes.IndexByte(plain, '\\') < 0 {
		return plain, nil
	}
	var s string
	if err := json.Unmarshal(raw, &s); err != nil {
		return nil, err
	}
	return []byte(s), nil
}

func trim(data []byte) []byte { return bytes.TrimLeft(data, " \t\r\n") }
