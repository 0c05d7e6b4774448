package main

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/alecthomas/kong"

	"github.com/berthregistry/berth/shared/access/document"
	"github.com/berthregistry/berth/shared/settings"
)

// What the README shows is what there is: its settings parse, its commands
// exist, its links lead somewhere, its tree was drawn by berth tree.
func TestReadme(t *testing.T) {
	root, err := filepath.Abs(filepath.Join("..", ".."))
	if err != nil {
		t.Fatal(err)
	}
	drawn, err := os.ReadFile(filepath.Join("testdata", "sparse-index.txt"))
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(filepath.Join(root, "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	readme := string(text)

	t.Chdir(t.TempDir())
	policies, files := 0, 0
	for _, block := range blocks(readme, "yaml") {
		var err error
		if strings.Contains(block, "\nrules:") {
			policies++
			err = os.WriteFile("policy.yaml", []byte(block), 0o600) // which the commands shown read
			if err != nil {
				t.Fatal(err)
			}
			_, err = document.Parse("README.md", []byte(block))
		} else {
			files++
			_, err = settings.Parse("README.md", []byte(block))
		}
		if err != nil {
			t.Errorf("YAML shown: %v", err)
		}
	}
	if policies == 0 || files == 0 {
		t.Errorf("%d policies and %d files of settings are shown", policies, files)
	}

	commandsShown := 0
	for _, block := range blocks(readme, "sh") {
		for line := range strings.Lines(block) {
			if args, ok := strings.CutPrefix(line, "go run ./cmd/berth "); ok {
				commandsShown++
				checkCommand(t, args)
			}
			if script, ok := strings.CutPrefix(line, "scripts/"); ok {
				checkFile(t, filepath.Join(root, "scripts", strings.Fields(script)[0]))
			}
		}
	}
	if commandsShown < 2 {
		t.Errorf("%d commands of berth are shown", commandsShown)
	}

	for _, link := range regexp.MustCompile(`\]\(([^):#]+)\)`).FindAllStringSubmatch(readme, -1) {
		checkFile(t, filepath.Join(root, link[1]))
	}
	if !strings.Contains(readme, "```\n"+string(drawn)+"```\n") {
		t.Error("the tree shown is not that of testdata/sparse-index.txt")
	}
}

// blocks returns the fenced blocks of a language.
func blocks(markdown, language string) []string {
	var out []string
	for _, m := range regexp.MustCompile("(?ms)^```"+language+"\n(.*?)^```$").FindAllStringSubmatch(markdown, -1) {
		out = append(out, m[1])
	}
	return out
}

func checkCommand(t *testing.T, line string) {
	t.Helper()
	line, _, _ = strings.Cut(line, "#")
	parser, err := kong.New(&commands{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := parser.Parse(strings.Fields(line)); err != nil {
		t.Errorf("berth %s: %v", line, err)
	}
}

func checkFile(t *testing.T, name string) {
	t.Helper()
	if _, err := os.Stat(name); err != nil {
		t.Errorf("the README names what is not there: %v", err)
	}
}
