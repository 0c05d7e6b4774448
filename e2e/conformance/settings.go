package main

import (
	"fmt"
	"os"
	"path/filepath"
)

// sparse are the settings of a registry that takes manifests whose children
// are missing.
const sparse = `repositories:
  - pattern: conformance/sparse/**
    indexes: none
    images: none
`

// Who the suite is where the registry asks, and what the file of passwords says
// of it.
const (
	user     = "conformance"
	password = "correct horse"
	users    = user + ":$2a$05$ehHLEgvNLjJSP0D1mzpugePN.u9h3kie6U8ajeReo28NpU35WFbD.\n"
)

// policy lets that user do all that the suite does, and nobody anything else.
const policy = `rules:
  - name: the suite
    allow: [pull, push, delete]
    to: [user:` + user + `]
    repositories: [conformance/**]
`

// guard writes policy and passwords to dir, and returns the flags of berth
// serve that name them.
func guard(dir string) ([]string, error) {
	rules, passwords := filepath.Join(dir, "policy.yaml"), filepath.Join(dir, "users")
	for file, text := range map[string]string{rules: policy, passwords: users} {
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			return nil, fmt.Errorf("write who may do what: %w", err)
		}
	}
	return []string{"--policy", rules, "--users", passwords}, nil
}
