package access

import (
	"slices"
	"strings"

	"github.com/berthregistry/berth/shared/oci"
	"github.com/berthregistry/berth/shared/pattern"
)

// Names of principals that are words.
const (
	wordAnyone        = "anyone"
	wordAuthenticated = "authenticated"
)

// reader makes a whom of a Whom: of a rule's, or where groups is nil, of a
// group's.
type reader struct {
	policy *Policy
	place  string // of the rule or group
	list   string // what the names are called there
	groups map[string]*whom
}

func (r reader) whom(source Whom) (*whom, error) {
	w := &whom{when: source.When, doubt: InDoubt + source.When, text: source.WhenText, plain: map[name]struct{}{}}
	if (source.When == "") != (source.WhenText == "") {
		return nil, fault(r.place+".when", "the expression and its id come together")
	}
	// A group without members is for robots that were made as members of it.
	if len(source.Names) == 0 && (r.groups != nil || source.When != "") {
		return nil, fault(r.place+"."+r.list, "nobody is listed")
	}
	for i, entry := range source.Names {
		if err := r.add(w, at(r.place+"."+r.list, i), entry); err != nil {
			return nil, err
		}
		if w.when != "" && !hasClaims(entry) {
			return nil, fault(at(r.place+"."+r.list, i), "%s has no claims for the expression; only issuers and aws have", oci.Clip(entry))
		}
	}
	return w, nil
}

// hasClaims says whether an expression can hold of all whom an entry names.
func hasClaims(entry string) bool {
	return strings.HasPrefix(entry, "issuer:") || strings.HasPrefix(entry, "aws:")
}

func (r reader) add(w *whom, place, entry string) error {
	kind, text, ok := strings.Cut(entry, ":")
	switch {
	case !ok:
		return r.addWord(w, place, entry)
	case kind == "group":
		return r.addGroup(w, place, text)
	case kind == string(Issuer):
		if !slices.ContainsFunc(r.policy.Issuers, func(t Trust) bool { return t.Name == text }) {
			return fault(place, "there is no issuer %q", oci.Clip(text))
		}
		w.plain[name{Issuer, text}] = struct{}{}
		return nil
	case kind == string(AWS):
		return r.addAWS(w, place, text)
	case kind == string(User) || kind == string(Robot):
		if strings.Contains(text, ":") {
			return fault(place, "%q has a colon, and no name has", oci.Clip(text))
		}
		return addNamed(w, place, Kind(kind), text)
	}
	return fault(place, "%q is nobody: user:, robot:, group:, issuer: and aws: are kinds of principals", oci.Clip(entry))
}

func (r reader) addWord(w *whom, place, word string) error {
	if r.groups == nil && word != wordAuthenticated {
		return fault(place, "%q cannot be a member of a group", oci.Clip(word))
	}
	switch word {
	case wordAnyone:
		w.anonymous, w.authenticated = true, true
	case string(Anonymous):
		w.anonymous = true
	case wordAuthenticated:
		w.authenticated = true
	default:
		return fault(place, "%q is nobody; anyone, anonymous, authenticated, and kinds with a name such as user:alice are", oci.Clip(word))
	}
	return nil
}

func (r reader) addGroup(w *whom, place, text string) error {
	switch members := r.groups[text]; {
	case r.groups == nil:
		return fault(place, "a group cannot be a member of a group")
	case members == nil:
		return fault(place, "there is no group %q", oci.Clip(text))
	default:
		w.groups = append(w.groups, group{text, members})
	}
	return nil
}

// addAWS takes the number of an account, or an ARN. Only principals of known
// accounts can come, so that another one is a slip.
func (r reader) addAWS(w *whom, place, text string) error {
	account, ok := accountOf(text)
	if !ok && !isAccount(text) {
		return fault(place, "%q is neither an ARN nor the number of an account", oci.Clip(text))
	}
	if !ok {
		account = text
	}
	if !strings.Contains(account, "*") && !slices.Contains(r.policy.Accounts, account) {
		return fault(place, "account %q is not among the accounts of aws", oci.Clip(account))
	}
	return addNamed(w, place, AWS, text)
}

func addNamed(w *whom, place string, kind Kind, text string) error {
	p, err := pattern.ParsePrincipal(text)
	if err != nil {
		return fault(place, "%v", err)
	}
	if p.Plain() {
		w.plain[name{kind, text}] = struct{}{}
		return nil
	}
	w.starred = append(w.starred, starred{kind, p})
	return nil
}
