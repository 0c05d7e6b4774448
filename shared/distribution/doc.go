// Package distribution speaks the OCI distribution specification over net/http:
// it parses a route, calls the registry once, and writes the answer. The rules
// are not here. The spec's endpoint ids stand beside the handlers.
package distribution
