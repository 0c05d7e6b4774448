// Package functions_test is about what all functions have in common.
package functions_test

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// each calls a test with the folder of each function.
func each(t *testing.T, test func(t *testing.T, name string)) {
	t.Helper()
	mains, err := filepath.Glob("*/main.go")
	if err != nil || len(mains) == 0 {
		t.Fatalf("no functions found: %v", err)
	}
	for _, main := range mains {
		name := filepath.Dir(main)
		t.Run(name, func(t *testing.T) { test(t, name) })
	}
}

// A function reads its settings, assembles, and hands over. What is more
// belongs into a package that has tests.
func TestMainsAreThin(t *testing.T) {
	each(t, func(t *testing.T, name string) {
		source, err := os.ReadFile(filepath.Join(name, "main.go"))
		if err != nil {
			t.Fatal(err)
		}
		if lines := bytes.Count(source, []byte("\n")); lines >= 30 {
			t.Errorf("%d lines, want fewer than 30", lines)
		}
	})
}

// A function that lacks its settings says what it lacks and ends: Lambda then
// has that in the log, and refuses requests.
func TestFunctionWithoutSettings(t *testing.T) {
	dir := t.TempDir()
	if out, err := exec.CommandContext(t.Context(), "go", "build", "-o", dir, "./...").CombinedOutput(); err != nil {
		t.Fatalf("build: %v\n%s", err, out)
	}
	each(t, func(t *testing.T, name string) {
		function := exec.CommandContext(t.Context(), filepath.Join(dir, name))
		function.Env = []string{"BERTH_TABLE=items", "BERTH_HEAD_LENGTH=guessed"}
		out, err := function.CombinedOutput()
		var exit *exec.ExitError
		if !errors.As(err, &exit) || exit.ExitCode() != 1 {
			t.Errorf("it ended with %v, want exit status 1", err)
		}
		for _, want := range []string{name + ": ", "BERTH_BUCKET is not set", "BERTH_HEAD_LENGTH", "AWS_REGION is not set"} {
			if !strings.Contains(string(out), want) {
				t.Errorf("it said %q, without %q", out, want)
			}
		}
		if bytes.Count(out, []byte("\n")) != 1 {
			t.Errorf("it said more than one line: %q", out)
		}
	})
}

// What makes tokens is heavy: expressions, issuers, parameters. The functions
// that carry bytes would pay for it at each cold start, if they linked it.
func TestOnlyTokenIsHeavy(t *testing.T) {
	heavy := []string{
		"cel.dev/cel-go/", "github.com/coreos/go-oidc/", "github.com/aws/aws-sdk-go-v2/service/ssm",
		"github.com/berthregistry/berth/shared/access/desk", "github.com/berthregistry/berth/shared/access/document",
	}
	each(t, func(t *testing.T, name string) {
		out, err := exec.CommandContext(t.Context(), "go", "list", "-deps", "./"+name).Output()
		if err != nil {
			t.Fatal(err)
		}
		for _, prefix := range heavy {
			if linked := strings.Contains("\n"+string(out), "\n"+prefix); linked != (name == "token") {
				t.Errorf("links %s: %v", prefix, linked)
			}
		}
	})
}
