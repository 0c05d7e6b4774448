package main

import (
	"bytes"
	"encoding/json"
	"os"
	"reflect"
	"regexp"
	"strings"
	"testing"
	"unicode"
)

// The JSON means what strangers wrote, and nothing in it commands a terminal.
func FuzzTreeJSON(f *testing.F) {
	for _, s := range []string{"", "plain", "\x1b[2J", "\u009b2J", "\u202e", "\x7f", "\xff\xfe", "<&>", "\u2028", "\U0001f6a2", "\U000e0001", `\u001b`, "a\nb"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		var out bytes.Buffer
		if err := drawJSON(&out, s, &node{digest: s, state: here, nature: nature{kind: kindImage}}); err != nil {
			t.Fatal(err)
		}
		for _, r := range out.String() {
			if r != '\n' && !unicode.IsPrint(r) {
				t.Errorf("%q is printed for %q", r, s)
			}
		}
		var got treeDocument
		if err := json.Unmarshal(out.Bytes(), &got); err != nil {
			t.Fatalf("%v: %s", err, out.Bytes())
		}
		want := string([]rune(s)) // JSON is UTF-8
		if got.Reference != want || got.Root.Digest != want {
			t.Errorf("got %q, want %q", got.Reference, want)
		}
	})
}

// The manual names every field, and its example is one that is printed.
func TestTreeManual(t *testing.T) {
	raw, err := os.ReadFile("../../docs/tree.md")
	if err != nil {
		t.Fatal(err)
	}
	manual := string(raw)
	for _, of := range []reflect.Type{reflect.TypeFor[treeDocument](), reflect.TypeFor[nodeDocument]()} {
		for i := range of.NumField() {
			name, _, _ := strings.Cut(of.Field(i).Tag.Get("json"), ",")
			if !strings.Contains(manual, "`"+name+"`") {
				t.Errorf("the manual does not say what %q is", name)
			}
		}
	}
	for _, value := range []string{
		string(here), string(missing), string(repeated), string(unread), string(listed), string(kindIndex), string(kindImage),
		string(kindArtifact), string(kindSignature), string(kindAttestation), string(kindSBOM), string(kindBlob),
	} {
		if !strings.Contains(manual, "`"+value+"`") {
			t.Errorf("the manual does not say what %q means", value)
		}
	}
	for _, n := range natures {
		if !strings.Contains(manual, "`"+n.format+"`") {
			t.Errorf("the manual does not know the format %q", n.format)
		}
	}
	example := regexp.MustCompile("(?s)```json\n(.*?)```").FindStringSubmatch(manual)
	if example == nil {
		t.Fatal("the manual has no example")
	}
	want, err := os.ReadFile("testdata/signed.json")
	if err != nil {
		t.Fatal(err)
	}
	if example[1] != string(want) {
		t.Error("the example in the manual is not testdata/signed.json")
	}
}
