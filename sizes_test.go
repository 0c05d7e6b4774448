package berth_test

import (
	"bytes"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// The sizes past which a reader loses the thread. Most files are near 150
// lines and most functions near 10; these are the walls, not the aim.
const (
	maxFileLines     = 500
	maxFunctionLines = 100
)

func TestSizes(t *testing.T) {
	for _, file := range goFiles(t) {
		source, err := os.ReadFile(filepath.FromSlash(file))
		if err != nil {
			t.Fatal(err)
		}
		if lines := bytes.Count(source, []byte("\n")); lines > maxFileLines {
			t.Errorf("%s has %d lines, more than %d", file, lines, maxFileLines)
		}
		checkFunctions(t, file, source)
	}
}

func checkFunctions(t *testing.T, file string, source []byte) {
	t.Helper()
	positions := token.NewFileSet()
	parsed, err := parser.ParseFile(positions, file, source, parser.SkipObjectResolution)
	if err != nil {
		t.Fatal(err)
	}
	for _, decl := range parsed.Decls {
		fn, ok := decl.(*ast.FuncDecl)
		if !ok {
			continue
		}
		start := positions.Position(fn.Pos())
		lines := positions.Position(fn.End()).Line - start.Line + 1
		if lines > maxFunctionLines {
			t.Errorf("%s: %s has %d lines, more than %d", start, fn.Name.Name, lines, maxFunctionLines)
		}
	}
}

// goFiles lists every Go file of the tree, nested modules included, by its
// slash path from the root.
func goFiles(t *testing.T) []string {
	t.Helper()
	skip := []string{".git", ".cache", "node_modules", "dist", "testdata"}
	var files []string
	err := filepath.WalkDir(".", func(name string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case entry.IsDir() && slices.Contains(skip, entry.Name()):
			return fs.SkipDir
		case !entry.IsDir() && strings.HasSuffix(name, ".go"):
			files = append(files, filepath.ToSlash(name))
		}
		return nil
	})
	if err != nil {
		t.Fatalf("walk the tree: %v", err)
	}
	if len(files) == 0 {
		t.Fatal("no Go files found: is the test running at the root?")
	}
	return files
}

// inNestedModule reports whether a folder between file and the root has a
// go.mod of its own.
func inNestedModule(t *testing.T, file string) bool {
	t.Helper()
	for dir := path.Dir(file); dir != "."; dir = path.Dir(dir) {
		if _, err := os.Stat(filepath.Join(filepath.FromSlash(dir), "go.mod")); err == nil {
			return true
		}
	}
	return false
}
