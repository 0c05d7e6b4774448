package e2e

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"sync"
	"testing"

	"github.com/berthregistry/berth/e2e/berth"
)

// A guardedRegistry is a registry with the access control of policy.yaml, which
// some tests share. It starts when the first of them asks for it.
type guardedRegistry struct {
	start  sync.Once
	err    error
	server *berth.Server
	binary string   // the berth command
	env    []string // what berth is told about who it is run by

	mu     sync.Mutex
	robots map[string]account
}

var guard guardedRegistry

// guarded returns the registry with access control.
func guarded(t *testing.T) *guardedRegistry {
	t.Helper()
	if os.Getenv("BERTH_E2E_URL") != "" {
		t.Skip("the registry at BERTH_E2E_URL has a policy of its own, if any")
	}
	guard.start.Do(func() { guard.err = guard.run(context.Background()) })
	if guard.err != nil {
		t.Fatalf("start a registry with access control: %v", guard.err)
	}
	return &guard
}

// scratch is a folder that is gone after the tests.
var scratch string

func (g *guardedRegistry) run(ctx context.Context) error {
	g.robots = map[string]account{}
	var err error
	if g.binary, err = builtBerth(); err != nil {
		return err
	}
	policy, err := filepath.Abs("policy.yaml")
	if err != nil {
		return err
	}
	if os.Getenv("BERTH_E2E_CLOUD") != "" {
		return g.runCloud(ctx, policy)
	}
	return g.runServe(ctx, policy)
}

// The password of root is "correct horse".
const users = "root:$2a$05$ehHLEgvNLjJSP0D1mzpugePN.u9h3kie6U8ajeReo28NpU35WFbD.\n"

// runServe starts berth serve, which knows users by a file. One of them may
// make robots.
func (g *guardedRegistry) runServe(ctx context.Context, policy string) error {
	file := filepath.Join(scratch, "users")
	if err := os.WriteFile(file, []byte(users), 0o600); err != nil {
		return err
	}
	var err error
	g.server, err = berth.Start(ctx, g.binary, filepath.Join(scratch, "guarded"), "--policy", policy, "--users", file)
	if err != nil {
		return err
	}
	return g.logIn("root", "correct horse")
}

// runCloud starts the local cloud. Its first robot is made in the table itself,
// by whoever has credentials for that.
func (g *guardedRegistry) runCloud(ctx context.Context, policy string) error {
	cloud, err := berth.BuildCloud(ctx, scratch)
	if err != nil {
		return err
	}
	g.server, err = berth.StartCloud(ctx, cloud, "--parameter", "Access=policy", "--policy", policy)
	if err != nil {
		return err
	}
	stores, err := g.stores(ctx)
	if err != nil {
		return err
	}
	g.env = append(os.Environ(), "AWS_ENDPOINT_URL_DYNAMODB="+stores.DynamoDB, "AWS_REGION=us-east-1",
		"AWS_ACCESS_KEY_ID=local", "AWS_SECRET_ACCESS_KEY=local", "AWS_SESSION_TOKEN=")
	root, err := g.newRobot(ctx, "root", "--table", stores.Table)
	if err != nil {
		return err
	}
	return g.logIn(root.user, root.secret)
}

// stores asks the local cloud where its table is.
func (g *guardedRegistry) stores(ctx context.Context) (found struct{ Table, DynamoDB string }, err error) {
	line := regexp.MustCompile(`control (http://\S+)`).FindStringSubmatch(g.server.Output())
	if line == nil {
		return found, errors.New("the local cloud does not say where it is controlled")
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, line[1]+"/stores", nil)
	if err != nil {
		return found, err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return found, err
	}
	defer resp.Body.Close()
	return found, json.NewDecoder(resp.Body).Decode(&found)
}

// logIn has berth know who it is run by, as docker login would.
func (g *guardedRegistry) logIn(user, secret string) error {
	folder := filepath.Join(scratch, "docker")
	if err := os.MkdirAll(folder, 0o700); err != nil {
		return err
	}
	config := fmt.Sprintf(`{"auths":{%q:{"auth":%q}}}`, g.server.Addr, base64.StdEncoding.EncodeToString([]byte(user+":"+secret)))
	g.env = append(os.Environ(), "DOCKER_CONFIG="+folder)
	return os.WriteFile(filepath.Join(folder, "config.json"), []byte(config), 0o600)
}

// robot returns the robot of a name, which it makes if there is none.
func (g *guardedRegistry) robot(t *testing.T, name string) account {
	t.Helper()
	g.mu.Lock()
	defer g.mu.Unlock()
	if known, ok := g.robots[name]; ok {
		return known
	}
	made, err := g.newRobot(t.Context(), name, "--registry", "http://"+g.server.Addr)
	must(t, "make a robot", err)
	g.robots[name] = made
	return made
}

// printed is what berth prints of a robot, once.
var printed = regexp.MustCompile(`(?s)(robot-\S+).*?(berth_\S+)`)

func (g *guardedRegistry) newRobot(ctx context.Context, name string, where ...string) (account, error) {
	out, err := g.berth(ctx, append([]string{"robot", "create", name}, where...)...)
	if err != nil {
		return account{}, err
	}
	found := printed.FindStringSubmatch(out)
	if found == nil {
		return account{}, fmt.Errorf("berth robot create printed %q", out)
	}
	return account{g.server.Addr, found[1], found[2]}, nil
}

// berth runs a berth command and returns what it printed.
func (g *guardedRegistry) berth(ctx context.Context, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, g.binary, args...)
	cmd.Env = g.env
	out, err := cmd.CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("berth %s: %w: %s", args[0], err, out)
	}
	return string(out), nil
}

// stop ends the registry, if it was started.
func (g *guardedRegistry) stop() error {
	if g.server == nil {
		return nil
	}
	return g.server.Stop()
}
