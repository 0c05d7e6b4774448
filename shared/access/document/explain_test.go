package document

import (
	"strconv"
	"strings"
	"testing"

	"github.com/berthregistry/berth/shared/access"
)

func TestExplanationAsPrinted(t *testing.T) {
	p := parse(t, example(t))
	got := Explain(p, access.Principal{Kind: access.User, Name: "alice"}, "team/app", "release-1", access.Delete).String()
	want := `denied: delete for user:alice in team/app:release-1
   builders push: allows none of it, as it is about pull, push
   rule 2: allows none of it, as it is about pull
-> rule 3: denies it
`
	if got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	got = Explain(p, access.Principal{Kind: access.Issuer, Name: "github", Subject: "x"}, "team/app", "", access.Push).String()
	for _, want := range []string{
		"denied: push for issuer:github/x in team/app\nno rule allows it\n",
		"builders push: allows none of it, as it has an expression, or its group has, that does not hold",
	} {
		if !strings.Contains(got, want) {
			t.Errorf("got\n%s\nwant in it\n%s", got, want)
		}
	}
}

// An explanation is of what is decided, and not a second opinion.
func TestExplanationAgreesWithDecide(t *testing.T) {
	p := parse(t, example(t))
	for _, name := range []string{"user:alice", "robot:production", "robot:ci", "anonymous", "user:x"} {
		who, err := access.ParsePrincipal(name)
		if err != nil {
			t.Fatal(err)
		}
		for _, a := range []access.Action{access.Pull, access.Push, access.Tag, access.Attach, access.Delete} {
			for _, tag := range []string{"release-1", "main"} {
				e := Explain(p, who, "team/app", tag, a)
				if want := p.Decide(who, "team/app", a).Tags.Has(tag); (e.Answer == Allowed) != want {
					t.Errorf("%s %s %s: got %s, want %v", name, a, tag, e.Answer, want)
				}
				if i := stepThatDecides(e); (i >= 0) != (e.Rule != "") || e.Answer == Allowed && (i < 0 || e.Steps[i].Deny) {
					t.Errorf("%s %s %s is %s by %q", name, a, tag, e.Answer, e.Rule)
				}
			}
		}
	}
}

func stepThatDecides(e Explanation) int {
	for i, s := range e.Steps {
		if s.Decides {
			return i
		}
	}
	return -1
}

func TestTestsOfAPolicy(t *testing.T) {
	const text = conditions + `
tests:
  - {who: issuer:ci, claims: {owner: acme, visitor: false}, action: pull, repository: a, want: allow}
  - {who: issuer:ci, claims: {owner: acme, visitor: false}, action: push, repository: a, want: allow}
  - {who: issuer:ci, claims: {owner: evil}, action: pull, repository: a, want: deny}
  - {who: issuer:ci, claims: {owner: evil}, action: pull, repository: a, want: allow}
  - {who: issuer:ci, claims: {owner: acme, visitor: true, ref: refs/heads/main}, action: push, repository: a, tag: x, want: allow}
  - {who: anonymous, action: admin, want: deny}
`
	_, err := Test("p.yaml", []byte(text))
	if err == nil {
		t.Fatal("all passed")
	}
	got := strings.Split(err.Error(), "\n")
	first := strings.Count(conditions, "\n") + 3 // the line of the first test
	want := []struct {
		line int
		text string
	}{
		{first + 1, "wanted allow, got denied: no rule allows it"},
		{first + 3, "wanted allow, got no login"},
		{first + 4, `wanted allow, got denied by "no visitors"`},
	}
	if len(got) != len(want) {
		t.Fatalf("got %q, want %d lines", got, len(want))
	}
	for i, w := range want {
		if !strings.HasPrefix(got[i], "p.yaml:"+strconv.Itoa(w.line)+":") || !strings.Contains(got[i], w.text) {
			t.Errorf("got %q, want line %d and %q", got[i], w.line, w.text)
		}
	}
}

func TestATestWithoutATagIsAboutAllOfIt(t *testing.T) {
	const text = "rules:\n- allow: [pull]\n  to: [user:a]\n  repositories: [a]\n  tags: [x]\ntests:\n- who: user:a\n  action: pull\n  repository: a\n  want: "
	for _, want := range []string{"allow", "deny"} {
		if _, err := Test("p", []byte(text+want+"\n")); err == nil || !strings.Contains(err.Error(), "name a tag") {
			t.Errorf("want %s: got %v, want it to say that a tag is missing", want, err)
		}
	}
}
