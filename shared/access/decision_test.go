package access

import (
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// What a random policy is made of. Everything here is small, so that rules meet
// each other and requests meet rules.
var (
	someNames = []string{
		"anyone", "anonymous", "authenticated", "user:alice", "user:a*", "robot:ci", "robot:*", "issuer:github",
		"aws:123456789012", "aws:arn:aws:iam::123456789012:role/deploy", "aws:arn:aws:iam::*:role/d*", "group:g", "group:main", "group:empty",
	}
	someRepositories = []string{"**", "team/**", "team/*", "team/app", "*", "**/app", "other"}
	someTags         = []string{"*", "release-*", "main", "*-rc"}
	someActions      = []Action{Pull, Push, Tag, Attach, Delete, Admin}

	whoever = []Principal{
		{}, {Kind: Anonymous}, {Kind: User, Name: "alice"}, {Kind: User, Name: "bob"},
		{Kind: Robot, Name: "ci"}, {Kind: Robot, Name: "alice", Groups: []string{"empty"}},
		{Kind: Issuer, Name: "github", Subject: "s"}, {Kind: Issuer, Name: "github", Holds: []string{"h1", "h2"}},
		{Kind: Issuer, Name: "github", Holds: []string{"?h1"}},
		{Kind: Issuer, Name: "github", Holds: []string{"?h2"}}, {Kind: Issuer, Name: "gone", Holds: []string{"h1"}},
		{Kind: AWS, Name: "123456789012", Subject: "arn:aws:iam::123456789012:role/deploy", Holds: []string{"h2"}},
		{Kind: AWS, Name: "210987654321", Subject: "arn:aws:iam::210987654321:role/deploy"},
		{Kind: "other", Name: "github"},
	}
	repositories = []string{"team/app", "team/app/x", "other", "x/app"}
	tags         = []string{"main", "release-1", "release-1-rc", "x"}
)

func pick[T any](r *rand.Rand, from []T, atMost int) []T {
	var out []T
	for _, i := range r.Perm(len(from))[:1+r.IntN(atMost)] {
		out = append(out, from[i])
	}
	return out
}

func randomRule(r *rand.Rand, i int) Rule {
	rule := Rule{
		Name: fmt.Sprint("r", i), Deny: r.IntN(4) == 0,
		Whom:    Whom{Names: pick(r, someNames, 3)},
		Actions: pick(r, someActions[:5], 2),
	}
	switch r.IntN(8) {
	case 0:
		rule.Actions = []Action{Admin}
		return rule
	case 1:
		rule.Whom = Whom{Names: []string{"issuer:github", "aws:123456789012"}, When: "h1", WhenText: "x"}
	}
	rule.Repositories = pick(r, someRepositories, 2)
	if r.IntN(2) == 0 {
		rule.Tags = pick(r, someTags, 2)
	}
	return rule
}

// randomPolicy leaves out rules that are not allowed to be written.
func randomPolicy(t *testing.T, r *rand.Rand) *Policy {
	t.Helper()
	p := &Policy{
		Audiences: []string{"x"}, Accounts: []string{"123456789012"}, Issuers: []Trust{{Name: "github", URL: "https://x.test"}},
		Groups: []Group{
			{Name: "g", Members: Whom{Names: []string{"user:bob", "robot:c*"}}},
			{Name: "main", Members: Whom{Names: []string{"issuer:github"}, When: "h2", WhenText: "y"}},
			{Name: "empty"},
		},
	}
	for i := range r.IntN(6) {
		rule := randomRule(r, i)
		public := slices.Contains(rule.Whom.Names, "anyone") || slices.Contains(rule.Whom.Names, "anonymous")
		if public && !rule.Deny && !slices.Equal(rule.Actions, []Action{Pull}) {
			continue
		}
		p.Rules = append(p.Rules, rule)
	}
	if err := p.Compile(); err != nil {
		t.Fatal(err)
	}
	return p
}

// The decision is held to a reading of the rules as they are written, tag by
// tag, which shares nothing with it.
func TestDecideIsWhatTheRulesSay(t *testing.T) {
	for seed := range uint64(300) {
		p := randomPolicy(t, rand.New(rand.NewPCG(seed, 1)))
		for _, who := range whoever {
			for _, a := range someActions {
				for _, repo := range repositories {
					compare(t, seed, p, who, repo, a)
				}
			}
		}
		if t.Failed() {
			text, _ := json.MarshalIndent(p, "", " ")
			t.Fatalf("seed %d:\n%s", seed, text)
		}
	}
}

func compare(t *testing.T, seed uint64, p *Policy, who Principal, repo string, a Action) {
	t.Helper()
	got := p.Decide(who, repo, a)
	whole, some := naive(p, who, repo, a, "")
	if got.Tags.All() != whole {
		t.Errorf("seed %d: %s %s %s: all of it is allowed: got %v, want %v", seed, who, a, repo, got.Tags.All(), whole)
	}
	if got.Allowed() != some {
		t.Errorf("seed %d: %s %s %s: some of it is allowed: got %v, want %v", seed, who, a, repo, got.Allowed(), some)
	}
	if got.Allowed() && got.Rule == "" {
		t.Errorf("seed %d: %s %s %s is allowed by no rule", seed, who, a, repo)
	}
	for _, tag := range tags {
		if want, _ := naive(p, who, repo, a, tag); got.Tags.Has(tag) != want {
			t.Errorf("seed %d: %s %s %s:%s: got %v, want %v", seed, who, a, repo, tag, !want, want)
		}
	}
}

// naive says whether the policy allows an action for a tag, or for the whole
// repository if there is none; and whether it allows it for anything, which it
// may say of a limit that no tag is left within.
func naive(p *Policy, who Principal, repo string, a Action, tag string) (allowed, some bool) {
	if who.Kind == Issuer && who.Name != "github" || who.Kind == AWS && who.Name != "123456789012" {
		return false, false
	}
	var limits, forbids bool
	for _, r := range p.Rules {
		if !naiveFits(p, r, who, repo, a) {
			continue
		}
		here := len(r.Tags) == 0 || tag != "" && slices.ContainsFunc(r.Tags, func(s string) bool { return naiveMatch(s, tag, ".*", ".*") })
		switch {
		case r.Deny && len(r.Tags) == 0:
			return false, false
		case r.Deny:
			limits, forbids = true, forbids || here
		default:
			some, allowed = true, allowed || here
		}
	}
	return allowed && !forbids && !(limits && tag == ""), some
}

func naiveFits(p *Policy, r Rule, who Principal, repo string, a Action) bool {
	about := slices.Contains(r.Actions, a) || slices.Contains(r.Actions, Push) && (a == Tag || a == Attach)
	here := a == Admin || slices.ContainsFunc(r.Repositories, func(s string) bool { return naiveMatch(s, repo, ".*", "[^/]*") })
	return about && here && naiveWhom(p, r.Whom, who, r.Deny)
}

func naiveWhom(p *Policy, w Whom, who Principal, deny bool) bool {
	if w.When != "" && !slices.Contains(who.Holds, w.When) && (!deny || !slices.Contains(who.Holds, "?"+w.When)) {
		return false
	}
	return slices.ContainsFunc(w.Names, func(entry string) bool { return naiveEntry(p, entry, who, deny) })
}

func naiveEntry(p *Policy, entry string, who Principal, deny bool) bool {
	known := who.Kind != "" && who.Kind != Anonymous
	kind, text, _ := strings.Cut(entry, ":")
	switch kind {
	case "anyone":
		return true
	case "anonymous":
		return !known
	case "authenticated":
		return known
	case "group":
		return known && (slices.Contains(who.Groups, text) || slices.ContainsFunc(p.Groups, func(g Group) bool {
			return g.Name == text && naiveWhom(p, g.Members, who, deny)
		}))
	case "aws":
		return who.Kind == AWS && (who.Name == text || naiveMatch(text, who.Subject, "", "[^:]*"))
	}
	return string(who.Kind) == kind && naiveMatch(text, who.Name, "", "[^:]*")
}

func naiveMatch(text, name, two, one string) bool {
	key := text + " " + two + " " + one
	if naiveForms[key] == nil {
		quoted := strings.ReplaceAll(regexp.QuoteMeta(text), `\*\*`, two)
		naiveForms[key] = regexp.MustCompile("^" + strings.ReplaceAll(quoted, `\*`, one) + "$")
	}
	return naiveForms[key].MatchString(name)
}

// naiveForms are kept, since making one takes longer than all the rest.
var naiveForms = map[string]*regexp.Regexp{}

func TestNoPolicyAllowsNothing(t *testing.T) {
	open := Rule{Name: "r", Whom: Whom{Names: []string{"anyone"}}, Repositories: []string{"**"}, Actions: []Action{Pull}}
	for name, p := range map[string]*Policy{"none": nil, "zero": {}, "not compiled": {Rules: []Rule{open}}} {
		s := &Session{Principal: Principal{Kind: User, Name: "a"}, Policy: p}
		if d := s.May("a", Pull); d.Allowed() || s.Catalog() || s.Admin() || len(p.Grant(s.Principal, []Scope{{"repository", "a", []string{"pull"}}})) > 0 {
			t.Errorf("%s: got %+v, want nothing allowed", name, d)
		}
	}
}

// A right that was taken away by hand in a copy, or that is written by a later
// version, is not lost in JSON.
func TestPolicyJSON(t *testing.T) {
	for seed := range uint64(50) {
		p := randomPolicy(t, rand.New(rand.NewPCG(seed, 2)))
		text, err := json.Marshal(p)
		if err != nil {
			t.Fatal(err)
		}
		var q Policy
		if err := json.Unmarshal(text, &q); err != nil {
			t.Fatal(err)
		}
		if q.Version() != p.Version() || len(q.Version()) != versionLength {
			t.Errorf("version: got %q, want %q", q.Version(), p.Version())
		}
		q.Rules = append(q.Rules, Rule{Name: "more", Whom: Whom{Names: []string{"user:x"}}, Actions: []Action{Admin}})
		if err := q.Compile(); err != nil || q.Version() == p.Version() {
			t.Errorf("another policy has the same version, %v", err)
		}
	}
	for _, text := range []string{
		`{`, `[]`, `{"rules": [], "more": 1}`, `{"rules": [{"name": "a", "unless": "x"}]}`,
		`{"rules": [{"name": "a", "whom": {"names": ["user:a"]}, "repositories": ["a"], "actions": ["fly"]}]}`,
		`{"rules": [{"name": "a", "whom": {"names": ["moon:a"]}, "repositories": ["a"], "actions": ["pull"]}]}`,
		`{"rules": [{"name": "a", "whom": {"names": ["user:a"], "when": "h"}, "repositories": ["a"], "actions": ["pull"]}]}`,
	} {
		p := Policy{Audiences: []string{"kept"}}
		if err := json.Unmarshal([]byte(text), &p); err == nil {
			t.Errorf("%s was taken", text)
		}
		if d := p.Decide(Principal{Kind: User, Name: "a"}, "a", Pull); d.Allowed() {
			t.Errorf("%s allows %+v", text, d)
		}
	}
}

// What holds is known by its id alone: one that is shared by a lax expression and
// a strict one would let whoever fits the lax one through both.
func TestExpressionsShareNoID(t *testing.T) {
	when := func(text string) Whom {
		return Whom{Names: []string{"issuer:ci"}, When: "abcdefgh", WhenText: text}
	}
	for lax, taken := range map[string]bool{"claims.a == 1": false, "claims.b == 2": true} {
		strict := Rule{Name: "strict", Whom: when("claims.b == 2"), Repositories: []string{"a"}, Actions: []Action{Push}}
		for place, p := range map[string]*Policy{
			"rules[1].when": {Rules: []Rule{{Name: "lax", Whom: when(lax), Repositories: []string{"a"}, Actions: []Action{Pull}}, strict}},
			"rules[0].when": {Rules: []Rule{strict}, Groups: []Group{{Name: "lax", Members: when(lax)}}},
		} {
			p.Audiences, p.Issuers = []string{"a"}, []Trust{{Name: "ci", URL: "https://ci.example.com"}}
			err := p.Compile()
			var f *Fault
			if taken != (err == nil) || !taken && (!errors.As(err, &f) || f.Place != place) {
				t.Errorf("%q beside another: got %v", lax, err)
			}
		}
	}
}

func TestDecideAllocatesNothingForWholeRepositories(t *testing.T) {
	p := large(t)
	who := Principal{Kind: Robot, Name: "ci"}
	if n := testing.AllocsPerRun(100, func() { p.Decide(who, "team/app", Pull) }); n > 0 {
		t.Errorf("got %v allocations, want none", n)
	}
}

// large has a hundred rules, of which the last one allows.
func large(t testing.TB) *Policy {
	t.Helper()
	p := &Policy{Groups: []Group{{Name: "g", Members: Whom{Names: []string{"robot:x", "user:y*"}}}}}
	for i := range 99 {
		p.Rules = append(p.Rules, Rule{
			Name: fmt.Sprint("r", i), Whom: Whom{Names: []string{"group:g", fmt.Sprint("robot:", i)}},
			Repositories: []string{"team/*"}, Actions: []Action{Pull, Push},
		})
	}
	p.Rules = append(p.Rules, Rule{Name: "last", Whom: Whom{Names: []string{"robot:c*"}}, Repositories: []string{"**"}, Actions: []Action{Pull}})
	if err := p.Compile(); err != nil {
		t.Fatal(err)
	}
	return p
}

func BenchmarkDecideBy100Rules(b *testing.B) {
	p := large(b)
	who := Principal{Kind: Robot, Name: "ci"}
	b.ReportAllocs()
	for b.Loop() {
		p.Decide(who, "team/app", Pull)
	}
}
