package main

import (
	"os"
	"strings"
	"testing"
)

// Any other program would run, count nothing, and be told apart from a suite
// only by its lack of a report.
func TestIdentifyRefusesOtherPrograms(t *testing.T) {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := identify(self); err == nil || !strings.Contains(err.Error(), "was built from") {
		t.Errorf("this test: got %v, want to read what it was built from", err)
	}
	if _, err := identify("suite_test.go"); err == nil {
		t.Error("a text file: got no error")
	}
}

// The suites must not see each other's settings, or those of whoever calls.
func TestOwnEnvHasNoSettingsOfASuite(t *testing.T) {
	t.Setenv("OCI_VERSION", "1.0")
	t.Setenv("OTHER", "stays")
	env := strings.Join(ownEnv(), "\n")
	if strings.Contains(env, "OCI_VERSION") || !strings.Contains(env, "OTHER=stays") {
		t.Errorf("got %q", env)
	}
}
