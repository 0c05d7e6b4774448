package gateway

import (
	"bytes"
	"encoding/json"
	"testing"
	"unicode/utf8"
)

// quoted must say what aws-lambda-go will write, or an answer is refused there.
func TestQuoted(t *testing.T) {
	for c := range rune(0x3000) {
		checkQuoted(t, string(c))
	}
	for _, s := range []string{"", "\uFFFD", "\U0010FFFF", "\xff", "a\xc3", "\xed\xa0\x80", "\xf4\x90\x80\x80", "\u2028\u2029é\n\"\\\x7f"} {
		checkQuoted(t, s)
	}
}

func FuzzQuoted(f *testing.F) {
	f.Add("text")
	f.Add("\xff\u2028\"")
	f.Fuzz(checkQuoted)
}

func checkQuoted(t *testing.T, s string) {
	t.Helper()
	n, ok := quoted(s)
	if ok != utf8.ValidString(s) {
		t.Fatalf("quoted(%q) says UTF-8: %v", s, ok)
	}
	if !ok {
		return
	}
	var out bytes.Buffer
	encoder := json.NewEncoder(&out)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(s); err != nil {
		t.Fatal(err)
	}
	if want := out.Len() - len("\"\"\n"); n != want {
		t.Errorf("quoted(%q) = %d, want %d", s, n, want)
	}
}
