package main

import (
	"encoding/base64"
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/berthregistry/berth/shared/access/federate/issuertest"
)

// The password of root is "correct horse".
const htpasswd = "root:$2a$05$ehHLEgvNLjJSP0D1mzpugePN.u9h3kie6U8ajeReo28NpU35WFbD.\n"

const accessPolicy = `audience: [registry.test]
groups:
  - {name: builders, members: ["robot:builder"]}
rules:
  - {name: administration, allow: [admin], to: ["user:root", "robot:root"]}
  - {name: builders push, allow: [pull, push], to: ["robot:builder", "group:builders"], repositories: [team/**]}
  - {name: all see what is public, allow: [pull], to: [anyone], repositories: [public/**]}
`

// A guarded registry is a berth serve with a policy and a user.
type guarded struct {
	*process
	policy string // the path
	docker string // where credentials are kept
}

func textFile(t *testing.T, name, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// startGuarded has the credentials of this process be kept in a folder of the
// test.
func startGuarded(t *testing.T, data, policy string, args ...string) *guarded {
	t.Helper()
	g := &guarded{policy: textFile(t, "policy.yaml", policy), docker: t.TempDir()}
	t.Setenv("DOCKER_CONFIG", g.docker)
	g.process = start(t, data, append([]string{"--policy", g.policy, "--users", textFile(t, "users", htpasswd)}, args...)...)
	return g
}

func (g *guarded) host() string { return strings.TrimPrefix(g.url, "http://") }

// typed is what somebody sees who types a command.
type typed struct {
	status   int
	out, err string
}

// berth runs a command with input.
func berth(t *testing.T, input string, args ...string) typed {
	t.Helper()
	var out, err strings.Builder
	status := run(args, terminal{out: &out, err: &err, in: strings.NewReader(input)})
	return typed{status, out.String(), err.String()}
}

func (x typed) wants(t *testing.T, status int, parts ...string) typed {
	t.Helper()
	if x.status != status {
		t.Fatalf("exit status %d, want %d: %s%s", x.status, status, x.out, x.err)
	}
	for _, part := range parts {
		if !strings.Contains(x.out+x.err, part) {
			t.Errorf("printed %q, want %q in it", x.out+x.err, part)
		}
	}
	return x
}

var printedKey = regexp.MustCompile(`user +(robot-\S+)\n +password +(berth_\S+)\n`)

func (x typed) key(t *testing.T) (user, secret string) {
	t.Helper()
	m := printedKey.FindStringSubmatch(x.out)
	if x.status != 0 || m == nil {
		t.Fatalf("no access key in %q, %q", x.out, x.err)
	}
	return m[1], m[2]
}

// status answers a request with Basic credentials.
func (g *guarded) as(user, secret, method, path string) int {
	g.t.Helper()
	req, err := http.NewRequestWithContext(g.t.Context(), method, g.url+path, nil)
	if err != nil {
		g.t.Fatal(err)
	}
	if user != "" {
		req.SetBasicAuth(user, secret)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		g.t.Fatal(err)
	}
	resp.Body.Close()
	return resp.StatusCode
}

const beginUpload = "/v2/team/app/blobs/uploads/"

// What a team does on its first day: a user with a password makes a robot,
// which pushes; its key is replaced, and ended.
func TestTheFirstRobot(t *testing.T) {
	g := startGuarded(t, t.TempDir(), accessPolicy)
	if strings.Contains(g.line, "open") {
		t.Errorf("the start line is %q", g.line)
	}
	if got := g.as("", "", "GET", "/v2/"); got != http.StatusUnauthorized {
		t.Errorf("a ping without credentials: got %d, want 401", got)
	}
	berth(t, "", "robot", "create", "builder", "--registry", g.url).wants(t, 1, "wants credentials; see berth login --help")
	berth(t, "wrong\n", "login", g.host(), "-u", "root", "--password-stdin").wants(t, 1, "the credentials are not valid")
	berth(t, "correct horse\n", "login", g.host(), "-u", "root", "--password-stdin").wants(t, 0, "logged in to "+g.host()+" as root")

	made := berth(t, "", "robot", "create", "builder", "--registry", g.url, "--expires", "90d").wants(t, 0, "expires on ")
	id, secret := made.key(t)
	if got := g.as(id, secret, "POST", beginUpload); got != http.StatusAccepted {
		t.Errorf("the robot begins an upload: got %d", got)
	}
	if got := g.as(id, secret, "POST", "/v2/private/app/blobs/uploads/"); got != http.StatusForbidden {
		t.Errorf("where no rule allows it: got %d", got)
	}
	berth(t, "", "robot", "create", "builder", "--registry", g.url).wants(t, 1, "exists already")
	berth(t, "", "robot", "create", "A robot", "--registry", g.url).wants(t, 1, "underscore, and begins with") // to its end
	listed := berth(t, "", "robot", "list", "--registry", g.url).wants(t, 0, "NAME", id, "builder")
	if strings.Contains(listed.out, "berth_") {
		t.Errorf("a secret is listed:\n%s", listed.out)
	}

	newID, newSecret := berth(t, "", "robot", "rotate", "builder", "--registry", g.url).wants(t, 0, "The old access key works until then").key(t)
	for user, secret := range map[string]string{id: secret, newID: newSecret} {
		if got := g.as(user, secret, "POST", beginUpload); got != http.StatusAccepted {
			t.Errorf("%s begins an upload: got %d", user, got)
		}
	}
	berth(t, "", "keys", "rotate", "--registry", g.url).wants(t, 0, "signs tokens from")
	berth(t, "", "keys", "rotate", "--leaked", "--registry", g.url).wants(t, 0, "signs tokens from")
	berth(t, "", "robot", "revoke", id, "--registry", g.url).wants(t, 0, id+" is revoked")
	berth(t, "", "robot", "revoke", "builder", "--registry", g.url).wants(t, 0, newID+" is revoked")
	berth(t, "", "robot", "revoke", "builder", "--registry", g.url).wants(t, 1, "not there")
	if got := g.as(newID, newSecret, "POST", beginUpload); got != http.StatusUnauthorized {
		t.Errorf("a revoked robot begins an upload: got %d", got)
	}

	g.signal(os.Interrupt)
	g.end()
	for _, word := range []string{"correct horse", secret, newSecret} {
		if strings.Contains(g.stderr.String(), word) {
			t.Errorf("a secret is in the log:\n%s", g.stderr)
		}
	}
	for _, line := range []string{`action="robot create"`, `action="robot revoke"`, `action="keys rotate"`, "principal=user:root"} {
		if !strings.Contains(g.stderr.String(), line) {
			t.Errorf("%s is not in the log", line)
		}
	}
}

func TestLoginWithAPasswordKeepsAllElse(t *testing.T) {
	g := startGuarded(t, t.TempDir(), accessPolicy)
	config := filepath.Join(g.docker, "config.json")
	if err := os.WriteFile(config, []byte(`{"psFormat":"x","auths":{"a.test":{"auth":"dTpw"}}}`), 0o600); err != nil {
		t.Fatal(err)
	}
	berth(t, "correct horse", "login", g.url, "-u", "root", "--password-stdin").wants(t, 0)
	var kept struct {
		PSFormat string                           `json:"psFormat"`
		Auths    map[string]struct{ Auth string } `json:"auths"`
	}
	text, err := os.ReadFile(config)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(text, &kept); err != nil {
		t.Fatal(err)
	}
	want := base64.StdEncoding.EncodeToString([]byte("root:correct horse"))
	if kept.PSFormat != "x" || kept.Auths["a.test"].Auth != "dTpw" || kept.Auths[g.host()].Auth != want {
		t.Errorf("kept is %s", text)
	}
}

// A machine logs in with what it is given, and nothing is kept.
func TestLoginAsAWorkload(t *testing.T) {
	issuer := issuertest.New(t)
	policy := strings.Replace(accessPolicy, "rules:\n", "issuers:\n  - {name: ci, url: "+issuer.URL+"}\n"+
		"rules:\n  - {name: ci administers, allow: [admin], to: [\"issuer:ci\"]}\n", 1)
	g := startGuarded(t, t.TempDir(), policy)
	token := textFile(t, "token", issuer.Token(map[string]any{"sub": "pod", "aud": "registry.test"}))
	berth(t, "", "login", g.host(), "--oidc-token-file", token).wants(t, 0, "logged in to "+g.host()+" by file")
	berth(t, "", "robot", "list", "--registry", g.url).wants(t, 0)

	// What Docker reads names the helper, and has no secret in it.
	config, err := os.ReadFile(filepath.Join(g.docker, "config.json"))
	if err != nil || !strings.Contains(string(config), `"`+g.host()+`": "berth"`) {
		t.Errorf("Docker's configuration is %s, %v", config, err)
	}
	notes, err := os.ReadFile(filepath.Join(g.docker, "berth.json"))
	if err != nil || !strings.Contains(string(notes), token) || strings.Contains(string(notes), "eyJ") {
		t.Errorf("the notes are %s, %v", notes, err)
	}

	bad := textFile(t, "token", issuer.Token(map[string]any{"sub": "pod", "aud": "another.test"}))
	berth(t, "", "login", g.host(), "--oidc-token-file", bad).wants(t, 1, "the credentials are not valid")
	t.Setenv("BERTH_ID_TOKEN", issuer.Token(map[string]any{"sub": "job", "aud": "registry.test"}))
	berth(t, "", "login", g.host(), "--gitlab").wants(t, 0, "by gitlab")
	berth(t, "", "login", g.host(), "--github").wants(t, 1, "id-token: write")
}

// The policy of berth serve is its file, which is read again.
func TestPolicyFileIsReadAgain(t *testing.T) {
	g := startGuarded(t, t.TempDir(), accessPolicy)
	berth(t, "correct horse", "login", g.host(), "-u", "root", "--password-stdin").wants(t, 0)
	got := berth(t, "", "policy", "get", "--registry", g.url).wants(t, 0, "version ")
	if got.out != accessPolicy {
		t.Errorf("got the policy %q", got.out)
	}
	berth(t, "", "policy", "set", g.policy, "--registry", g.url).wants(t, 1, "change it there")
	id, secret := berth(t, "", "robot", "create", "builder", "--registry", g.url).key(t)

	if err := os.WriteFile(g.policy, []byte("rules:\n  - {alow: [pull]}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the slip is logged with its place", func() bool { return strings.Contains(g.stderr.String(), g.policy+":2:") })
	if got := g.as(id, secret, "POST", beginUpload); got != http.StatusAccepted {
		t.Errorf("with a slip in the file: got %d, want the old policy to hold", got)
	}
	changed := strings.ReplaceAll(accessPolicy, "team/**", "other/**")
	if err := os.WriteFile(g.policy, []byte(changed), 0o600); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the changed policy holds", func() bool {
		return g.as(id, secret, "POST", beginUpload) == http.StatusForbidden
	})
	if got := berth(t, "", "policy", "get", "--registry", g.url); got.out != changed {
		t.Errorf("got the policy %q", got.out)
	}
}

