package target

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"

	"github.com/berthregistry/berth/bench/client"
)

// Who is known to a registry with access control: Builder may do all, Limited
// may pull LimitedTag. They share a password.
const (
	Builder    = "builder"
	Limited    = "limited"
	LimitedTag = "zz-limited"
	password   = "correct horse"
)

// users is the password file; bcrypt, and as cheap as it can be.
const users = Builder + hashed + Limited + hashed

const hashed = ":$2a$05$ehHLEgvNLjJSP0D1mzpugePN.u9h3kie6U8ajeReo28NpU35WFbD.\n"

const policy = `rules:
  - name: builds
    allow: [pull, push, delete]
    to: [user:` + Builder + `]
    repositories: [bench/**]
  - name: one tag
    allow: [pull]
    to: [user:` + Limited + `]
    repositories: [bench/**]
    tags: [` + LimitedTag + `]
`

// Guarded is Berth with access control. Its client is Builder.
func Guarded(ctx context.Context, binary, dir string) (*Target, error) {
	addr, err := freeAddr()
	if err != nil {
		return nil, fmt.Errorf("start berth: %w", err)
	}
	rules, passwords := filepath.Join(dir, "policy.yaml"), filepath.Join(dir, "users")
	if err := os.WriteFile(rules, []byte(policy), 0o600); err != nil {
		return nil, fmt.Errorf("write a policy: %w", err)
	}
	if err := os.WriteFile(passwords, []byte(users), 0o600); err != nil {
		return nil, fmt.Errorf("write a password file: %w", err)
	}
	cmd := exec.CommandContext(ctx, binary, "serve", "--listen", addr, "--data", filepath.Join(dir, "guarded"),
		"--policy", rules, "--users", passwords)
	return startUntil(ctx, logIn, startTimeout, "guarded", dir, addr, cmd)
}

// logIn has the client ask as Builder, and says whether that is answered.
func logIn(c *client.Client, ctx context.Context) error {
	c.LogIn(Builder, password)
	return c.Ping(ctx)
}

// Token fetches a token for all that a user may do in a repository.
func (t *Target) Token(ctx context.Context, user, repo string) (string, error) {
	return t.Client.Token(ctx, user, password, "repository:"+repo+":pull,push,delete")
}
