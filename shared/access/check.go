package access

import (
	"fmt"
	"net"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/berthregistry/berth/shared/oci"
)

// Bounds of a policy.
const (
	MaxRules     = 1000
	maxName      = 64  // of groups and issuers, in bytes
	maxRuleName  = 128 // in bytes; it is in each line of the log
	maxURL       = 1024
	accountWidth = 12
)

// A Fault is what is wrong with a policy, and where.
type Fault struct {
	// Place is where in the document that people write, such as
	// "rules[3].to[1]". What is named may be missing there.
	Place string
	Text  string
}

func (f *Fault) Error() string { return f.Place + ": " + f.Text }

func fault(place, format string, args ...any) error {
	return &Fault{Place: place, Text: fmt.Sprintf(format, args...)}
}

func at(list string, i int) string { return list + "[" + strconv.Itoa(i) + "]" }

// checkName checks what is referred to as "group:NAME" or "issuer:NAME".
func checkName(place, what, name string) error {
	fine := func(c rune) bool {
		return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || strings.ContainsRune("._-", c)
	}
	switch {
	case name == "":
		return fault(place, "this %s has no name", what)
	case len(name) > maxName:
		return fault(place, "the name of a %s has at most %d characters", what, maxName)
	case strings.ContainsFunc(name, func(c rune) bool { return !fine(c) }):
		return fault(place, "%q is no name of a %s: letters, digits, dots, underscores and hyphens are", oci.Clip(name), what)
	}
	return nil
}

// checkTrusts checks from whom principals are taken.
func checkTrusts(p *Policy) error {
	if len(p.Audiences) == 0 && len(p.Accounts) > 0 {
		return fault("audience", "an audience is needed where there is aws: the registry's host, as a rule")
	}
	if err := checkAudiences("audience", p.Audiences); err != nil {
		return err
	}
	for i, account := range p.Accounts {
		place := at("aws.accounts", i)
		if !isAccount(account) {
			return fault(place, "%q is no number of an AWS account: it has %d digits, and quotes around it", oci.Clip(account), accountWidth)
		}
		if slices.Index(p.Accounts, account) != i {
			return fault(place, "account %s is there already", account)
		}
	}
	for i := range p.Issuers {
		if err := checkIssuer(p, i); err != nil {
			return err
		}
	}
	return nil
}

func isAccount(s string) bool {
	return len(s) == accountWidth && !strings.ContainsFunc(s, func(c rune) bool { return c < '0' || c > '9' })
}

func checkAudiences(place string, audiences []string) error {
	for i, a := range audiences {
		if a == "" || len(a) > maxURL || !printable(a) || strings.Contains(a, " ") {
			return fault(at(place, i), "%q is no audience", oci.Clip(a))
		}
	}
	return nil
}

func checkIssuer(p *Policy, i int) error {
	t, place := p.Issuers[i], at("issuers", i)
	if err := checkName(place+".name", "issuer", t.Name); err != nil {
		return err
	}
	if slices.IndexFunc(p.Issuers, func(o Trust) bool { return o.Name == t.Name }) != i {
		return fault(place+".name", "there is another issuer %q", t.Name)
	}
	host, err := issuerHost(t.URL)
	if err != nil {
		return fault(place+".url", "%v", err)
	}
	if slices.IndexFunc(p.Issuers, func(o Trust) bool { return o.URL == t.URL }) != i {
		return fault(place+".url", "there is another issuer with this url, and nobody could say which is meant")
	}
	if (t.Require == "") != (t.RequireText == "") {
		return fault(place+".require", "the expression and its id come together")
	}
	if t.Require == "" && slices.Contains(publicIssuers, host) {
		return fault(place+".require", "%s vouches for everybody who uses it: say with require whose tokens are meant, such as claims.repository_owner == \"acme\"", host)
	}
	if len(t.Audiences) == 0 && len(p.Audiences) == 0 {
		return fault("audience", "an audience is needed where there are issuers: the registry's host, as a rule")
	}
	return checkAudiences(place+".audience", t.Audiences)
}

