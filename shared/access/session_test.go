package access

import (
	"reflect"
	"strings"
	"testing"

	"github.com/berthregistry/berth/shared/oci"
)

func policyFor(t testing.TB, rules ...Rule) *Policy {
	t.Helper()
	p := &Policy{Audiences: []string{"x"}, Accounts: []string{"123456789012"}, Issuers: []Trust{{Name: "github", URL: "https://x.test"}}, Rules: rules}
	for i := range p.Rules {
		p.Rules[i].Name = "rule " + string(rune('a'+i))
	}
	if err := p.Compile(); err != nil {
		t.Fatal(err)
	}
	return p
}

func to(names ...string) Whom { return Whom{Names: names} }

var (
	alice = Principal{Kind: User, Name: "alice"}
	team  = []string{"team/**"}
)

func teamPolicy(t testing.TB) *Policy {
	return policyFor(t,
		Rule{Whom: to("user:alice"), Repositories: team, Actions: []Action{Pull, Push}},
		Rule{Whom: to("robot:scanner"), Repositories: team, Actions: []Action{Attach}},
		Rule{Whom: to("robot:production"), Repositories: team, Tags: []string{"release-*"}, Actions: []Action{Pull}},
		Rule{Whom: to("anonymous"), Repositories: []string{"public/*"}, Actions: []Action{Pull}},
		Rule{Whom: to("user:root"), Actions: []Action{Admin}},
	)
}

func TestGrant(t *testing.T) {
	p := teamPolicy(t)
	for _, c := range []struct {
		who         Principal
		asked, want string
	}{
		{alice, "repository:team/app:pull,push,delete", "repository:team/app:pull,push"},
		{alice, "repository:team/app:*", "repository:team/app:pull,push"},
		{alice, "repository:other:pull", ""},
		{alice, "repository:team/app:pull repository:team/b:push registry:catalog:* registry:admin:*",
			"repository:team/app:pull repository:team/b:push registry:catalog:*"},
		{Principal{Kind: Robot, Name: "scanner"}, "repository:team/app:pull,push", "repository:team/app:push"},
		{Principal{Kind: Robot, Name: "production"}, "repository:team/app:*", "repository:team/app:pull"},
		{Principal{}, "repository:public/a:pull,push registry:catalog:*", "repository:public/a:pull registry:catalog:*"},
		{Principal{}, "repository:team/app:pull registry:admin:*", ""},
		{Principal{Kind: User, Name: "root"}, "registry:admin:*", "registry:admin:*"},
		{alice, "", ""},
	} {
		asked, err := ParseScopes(c.asked)
		if err != nil {
			t.Fatal(err)
		}
		granted := p.Grant(c.who, asked)
		if granted == nil {
			t.Errorf("%s for %q: got nil, which narrows nothing", c.who, c.asked)
		}
		if got := written(granted); got != c.want {
			t.Errorf("%s for %q: got %q, want %q", c.who, c.asked, got, c.want)
		}
	}
}

func written(scopes []Scope) string {
	var words []string
	for _, s := range scopes {
		words = append(words, s.String())
	}
	return strings.Join(words, " ")
}

// What a token may do is what it is narrowed to and what the policy allows:
// Lacks tells which of the two is in the way.
func TestSessionIsNarrowedByScopes(t *testing.T) {
	p := teamPolicy(t)
	for _, c := range []struct {
		scopes     string // "-" for none at all: not narrowed
		repo       string
		action     Action
		may, lacks bool
	}{
		{"-", "team/app", Push, true, false},
		{"-", "other", Push, false, false},
		{"", "team/app", Pull, false, true},
		{"repository:team/app:pull", "team/app", Pull, true, false},
		{"repository:team/app:pull", "team/app", Push, false, true},
		{"repository:team/app:pull", "team/app", Tag, false, true},
		{"repository:team/app:push", "team/app", Tag, true, false},
		{"repository:team/app:push", "team/app", Attach, true, false},
		{"repository:team/app:push", "team/app", Delete, false, false},
		{"repository:team/app:*", "team/b", Pull, false, true},
		{"repository:team/a:pull repository:team:pull", "team/app", Pull, false, true},
		{"repository:other:pull", "other", Pull, false, false},
		{"registry:catalog:*", "team/app", Pull, false, true},
	} {
		s := &Session{Principal: alice, Scopes: scopes(t, c.scopes), Policy: p}
		if got := s.May(c.repo, c.action).Allowed(); got != c.may {
			t.Errorf("%q may %s %s: got %v, want %v", c.scopes, c.action, c.repo, got, c.may)
		}
		if got := s.Lacks(c.repo, c.action); got != c.lacks {
			t.Errorf("%q lacks %s %s: got %v, want %v", c.scopes, c.action, c.repo, got, c.lacks)
		}
	}
}

func scopes(t testing.TB, text string) []Scope {
	t.Helper()
	if text == "-" {
		return nil
	}
	s, err := ParseScopes(text)
	if err != nil {
		t.Fatal(err)
	}
	return append([]Scope{}, s...)
}

func TestSessionOfTheRegistry(t *testing.T) {
	p := teamPolicy(t)
	private := policyFor(t, Rule{Whom: to("authenticated"), Repositories: team, Actions: []Action{Pull}})
	for _, c := range []struct {
		who            Principal
		scopes         string
		policy         *Policy
		catalog, admin bool
	}{
		{alice, "-", p, true, false},
		{alice, "registry:catalog:*", p, true, false},
		{alice, "repository:team/app:*", p, false, false},
		{Principal{Kind: User, Name: "root"}, "-", p, true, true},
		{Principal{Kind: User, Name: "root"}, "registry:catalog:*", p, true, false},
		{Principal{Kind: User, Name: "root"}, "registry:admin:*", p, false, true},
		{Principal{}, "-", p, true, false},
		{Principal{}, "-", private, false, false},
		{Principal{Kind: Issuer, Name: "gone"}, "-", private, false, false},
	} {
		s := &Session{Principal: c.who, Scopes: scopes(t, c.scopes), Policy: c.policy}
		if got := s.Catalog(); got != c.catalog {
			t.Errorf("%s with %q: catalog: got %v, want %v", c.who, c.scopes, got, c.catalog)
		}
		if got := s.Admin(); got != c.admin {
			t.Errorf("%s with %q: admin: got %v, want %v", c.who, c.scopes, got, c.admin)
		}
	}
}

