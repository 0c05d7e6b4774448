package template

import "strings"

// The route that takes what no other does, and all methods.
const (
	defaultRoute = "$default"
	anyMethod    = "ANY"
)

// readAPI reads an AWS::Serverless::HttpApi. Its routes are with the functions.
func readAPI(s *scope, r *resource, n *node, out *Stack) error {
	return n.fields(map[string]field{
		"StageName":                 oneOf(new(string), "$default"), // any other stands in front of every path
		"Name":                      text(new(string)),
		"Description":               text(new(string)),
		"DisableExecuteApiEndpoint": known,
		"AccessLogSettings": inside(map[string]field{
			"DestinationArn": text(new(string)),
			"Format":         text(&out.AccessLog),
		}),
		"DefaultRouteSettings": known,
		"RouteSettings":        known,
		"Domain":               known,
		"FailOnWarnings":       known,
		"Tags":                 known,
		"PropagateTags":        known,
	})
}

// readRoute reads an event of type HttpApi.
func (s *scope) readRoute(function string, n *node, out *Stack) error {
	var api string
	route := Route{Method: anyMethod, Path: defaultRoute, Function: function}
	if err := n.fields(map[string]field{
		"ApiId":                text(&api),
		"Method":               text(&route.Method),
		"Path":                 text(&route.Path),
		"PayloadFormatVersion": oneOf(new(string), "2.0"),
		"TimeoutInMillis":      number(new(int), 50, 30_000),
	}); err != nil {
		return err
	}
	if err := n.need("ApiId"); err != nil {
		return err
	}
	if n.get("Method") != nil && n.get("Path") == nil {
		return n.at.errorf("Path is missing; the route %s takes all methods", defaultRoute)
	}
	var err error
	if route.Method, err = methodOf(n); err != nil {
		return err
	}
	for _, other := range out.Routes {
		if other.Method == route.Method && other.Path == route.Path {
			return n.at.errorf("%s %s goes to %s already", route.Method, route.Path, other.Function)
		}
	}
	if !s.isAPI(api) {
		return n.get("ApiId").at.errorf("%q is no HTTP API of this template", api)
	}
	out.Routes = append(out.Routes, route)
	return nil
}

// methodOf is the method of a route in capitals, however SAM was told.
func methodOf(n *node) (string, error) {
	method := n.get("Method")
	if method == nil {
		return anyMethod, nil
	}
	switch m := strings.ToUpper(method.text); m {
	case "ANY", "*", "X-AMAZON-APIGATEWAY-ANY-METHOD":
		return anyMethod, nil
	case "GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS":
		return m, nil
	}
	return "", method.at.errorf("%q is no method of an HTTP API", method.text)
}

func (s *scope) isAPI(id string) bool {
	for _, r := range s.order {
		if r.model.global != "HttpApi" {
			continue
		}
		if exists, err := s.exists(r); err != nil || !exists {
			continue
		}
		if name, err := s.refOf(r); err == nil && name == id {
			return true
		}
	}
	return false
}