// publicIssuers have one URL for all of their customers. Without a word
// about the claims "authenticated" would mean anybody there.
var publicIssuers = []string{
	"token.actions.githubusercontent.com", "gitlab.com", "accounts.google.com", "agent.buildkite.com", "app.terraform.io",
}

// issuerHost checks an issuer's URL (OpenID Connect Discovery 1.0, section 3):
// https without query and fragment. Over plain http anybody on the way could
// vouch for anyone, so that is for this machine alone.
func issuerHost(text string) (string, error) {
	u, err := url.Parse(text)
	switch {
	case text == "":
		return "", fmt.Errorf("this issuer has no url")
	case err != nil || len(text) > maxURL || u.Host == "" || u.User != nil || strings.ContainsAny(text, "?#"):
		return "", fmt.Errorf("%q is no url of an issuer, such as https://token.example.com", oci.Clip(text))
	case u.Scheme != "https" && (u.Scheme != "http" || !loopback(u.Hostname())):
		return "", fmt.Errorf("an issuer's url begins with https://")
	}
	return strings.ToLower(u.Hostname()), nil
}

func loopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

// checkExpressions refuses two expressions of one id, as those that hold are
// known by their ids. Those are short, so that two can be found that share one:
// one to be looked over, and one to pass.
func checkExpressions(p *Policy) error {
	texts := map[string]string{}
	check := func(list string, i int, w *Whom) error {
		if text, ok := texts[w.When]; ok && text != w.WhenText {
			return fault(at(list, i)+".when", "this expression has the id of another one: write it in a different way")
		}
		texts[w.When] = w.WhenText
		return nil
	}
	for i := range p.Groups {
		if err := check("groups", i, &p.Groups[i].Members); err != nil {
			return err
		}
	}
	for i := range p.Rules {
		if err := check("rules", i, &p.Rules[i].Whom); err != nil {
			return err
		}
	}
	return nil
}

// checkRule checks what of a rule is not a list of patterns or principals.
func checkRule(place string, r *Rule) error {
	switch {
	case r.Name == "":
		return fault(place+".name", "this rule has no name")
	case len(r.Name) > maxRuleName || !printable(r.Name):
		return fault(place+".name", "the name of a rule has at most %d characters, and all can be printed", maxRuleName)
	case len(r.Actions) == 0:
		return fault(place+"."+verb(r), "no actions are listed")
	}
	for i, a := range r.Actions {
		switch {
		case a.bits() == 0:
			return fault(at(place+"."+verb(r), i), "%q is no action; pull, push, tag, attach, delete and admin are", oci.Clip(string(a)))
		case slices.Index(r.Actions, a) != i:
			return fault(at(place+"."+verb(r), i), "%s is there already", a)
		case a == Admin && len(r.Actions) > 1:
			return fault(at(place+"."+verb(r), i), "admin is of the whole registry; give it a rule of its own")
		}
	}
	return checkExtent(place, r)
}

// checkAnonymous keeps what changes the registry from those of whom nothing is
// known, since nobody could be asked about it.
func checkAnonymous(place string, r *Rule, w *whom) error {
	if r.Deny || !w.anonymous || slices.Equal(r.Actions, []Action{Pull}) {
		return nil
	}
	return fault(place+".allow", "anyone and anonymous can be allowed pull only")
}

// checkExtent checks whether a rule has the repositories and tags it needs.
func checkExtent(place string, r *Rule) error {
	admin := slices.Contains(r.Actions, Admin)
	switch {
	case admin && len(r.Repositories) > 0:
		return fault(place+".repositories", "admin is of the whole registry; such a rule has no repositories")
	case admin && len(r.Tags) > 0:
		return fault(place+".tags", "admin is of the whole registry; such a rule has no tags")
	case !admin && len(r.Repositories) == 0:
		return fault(place+".repositories", "no repositories are listed; for all of them write [\"**\"]")
	}
	return nil
}

func verb(r *Rule) string {
	if r.Deny {
		return "deny"
	}
	return "allow"
}

func printable(s string) bool {
	return utf8.ValidString(s) && !strings.ContainsFunc(s, func(c rune) bool { return !unicode.IsPrint(c) })
}
