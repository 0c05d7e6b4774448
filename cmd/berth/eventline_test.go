package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/berthregistry/berth/shared/oci"
)

// sampleEvent reads one of those that the repository has of each type.
func sampleEvent(t *testing.T, kind string) []byte {
	t.Helper()
	raw, err := os.ReadFile(filepath.Join("..", "..", "events", "sample", "dev.berth."+kind+".json"))
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

func printed(t *testing.T, p eventPrinter, raw []byte) string {
	t.Helper()
	var out strings.Builder
	p.out = &out
	if p.now == nil {
		p.now = time.Now
	}
	if err := p.print(raw); err != nil {
		t.Error(err)
	}
	return out.String()
}

func TestEveryTypeOfEventHasALine(t *testing.T) {
	here := time.Local
	time.Local = time.UTC
	t.Cleanup(func() { time.Local = here })
	at := time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
	line := printed(t, eventPrinter{now: func() time.Time { return at }}, sampleEvent(t, "referrer.attached"))
	want := "10:01:07  referrer.attached   sha256:9834876dcfb0  1.4.2, latest  ← application/spdx+json  sha256:55d9689d1d1a  by robot:ci\n"
	if line != want {
		t.Errorf("got  %swant %s", line, want)
	}
	line = printed(t, eventPrinter{now: func() time.Time { return at.AddDate(0, 0, 1) }}, sampleEvent(t, "referrer.attached"))
	if !strings.HasPrefix(line, "2026-11-22 10:01:07  ") {
		t.Errorf("of another day: %s", line)
	}
	for _, kind := range strings.Split(allKinds(), ", ") {
		raw := sampleEvent(t, kind)
		line := printed(t, eventPrinter{}, raw)
		if !strings.Contains(line, "  "+kind+" ") || strings.Count(line, "\n") != 1 || len(strings.Fields(line)) < 3 {
			t.Errorf("%s: %q", kind, line)
		}
		whole := printed(t, eventPrinter{whole: true}, raw)
		if strings.Count(whole, "\n") != 1 || !strings.HasPrefix(whole, `{"specversion":"1.0","id":"`) {
			t.Errorf("%s as JSON: %q", kind, whole)
		}
	}
}

// What is printed of an event is what strangers wrote.
func TestALineCommandsNoTerminal(t *testing.T) {
	raw := strings.ReplaceAll(string(sampleEvent(t, "referrer.attached")), "application/spdx+json", `a\u001b[2J\nb`)
	raw = strings.ReplaceAll(raw, `"latest"`, `"\u202elatest\r"`)
	raw = strings.ReplaceAll(raw, "robot:ci", `\u009bx`)
	line := printed(t, eventPrinter{}, []byte(raw))
	if strings.ContainsAny(strings.TrimSuffix(line, "\n"), "\x1b\r\n\u202e\u009b") {
		t.Errorf("got %q", line)
	}
}

// JSON for programs is seen in terminals too. Its values stay as they are.
func TestJSONCommandsNoTerminal(t *testing.T) {
	raw := strings.ReplaceAll(string(sampleEvent(t, "referrer.attached")), "application/spdx+json", "a\u009b2J\u202e\x7f\x9bb\ufffd")
	line := printed(t, eventPrinter{whole: true}, []byte(raw))
	if !utf8.ValidString(line) || strings.ContainsAny(line, "\u009b\u202e\x7f") {
		t.Errorf("got %q", line)
	}
	if !strings.Contains(line, `"a\u009b2J\u202e\u007f`+"\ufffdb\ufffd") {
		t.Errorf("the value is another in %s", line)
	}
}

func TestEventsThatNameSomething(t *testing.T) {
	const subject, sbom = "sha256:9834876dcfb05cb167a5c24953eba58c4ac89b1adf57f28f2f9d09af107ee8f0", "sha256:55d9689d1d1a5b2a6e3ff6dd64e0ee7dcd9b9a5d9d1d1f9a1c8a9b1e3a6a9f10"
	attached := sampleEvent(t, "referrer.attached")
	many := strings.Replace(string(attached), `"referrers"`, `"tagsTruncated": true, "referrers"`, 1)
	for _, c := range []struct {
		only naming
		raw  []byte
		want bool
	}{
		{naming{}, attached, true},
		{naming{tag: "latest"}, attached, true},
		{naming{tag: "1.4"}, attached, false},
		{naming{tag: "1.4"}, []byte(many), true}, // it could be
		{naming{digest: subject}, attached, true},
		{naming{digest: sbom}, attached, true},
		{naming{digest: sbom, tag: "latest"}, attached, true},
		{naming{digest: oci.Digest(strings.Replace(sbom, "5", "6", 1))}, attached, false},
		{naming{tag: "latest"}, sampleEvent(t, "repository.created"), false},
		{naming{tag: "latest"}, sampleEvent(t, "manifest.pushed"), false},
	} {
		if got := printed(t, eventPrinter{only: c.only}, c.raw) != ""; got != c.want {
			t.Errorf("%+v in %.200s: got %t, want %t", c.only, c.raw, got, c.want)
		}
	}
	moved := string(sampleEvent(t, "tag.moved"))
	for _, member := range []string{"tag", "digest", "previous"} {
		_, value, _ := strings.Cut(moved, fmt.Sprintf("%q: \"", member))
		value, _, _ = strings.Cut(value, `"`)
		only := naming{digest: oci.Digest(value)}
		if member == "tag" {
			only = naming{tag: value}
		}
		if value == "" || printed(t, eventPrinter{only: only}, []byte(moved)) == "" {
			t.Errorf("%s %q is not found in %s", member, value, moved)
		}
	}
}

func TestWhatIsNoEvent(t *testing.T) {
	for _, raw := range []string{"", "[]", `{"data":[]}`, `{"id":1}`, `{"id":"x","data":{"tag":1}}`} {
		if err := (&eventPrinter{out: new(strings.Builder), now: time.Now}).print([]byte(raw)); err == nil {
			t.Errorf("%q is printed", raw)
		}
	}
}
