package access

import (
	"fmt"
	"slices"
	"strings"

	"github.com/berthregistry/berth/shared/oci"
)

// A Scope is what a token is asked for, and what it is narrowed to: actions on
// one resource. The words are those of the clients and not of the policy.
type Scope struct {
	// Type is "repository" or "registry".
	Type string `json:"type"`
	// Name is the repository's name; of a registry "catalog" or "admin".
	Name string `json:"name"`
	// Actions are "pull", "push" and "delete" of a repository, "*" for all
	// three, and "*" of a registry.
	Actions []string `json:"actions"`
}

// The types of scopes, and what is in a registry.
const (
	scopeRepository = "repository"
	scopeRegistry   = "registry"
	nameCatalog     = "catalog"
	nameAdmin       = "admin"
	everything      = "*"
)

// Bounds of what one request may ask for.
const (
	MaxScopeText = 8 << 10 // bytes
	MaxScopes    = 100
)

// String is the scope as clients write it.
func (s Scope) String() string {
	return s.Type + ":" + s.Name + ":" + strings.Join(s.Actions, ",")
}

// ParseScopes reads scopes with spaces between them (RFC 6749, section 3.3):
//
//	repository:team/app:pull,push registry:catalog:*
//
// What comes as several parameters is joined with a space by the caller. Scopes
// that name one resource become one. A class, as in "repository(plugin)", is
// dropped. What is no scope, or of a kind that is not known, is left out and not
// an error, since nobody can be granted it. An error says that there is too
// much of it.
func ParseScopes(text string) ([]Scope, error) {
	if len(text) > MaxScopeText {
		return nil, fmt.Errorf("the scopes have %d bytes, at most %d are taken", len(text), MaxScopeText)
	}
	var scopes []Scope
	for word := range strings.FieldsSeq(text) {
		s, ok := parseScope(word)
		if !ok {
			continue
		}
		same := func(t Scope) bool { return t.Type == s.Type && t.Name == s.Name }
		if i := slices.IndexFunc(scopes, same); i >= 0 {
			scopes[i].Actions = union(scopes[i].Actions, s.Actions)
			continue
		}
		if len(scopes) == MaxScopes {
			return nil, fmt.Errorf("there are more than %d scopes", MaxScopes)
		}
		scopes = append(scopes, s)
	}
	return scopes, nil
}

// parseScope reads one. The name of a resource has no colon.
func parseScope(word string) (Scope, bool) {
	kind, rest, _ := strings.Cut(word, ":")
	name, actions, ok := strings.Cut(rest, ":")
	if class := strings.IndexByte(kind, '('); class >= 0 && strings.HasSuffix(kind, ")") {
		kind = kind[:class]
	}
	s := Scope{Type: kind, Name: name}
	for action := range strings.SplitSeq(actions, ",") {
		if s.has(action) {
			s.Actions = union(s.Actions, []string{action})
		}
	}
	return s, ok && len(s.Actions) > 0
}

// has says whether there is such an action on such a resource.
func (s Scope) has(action string) bool {
	switch s.Type {
	case scopeRepository:
		return oci.ValidName(s.Name) && (action == everything || slices.Contains(repositoryActions, action))
	case scopeRegistry:
		return (s.Name == nameCatalog || s.Name == nameAdmin) && action == everything
	}
	return false
}

// repositoryActions are what "*" stands for, in the order of tokens.
var repositoryActions = []string{"pull", "push", "delete"}

func union(to, from []string) []string {
	for _, s := range from {
		if !slices.Contains(to, s) {
			to = append(to, s)
		}
	}
	return to
}

// covers says whether scopes let an action in a repository pass. Push of a
// scope is what a rule's is: tags and attaching as well.
func covers(scopes []Scope, repo string, a Action) bool {
	asked := string(a)
	if a == Tag || a == Attach {
		asked = string(Push)
	}
	return slices.ContainsFunc(scopes, func(s Scope) bool {
		return s.Type == scopeRepository && s.Name == repo &&
			(slices.Contains(s.Actions, asked) || slices.Contains(s.Actions, everything))
	})
}

// coversRegistry says whether scopes have the registry's catalog or admin.
func coversRegistry(scopes []Scope, name string) bool {
	return slices.ContainsFunc(scopes, func(s Scope) bool {
		return s.Type == scopeRegistry && s.Name == name && slices.Contains(s.Actions, everything)
	})
}

// Grant returns what of the scopes asked for a token gets: what the policy
// allows for at least a part of the resource. Never nil, since a session
// without scopes is not narrowed.
func (p *Policy) Grant(who Principal, asked []Scope) []Scope {
	granted := []Scope{}
	for _, s := range asked {
		if s.Actions = p.granted(who, s); len(s.Actions) > 0 {
			granted = append(granted, s)
		}
	}
	return granted
}

func (p *Policy) granted(who Principal, s Scope) (actions []string) {
	if s.Type == scopeRegistry {
		admin := s.Name == nameAdmin && p.Decide(who, "", Admin).Allowed()
		catalog := s.Name == nameCatalog && p.catalog(who)
		if (admin || catalog) && slices.Contains(s.Actions, everything) {
			return []string{everything}
		}
		return nil
	}
	for _, action := range repositoryActions {
		if (slices.Contains(s.Actions, action) || slices.Contains(s.Actions, everything)) && p.allowsSome(who, s.Name, action) {
			actions = append(actions, action)
		}
	}
	return actions
}

// allowsSome says whether what a scope calls by a word is allowed for anything.
func (p *Policy) allowsSome(who Principal, repo, action string) bool {
	of := []Action{Action(action)}
	if action == string(Push) {
		of = []Action{Push, Tag, Attach}
	}
	return slices.ContainsFunc(of, func(a Action) bool { return p.Decide(who, repo, a).Allowed() })
}
