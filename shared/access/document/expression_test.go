package document

import (
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/berthregistry/berth/shared/access"
)

func sameAfterJSON(t *testing.T, p *access.Policy) {
	t.Helper()
	text, err := json.Marshal(p)
	if err != nil {
		t.Fatal(err)
	}
	var again access.Policy
	if err := json.Unmarshal(text, &again); err != nil {
		t.Fatalf("read again: %v\n%s", err, text)
	}
	if got, want := again.Version(), p.Version(); got != want || got == "" {
		t.Errorf("version after JSON: got %q, want %q", got, want)
	}
}

const conditions = `
audience: [registry.test]
issuers:
  - name: ci
    url: https://ci.test
    require: claims.owner == "acme"
  - name: other
    url: https://other.test
aws:
  accounts: ["123456789012"]
groups:
  - name: main
    members: [issuer:ci]
    when: claims.ref == "refs/heads/main"
rules:
  - name: all pull
    allow: [pull]
    to: [issuer:ci]
    repositories: ["**"]
  - name: main pushes
    allow: [push]
    to: [group:main]
    repositories: ["**"]
  - name: admins
    allow: [delete]
    to: [issuer:ci]
    when: claims.groups.exists(g, g == "admins") && claims.attempt == 1
    repositories: ["**"]
  - name: no visitors
    deny: [push]
    to: [issuer:ci]
    when: claims.visitor
    repositories: ["**"]
  - name: one role
    allow: [push]
    to: [aws:123456789012]
    when: claims.arn.startsWith("arn:aws:sts::") && issuer == "" && subject.endsWith("/deploy")
    repositories: ["**"]
`

func TestEvaluate(t *testing.T) {
	p := parse(t, conditions)
	sameAfterJSON(t, p)
	ci := access.Principal{Kind: access.Issuer, Name: "ci", Subject: "x"}
	role := access.Principal{Kind: access.AWS, Name: "123456789012", Subject: "arn:aws:iam::123456789012:role/deploy"}
	for _, c := range []struct {
		name   string
		who    access.Principal
		claims string
		want   string // the actions that are allowed
	}{
		{"nothing but what is required", ci, `{"owner": "acme", "visitor": false}`, "pull"},
		{"the group's claim", ci, `{"owner": "acme", "visitor": false, "ref": "refs/heads/main"}`, "pull push"},
		{"a list, and a number", ci, `{"owner": "acme", "visitor": false, "groups": ["a", "admins"], "attempt": 1}`, "pull delete"},
		{"a list that is none", ci, `{"owner": "acme", "visitor": false, "groups": "admins", "attempt": 1}`, "pull"},
		{"what denies", ci, `{"owner": "acme", "visitor": true, "ref": "refs/heads/main"}`, "pull"},
		{"what denies is in doubt", ci, `{"owner": "acme", "ref": "refs/heads/main"}`, "pull"},
		{"what denies is no truth value", ci, `{"owner": "acme", "visitor": "no", "ref": "refs/heads/main"}`, "pull"},
		{"another issuer", access.Principal{Kind: access.Issuer, Name: "other"}, `{"ref": "refs/heads/main", "visitor": false}`, ""},
		{"a role", role, `{"arn": "arn:aws:sts::123456789012:assumed-role/deploy/x"}`, "push"},
		{"a user", access.Principal{Kind: access.AWS, Name: "123456789012", Subject: "arn:aws:iam::123456789012:user/deploy"}, `{"arn": "arn:aws:iam::123456789012:user/deploy"}`, ""},
	} {
		who, err := Evaluate(p, c.who, claims(t, c.claims))
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		var may []string
		for _, a := range []access.Action{access.Pull, access.Push, access.Delete} {
			if p.Decide(who, "a", a).Tags.All() {
				may = append(may, string(a))
			}
		}
		if got := strings.Join(may, " "); got != c.want {
			t.Errorf("%s: got %q, want %q (holds %q)", c.name, got, c.want, who.Holds)
		}
	}
}

func claims(t *testing.T, text string) map[string]any {
	t.Helper()
	var c map[string]any
	if err := json.Unmarshal([]byte(text), &c); err != nil {
		t.Fatal(err)
	}
	return c
}

func TestEvaluateRequires(t *testing.T) {
	p := parse(t, conditions)
	ci := access.Principal{Kind: access.Issuer, Name: "ci"}
	for _, c := range []map[string]any{nil, {}, {"owner": "evil"}, {"owner": 1}, {"owner": []any{"acme"}}} {
		if _, err := Evaluate(p, ci, c); !errors.Is(err, ErrUnmet) {
			t.Errorf("claims %v: got %v, want ErrUnmet", c, err)
		}
	}
	if _, err := Evaluate(p, access.Principal{Kind: access.Issuer, Name: "gone"}, nil); err == nil {
		t.Error("a principal of an issuer that is not named was taken")
	}
}

// Ids of another policy, or made up, are not carried along.
func TestEvaluateForgetsWhatHeld(t *testing.T) {
	p := parse(t, conditions)
	who, err := Evaluate(p, access.Principal{Kind: access.User, Name: "a", Holds: []string{"x"}}, nil)
	if err != nil || who.Holds != nil {
		t.Errorf("a user holds %q, %v", who.Holds, err)
	}
	who, err = Evaluate(p, access.Principal{Kind: access.Issuer, Name: "ci", Holds: []string{"x"}}, claims(t, `{"owner": "acme"}`))
	if err != nil || slices.Contains(who.Holds, "x") {
		t.Errorf("a principal of an issuer holds %q, %v", who.Holds, err)
	}
}

// An expression that looks at a million pairs stops, and is in doubt.
func TestEvaluateIsBounded(t *testing.T) {
	p := parse(t, withWhen("claims.l.exists(a, claims.l.exists(b, claims.l.exists(c, a + b + c == 'x')))"))
	long := make([]any, 1000)
	for i := range long {
		long[i] = "y"
	}
	who, err := Evaluate(p, access.Principal{Kind: access.Issuer, Name: "a"}, map[string]any{"l": long})
	if err != nil || len(who.Holds) != 1 || !strings.HasPrefix(who.Holds[0], access.InDoubt) {
		t.Errorf("got %q, %v, want one in doubt", who.Holds, err)
	}
}

func BenchmarkEvaluate(b *testing.B) {
	p := parse(b, conditions)
	ci := access.Principal{Kind: access.Issuer, Name: "ci"}
	for b.Loop() {
		if _, err := Evaluate(p, ci, map[string]any{"owner": "acme", "ref": "x"}); err != nil {
			b.Fatal(err)
		}
	}
}
