package iam

import (
	"regexp"
	"strings"
	"testing"
	"unicode/utf8"
)

// The regular expression of the same meaning finds the same.
func FuzzMatch(f *testing.F) {
	f.Add("a*c", "abc")
	f.Add("*??xy", "€xy")
	f.Add("a*b*c?", "aXbXbYc.")
	f.Add("**", "")
	f.Fuzz(func(t *testing.T, pattern, text string) {
		if !utf8.ValidString(pattern) || !utf8.ValidString(text) {
			return
		}
		expression := regexp.QuoteMeta(pattern)
		expression = strings.ReplaceAll(expression, `\*`, `.*`)
		expression = strings.ReplaceAll(expression, `\?`, `.`)
		want := regexp.MustCompile(`(?s)^(?:` + expression + `)$`).MatchString(text)
		if got := match(pattern, text); got != want {
			t.Errorf("match(%q, %q): got %v, want %v", pattern, text, got, want)
		}
	})
}

// A pattern that backtracks everywhere is still done in no time.
func TestMatchIsNotExponential(t *testing.T) {
	if match(strings.Repeat("*a", 1000)+"b", strings.Repeat("a", 10_000)) {
		t.Error("got a match of what ends otherwise")
	}
}
