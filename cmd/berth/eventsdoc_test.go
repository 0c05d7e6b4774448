package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/alecthomas/kong"

	"github.com/berthregistry/berth/shared/registry"
	"github.com/berthregistry/berth/shared/settings"
)

// What docs/events.md shows is what there is.
func TestEventsDoc(t *testing.T) {
	text, err := os.ReadFile(filepath.Join("..", "..", "docs", "events.md"))
	if err != nil {
		t.Fatal(err)
	}
	doc := string(text)
	for _, kind := range registry.Kinds() {
		if !strings.Contains(doc, "\n| `"+string(kind)+"` |") {
			t.Errorf("there is no line about %s", kind)
		}
	}
	shown := blocks(doc, "json")
	var got, want any
	if err := json.Unmarshal([]byte(shown[0]), &got); err != nil {
		t.Error(err)
	}
	if err := json.Unmarshal(sampleEvent(t, "referrer.attached"), &want); err != nil {
		t.Error(err)
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("the event that is shown is not the sample:\n got %v\nwant %v", got, want)
	}
	for _, block := range shown[1:] {
		if !json.Valid([]byte(block)) {
			t.Errorf("no JSON: %s", block)
		}
	}
	for _, block := range blocks(doc, "yaml") {
		if _, err := settings.Parse("events.md", []byte(block)); err != nil {
			t.Errorf("settings shown: %v", err)
		}
	}
	commandsExist(t, doc)
}

// commandsExist parses what a text has one type.
func commandsExist(t *testing.T, doc string) {
	t.Helper()
	n := 0
	for _, block := range blocks(doc, "sh") {
		for line := range strings.Lines(block) {
			args, ok := strings.CutPrefix(line, "berth ")
			if !ok {
				continue
			}
			n++
			parser, err := kong.New(&commands{}, kong.Exit(func(int) {}))
			if err != nil {
				t.Fatal(err)
			}
			if _, err := parser.Parse(strings.Fields(args)); err != nil {
				t.Errorf("berth %s: %v", strings.TrimSpace(args), err)
			}
		}
	}
	if n == 0 {
		t.Error("no commands are shown")
	}
}