// Robots can be made before anybody can log in, and not behind the back of a
// registry that runs.
func TestRobotsOfAStoppedRegistry(t *testing.T) {
	data := t.TempDir()
	berth(t, "", "robot", "create", "root", "--data", data).wants(t, 1, "is not the data folder of a berth serve")
	g := startGuarded(t, data, accessPolicy)
	berth(t, "", "robot", "list", "--data", data).wants(t, 1, "is held by process")
	g.signal(os.Interrupt)
	g.end()

	created := berth(t, "", "robot", "create", "root", "--data", data)
	id, secret := created.key(t)
	if created.err != "" {
		t.Errorf("beside what it is asked for the command prints %q", created.err)
	}
	berth(t, "", "keys", "rotate", "--data", data).wants(t, 0)
	g = startGuarded(t, data, accessPolicy)
	berth(t, secret, "login", g.host(), "-u", id, "--password-stdin").wants(t, 0)
	berth(t, "", "robot", "list", "--registry", g.url).wants(t, 0, id)
}

func TestAnOpenRegistryHasNoDesk(t *testing.T) {
	t.Setenv("DOCKER_CONFIG", t.TempDir())
	p := start(t, t.TempDir())
	if !strings.HasSuffix(p.line, ", open to everybody on this machine\n") {
		t.Errorf("the start line is %q", p.line)
	}
	berth(t, "", "robot", "list", "--registry", p.url).wants(t, 1, "has no access control")
	berth(t, "x", "login", p.url, "-u", "root", "--password-stdin").wants(t, 1, "asks nobody to log in")
}