func TestRights(t *testing.T) {
	p := teamPolicy(t)
	hints := []oci.Reference{{Tag: "x"}}
	s := &Session{Principal: alice, Scopes: scopes(t, "repository:team/app:pull,push"), Policy: p}
	r := s.Rights("team/app", hints)
	if !r.Pull.All() || !r.Push.All() || !r.Tag.All() || !r.Attach.All() || !r.Delete.None() {
		t.Errorf("got %+v, want all but delete", r)
	}
	if r.Who != "user:alice" || !reflect.DeepEqual(r.Hints, hints) {
		t.Errorf("got who %q and hints %v", r.Who, r.Hints)
	}
	if elsewhere := r.Elsewhere("team/b"); !elsewhere.Pull.None() || elsewhere.Hints != nil {
		t.Errorf("a token for another repository reaches team/b: %+v", elsewhere)
	}
	r = (&Session{Principal: alice, Scopes: []Scope{}, Policy: p}).Rights("team/app", nil)
	if !r.Pull.None() || !r.Push.None() || !r.Tag.None() || !r.Attach.None() || !r.Delete.None() {
		t.Errorf("a token without scopes may do something: %+v", r)
	}
	if r := (&Session{Policy: p}).Rights("public/a", nil); r.Who != "" || !r.Pull.All() {
		t.Errorf("anonymous: got %+v", r)
	}
	r = (&Session{Principal: Principal{Kind: Robot, Name: "production"}, Policy: p}).Rights("team/app", nil)
	if r.Pull.All() || !r.Pull.Has("release-1") || r.Pull.Has("main") || !r.Push.None() {
		t.Errorf("production: got %+v", r)
	}
}

// Jobs of one repository have one subject. Rules over other claims tell them
// apart, and so does what is remembered of who has sent what.
func TestRightsRememberWhoCountsAsAnother(t *testing.T) {
	p := policyFor(t)
	job := Principal{Kind: Issuer, Name: "github", Subject: "repo:acme/app:ref:refs/heads/main"}
	release, doubtful, tester := job, job, Principal{Kind: Robot, Name: "ci", Groups: []string{"testers"}}
	release.Holds, doubtful.Holds = []string{"aaaaaaaa", "bbbbbbbb"}, []string{InDoubt + "aaaaaaaa"}
	seen := map[string]Principal{}
	for _, who := range []Principal{job, release, doubtful, tester, {Kind: Robot, Name: "ci"}} {
		name := (&Session{Principal: who, Policy: p}).Rights("team/app", nil).Who
		if other, ok := seen[name]; ok {
			t.Errorf("%+v and %+v are both remembered as %q", who, other, name)
		}
		seen[name] = who
	}
}

// A token for the catalog has no scope of a repository, and shows all that the
// policy lets see; one without it shows nothing.
func TestRightsOfTheCatalog(t *testing.T) {
	p := teamPolicy(t)
	for text, want := range map[string]bool{"-": true, "registry:catalog:*": true, "": false, "repository:team/app:pull": false} {
		s := &Session{Principal: alice, Scopes: scopes(t, text), Policy: p}
		r := s.Rights("", nil)
		if got := !r.Elsewhere("team/app").Pull.None(); got != want {
			t.Errorf("%q shows team/app: got %v, want %v", text, got, want)
		}
		if !r.Elsewhere("other").Pull.None() || !r.Elsewhere("team/app").Push.None() || !r.Pull.None() {
			t.Errorf("%q gives more than to see what may be pulled", text)
		}
	}
}

func TestPrincipalsAsText(t *testing.T) {
	for _, p := range []Principal{
		{Kind: Anonymous}, alice, {Kind: Robot, Name: "ci"}, {Kind: Issuer, Name: "github", Subject: "repo:acme/app:ref:refs/heads/main"},
		{Kind: AWS, Name: "123456789012", Subject: "arn:aws:iam::123456789012:role/a/b"},
	} {
		if got, err := ParsePrincipal(p.String()); err != nil || !reflect.DeepEqual(got, p) {
			t.Errorf("ParsePrincipal(%q) = %+v, %v, want %+v", p, got, err, p)
		}
	}
	for _, text := range []string{"", "alice", "user:", "aws:123456789012", "aws:x:y", "moon:a", ":"} {
		if p, err := ParsePrincipal(text); err == nil {
			t.Errorf("ParsePrincipal(%q) = %+v, want an error", text, p)
		}
	}
}

// What is made says by whom as the audit log does.
func TestRightsSayWho(t *testing.T) {
	p := teamPolicy(t)
	for who, want := range map[*Session]string{
		{Principal: alice, Policy: p}: "user:alice",
		{Principal: Principal{Kind: Issuer, Name: "github", Subject: "repo:acme/app"}, Policy: p}: "issuer:github/repo:acme/app",
		{Principal: Principal{Kind: Anonymous}, Policy: p}:                                        "",
		{Policy: p}: "",
	} {
		if got := who.Rights("team/app", nil).By; got != want {
			t.Errorf("%s: got %q, want %q", who.Principal, got, want)
		}
	}
}
