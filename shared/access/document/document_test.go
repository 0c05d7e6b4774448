package document

import (
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/berthregistry/berth/shared/access"
)

// example is the one of the package comment.
func example(t testing.TB) string {
	t.Helper()
	source, err := os.ReadFile("document.go")
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	for line := range strings.Lines(string(source)) {
		if text, ok := strings.CutPrefix(line, "//\t"); ok {
			b.WriteString(text)
		}
	}
	return b.String()
}

func parse(t testing.TB, text string) *access.Policy {
	t.Helper()
	p, err := Parse("policy.yaml", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestExample(t *testing.T) {
	p := parse(t, example(t))
	if _, err := Test("policy.yaml", []byte(example(t))); err != nil {
		t.Errorf("its tests: %v", err)
	}
	who := func(text string) access.Principal {
		t.Helper()
		who, err := access.ParsePrincipal(text)
		if err != nil {
			t.Fatal(err)
		}
		return who
	}
	for _, c := range []struct {
		who       string
		action    access.Action
		tag, want string // the tag "" is the whole repository
		rule      string
	}{
		{"user:alice", access.Push, "", "allowed", "builders push"},
		{"user:bob", access.Pull, "", "denied", ""},
		{"aws:arn:aws:iam::123456789012:role/deploy-app", access.Attach, "", "allowed", "builders push"},
		{"aws:arn:aws:iam::210987654321:role/deploy-app", access.Attach, "", "denied", ""},
		{"robot:production", access.Pull, "release-1", "allowed", "rule 2"},
		{"robot:production", access.Pull, "main", "denied", ""},
		{"robot:production", access.Pull, "", "allowed for some tags only", "rule 2"},
		{"user:alice", access.Delete, "release-1", "denied", "rule 3"},
	} {
		e := Explain(p, who(c.who), "team/app", c.tag, c.action)
		if string(e.Answer) != c.want || e.Rule != c.rule {
			t.Errorf("%s %s %q: got %s by %q, want %s by %q", c.who, c.action, c.tag, e.Answer, e.Rule, c.want, c.rule)
		}
	}
}

func TestEmptyPolicyAllowsNothing(t *testing.T) {
	for _, text := range []string{"", "# nothing yet\n", "rules: []\n"} {
		p := parse(t, text)
		if d := p.Decide(access.Principal{Kind: access.User, Name: "a"}, "a", access.Pull); d.Allowed() || p.Version() == "" {
			t.Errorf("%q: got %+v in version %q, want nothing allowed", text, d, p.Version())
		}
	}
}

const rule = "rules:\n- allow: [pull]\n  to: [user:a]\n  repositories: [a]\n"

// Each error begins with where it is: the line and column of what is wrong, or
// of the part that lacks it.
func TestParseRefuses(t *testing.T) {
	for _, c := range []struct{ text, want string }{
		// YAML.
		{"a: [", "1:"},
		{"- a", "1:1: "},
		{"just text", "1:1: "},
		{"rules: []\n---\nrules: []\n", "more than one YAML document"},
		{strings.Repeat("[", 1000), "brackets"},
		{strings.Repeat("- ", 50_000), "lists in lists"}, // the YAML package takes 12 s for it
		{strings.Repeat("# x\n", 30<<10), "at most 102400 bytes"},
		{"colour: red", `1:1: unknown field "colour"`},
		{"rules: []\nrules: []\n", "2:1: "},
		{rule + "  colour: red\n", `5:3: unknown field "colour"`},
		{"audience: &a [x]\ngroups: *a\n", "1:11: anchors"},
		{"audience: [*x]\n", "1:12: "},
		{"audience: [!!str x]\n", "1:12: types of YAML"},
		{"audience: [a, 1]\n", "1:15: text is expected here: put quotes around 1"},
		{"audience: x\n", "1:11: "},
		{"rules:\n- {allow: [admin], to: [user:a]}\n", "2:25: text is expected here: put quotes around it"},
		{"audience: [[x]]\n", "1:12: "},
		// What has no value may be what was to limit a rule.
		{rule + "  tags:\n", "5:3: tags has no value"},
		{rule + "  tags: []\n", "5:3: tags has no value"},
		{rule + "  tags: [a, ]\n  when: ''\n", "6:3: when has no value"},
		{rule + "  when:\n", "5:3: when has no value"},
		{rule + "  tags: [~]\n", "5:10: this entry is empty"},
		{"aws: {}\n", "1:1: aws has no value"},
		// Rules.
		{rule + "  deny: [push]\n", "5:9: a rule allows or denies, not both"},
		{"rules:\n- to: [user:a]\n", "2:3: this rule has neither allow nor deny"},
		{"rules:\n- allow: [pull]\n  to: [user:a]\n", "2:3: no repositories are listed"},
		{"rules:\n- allow: [pull]\n  repositories: [a]\n", "2:3: nobody is listed"},
		{"rules:\n- allow: [fly]\n", `2:11: "fly" is no action`},
		{"rules:\n- deny: [pull, pull]\n", "2:16: pull is there already"},
		{"rules:\n- allow: [admin]\n  to: [user:a]\n  tags: [x]\n", "4:9: admin is of the whole registry"},
		{"rules:\n- allow: [admin, pull]\n  to: [user:a]\n  repositories: [a]\n", "2:11: admin is of the whole registry"},
		{rule + "  tags: [-x]\n", `5:10: pattern "-x" fits no tag`},
		{"rules:\n- allow: [pull]\n  to: [user:a]\n  repositories: [A]\n", "4:18: pattern"},
		{rule + "- name: rule 1\n" + rule[len("rules:\n- "):len("rules:\n- ")], "5:3: "},
		{rule + "- name: rule 1\n  allow: [admin]\n  to: [user:a]\n", `5:9: there is another rule "rule 1"`},
		{"rules:\n- allow: [push]\n  to: [user:a, anyone]\n  repositories: [a]\n", "2:10: anyone and anonymous can be allowed pull only"},
		// Whom.
		{"rules:\n- allow: [admin]\n  to: [alice]\n", `3:8: "alice" is nobody`},
		{"rules:\n- allow: [admin]\n  to: [group:x]\n", `3:8: there is no group "x"`},
		{"rules:\n- allow: [admin]\n  to: [issuer:x]\n", `3:8: there is no issuer "x"`},
		{"rules:\n- allow: [admin]\n  to: [aws:123456789012]\n", `3:8: account "123456789012" is not among`},
		{"rules:\n- allow: [admin]\n  to: [user:a]\n  when: 'true'\n", "3:8: user:a has no claims"},
		{"groups:\n- name: a\n  members: [anyone]\n", `3:13: "anyone" cannot be a member`},
		{"groups:\n- name: a\n  members: [group:a]\n", "3:13: a group cannot be a member"},
		{"groups:\n- name: a\n- name: a\n", `3:9: there is another group "a"`},
		{"groups:\n- name: a b\n", `2:9: "a b" is no name of a group`},
		// From whom principals are taken.
		{"aws:\n  accounts: ['123456789012']\n", "1:1: an audience is needed"},
		{"issuers:\n- name: a\n  url: https://a\n", "1:1: an audience is needed"},
		{"audience: [x]\naws:\n  accounts: [123456789012]\n", "3:14: text is expected here: put quotes"},
		{"audience: [x]\naws:\n  accounts: ['12']\n", `3:14: "12" is no number`},
		{"audience: [x]\nissuers:\n- name: a\n  url: http://a.example\n", "4:8: an issuer's url begins with https://"},
		{"audience: [x]\nissuers:\n- name: a\n  url: https://a?b\n", "4:8: "},
		{"audience: [x]\nissuers:\n- name: a\n", "3:3: this issuer has no url"},
		{"audience: [x]\nissuers:\n- name: a\n  url: https://token.actions.githubusercontent.com\n", "3:3: token.actions.githubusercontent.com vouches for everybody"},
		// Expressions.
		{withWhen("claims.a == "), "9:21: "},
		{withWhen("nobody == 'x'"), "9:9: undeclared reference to 'nobody'"},
		{withWhen("claims.a"), ""}, // it can be told only when it is evaluated
		{withWhen(`'1 + claims.a'`), "9:10: the expression is of type int"},
		{withWhen(`'"a" + "b"'`), "9:10: the expression is of type string"},
		{withWhen(`"subject + 1 == 'x'"`), "9:18: found no matching overload"},
		{withWhen("|\n    true &&\n    nobody"), "(line 2, column 1 of the expression)"},
		{withWhen(strings.Repeat("(", 200) + "true" + strings.Repeat(")", 200)), "9:"},
		{withWhen(strings.Repeat("!", 5000) + "true"), "9:"},
		// Tests.
		{"tests:\n- who: alice\n", `2:8: "alice" is no principal`},
		{"tests:\n- who: user:a\n  action: fly\n", `3:11: "fly" is no action`},
		{"tests:\n- who: user:a\n  action: pull\n  repository: a\n", "2:3: want is allow or deny"},
		{"tests:\n- who: issuer:x\n", `2:8: there is no issuer "x"`},
		{"tests:\n- who: user:a\n  claims: {}\n", "3:11: only principals of issuers"},
	} {
		_, err := Parse("policy.yaml", []byte(c.text))
		if c.want == "" {
			if err != nil {
				t.Errorf("%q: %v", c.text, err)
			}
			continue
		}
		switch {
		case err == nil:
			t.Errorf("%.200q was taken, want an error with %q", c.text, c.want)
		case !strings.HasPrefix(err.Error(), "policy.yaml:"+c.want) && !strings.Contains(err.Error(), " "+c.want) || strings.Contains(err.Error(), "\n"):
			t.Errorf("%.200q: got %q, want %q", c.text, err, c.want)
		}
	}
}

// withWhen is a policy with an expression at line 9, column 9.
func withWhen(when string) string {
	return "audience: [x]\nissuers:\n- name: a\n  url: https://a\nrules:\n- allow: [pull]\n  to: [issuer:a]\n  repositories: [a]\n  when: " + when + "\n"
}

func TestTooManyRules(t *testing.T) {
	text := "rules:\n" + strings.Repeat("- {allow: [admin], to: ['user:a']}\n", access.MaxRules+1)
	if _, err := Parse("p", []byte(text)); err == nil || !strings.HasPrefix(err.Error(), "p:") || !strings.Contains(err.Error(), "1001 rules") {
		t.Errorf("got %v", err)
	}
}

var withPlace = regexp.MustCompile(`^p(:\d+:\d+)?: [^\n]+$`)

// What is taken decides without a panic, survives JSON, and is the same policy
// then; what is refused is refused in one line.
func FuzzParse(f *testing.F) {
	f.Add([]byte(example(f)))
	f.Add([]byte(withWhen("claims.x == 'y'")))
	for _, text := range []string{"a: !!", "? [a", "rules: [{allow: [pull]", "tests:\n- claims: {a: [], b: ~}", "a: &a [*a]", "- \x00"} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		p, err := Parse("p", text)
		if err != nil {
			if !withPlace.MatchString(err.Error()) {
				t.Errorf("got %q, want one line", err)
			}
			return
		}
		sameAfterJSON(t, p)
		for _, who := range []access.Principal{{}, {Kind: access.User, Name: "a"}, {Kind: access.Issuer, Name: "github"}} {
			who, err := Evaluate(p, who, map[string]any{"x": "y"})
			if err != nil {
				continue
			}
			for _, a := range actions {
				if d := p.Decide(who, "team/app", a); d.Allowed() && d.Rule == "" {
					t.Errorf("%s may %s by no rule", who, a)
				}
				_ = Explain(p, who, "team/app", "x", a).String()
			}
		}
	})
}
