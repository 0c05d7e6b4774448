package httpapi

import (
	"cmp"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
)

const (
	defaultRoute = "$default"
	anyMethod    = "ANY"
)

// A router holds the routes, the one to be preferred first. There are few of
// them, so a match walks through all.
type router []*route

type route struct {
	Route
	key      string // as events and logs name it
	any      bool
	segments []segment // none: the $default route
}

type segment struct {
	text     string // or the name, if variable
	variable bool
	greedy   bool
}

// A variable of a route and the part of the path it stands for.
type variable struct{ name, value string }

func newRouter(routes []Route) (router, error) {
	var all router
	for _, r := range routes {
		parsed, err := parseRoute(r)
		if err != nil {
			return nil, fmt.Errorf("route %s %s: %w", r.Method, r.Path, err)
		}
		all = append(all, parsed)
	}
	slices.SortStableFunc(all, func(a, b *route) int { return cmp.Compare(a.rank(), b.rank()) })
	for i := 1; i < len(all); i++ {
		if all[i].same(all[i-1]) {
			return nil, fmt.Errorf("routes %s and %s match the same requests", all[i-1].key, all[i].key)
		}
	}
	return all, nil
}

func parseRoute(r Route) (*route, error) {
	if r.Invoke == nil {
		return nil, errors.New("has no function")
	}
	if r.Path == defaultRoute {
		return &route{Route: r, key: defaultRoute, any: true}, nil
	}
	if !strings.HasPrefix(r.Path, "/") {
		return nil, errors.New("the path does not start with a slash")
	}
	r.Method = strings.ToUpper(cmp.Or(r.Method, anyMethod))
	parsed := &route{Route: r, key: r.Method + " " + r.Path, any: r.Method == anyMethod}
	for text := range strings.SplitSeq(r.Path[1:], "/") {
		if len(parsed.segments) > 0 && parsed.segments[len(parsed.segments)-1].greedy {
			return nil, errors.New("a greedy variable is not the last segment")
		}
		s, err := parseSegment(text)
		if err != nil {
			return nil, err
		}
		parsed.segments = append(parsed.segments, s)
	}
	return parsed, nil
}

func parseSegment(text string) (segment, error) {
	inner, opened := strings.CutPrefix(text, "{")
	inner, closed := strings.CutSuffix(inner, "}")
	if !opened && !closed && !strings.ContainsAny(text, "{}") {
		return segment{text: text}, nil
	}
	name, greedy := strings.CutSuffix(inner, "+")
	if !opened || !closed || name == "" || strings.ContainsAny(name, "{}+") {
		return segment{}, fmt.Errorf("segment %q is neither text nor a variable", text)
	}
	return segment{text: name, variable: true, greedy: greedy}, nil
}

// rank is a key to sort routes by: a full match before a greedy one before
// $default; text before a variable, from the left; a method before ANY.
func (r *route) rank() string {
	if r.segments == nil {
		return "3"
	}
	var shape strings.Builder
	kind := "1"
	for _, s := range r.segments {
		switch {
		case s.greedy:
			kind = "2"
			shape.WriteByte('3')
		case s.variable:
			shape.WriteByte('2')
		default:
			shape.WriteString("1" + s.text + "/")
		}
	}
	if r.any {
		return kind + shape.String() + " 2"
	}
	return kind + shape.String() + " 1" + r.Method
}

// same reports whether two routes can't be told apart by any request.
func (r *route) same(other *route) bool { return r.rank() == other.rank() }

// match returns the best route for a request and its variables, decoded.
func (all router) match(method string, t target) (*route, []variable, bool) {
	for _, r := range all {
		if !r.any && r.Method != method {
			continue
		}
		if variables, ok := r.match(t); ok {
			return r, variables, true
		}
	}
	return nil, nil, false
}

func (r *route) match(t target) (variables []variable, ok bool) {
	if r.segments == nil {
		return nil, true
	}
	rest, more := t.path[1:], true
	for _, s := range r.segments {
		if !more {
			return nil, false
		}
		part := rest
		if !s.greedy {
			part, rest, more = strings.Cut(rest, "/")
		} else {
			more = false
		}
		switch {
		case !s.variable && part != s.text, s.variable && part == "":
			return nil, false
		case s.variable:
			variables = append(variables, variable{s.text, t.decode(part)})
		}
	}
	return variables, !more
}

// decode returns a part of the path without percent escapes.
func (t target) decode(part string) string {
	if t.decoded {
		return part
	}
	if plain, err := url.PathUnescape(part); err == nil {
		return plain
	}
	return part
}
