package main

import (
	"encoding/json"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// A workstation is a machine of somebody with credentials of AWS, on which berth
// and its credential helper are installed.
type workstation struct {
	t      *testing.T
	bin    string
	docker string // Docker's folder
	env    []string
}

// newWorkstation returns the machine of a principal. An ARN of "" stands for
// credentials that AWS does not know.
func (c *cloud) newWorkstation(t *testing.T, arn string) workstation {
	t.Helper()
	w := workstation{t: t, bin: t.TempDir(), docker: t.TempDir()}
	build := exec.CommandContext(t.Context(), "go", "build", "-o", w.bin+string(filepath.Separator), "./cmd/berth", "./cmd/docker-credential-berth")
	build.Dir = projectRoot
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("build the commands: %v\n%s", err, out)
	}
	return w.as(c, arn)
}

// as has other credentials in the place of those that are there.
func (w workstation) as(c *cloud, arn string) workstation {
	w.t.Helper()
	keys := struct{ AccessKeyID, SecretAccessKey, SessionToken string }{"ASIAUNKNOWN", "unknown", "unknown"}
	if arn != "" {
		decode(w.t, newClient(w.t, c.controlURL).want(200, "POST", "/principals?arn="+arn, nil), &keys)
	}
	w.env = []string{
		"HOME=" + w.docker, "DOCKER_CONFIG=" + w.docker, "PATH=" + w.bin,
		"AWS_REGION=" + region, "AWS_ENDPOINT_URL_STS=" + c.stsURL, "AWS_EC2_METADATA_DISABLED=true",
		"AWS_ACCESS_KEY_ID=" + keys.AccessKeyID, "AWS_SECRET_ACCESS_KEY=" + keys.SecretAccessKey, "AWS_SESSION_TOKEN=" + keys.SessionToken,
	}
	return w
}

// run returns what a command prints, and whether it worked.
func (w workstation) run(input, name string, args ...string) (out string, ok bool) {
	w.t.Helper()
	cmd := exec.CommandContext(w.t.Context(), filepath.Join(w.bin, name), args...)
	cmd.Env, cmd.Stdin = w.env, strings.NewReader(input)
	raw, err := cmd.CombinedOutput()
	return string(raw), err == nil
}

const assumed = "arn:aws:sts::123456789012:assumed-role/"

// Whoever has credentials of AWS logs in by one line, and Docker's tools get
// what they need from the helper, as long as the credentials are good.
func TestLoginWithAWS(t *testing.T) {
	cl := newCloud(t, guarded(t))
	root := cl.robot(t, "root")
	root.pushImage("team/app", "v1", noise(1<<10))
	host := strings.TrimPrefix(cl.registryURL, "http://")
	deployer := cl.newWorkstation(t, assumed+"deploy-web/me")
	if out, ok := deployer.run("", "berth", "login", host, "--aws", "--audience", "registry.test"); !ok || !strings.Contains(out, "logged in to "+host+" by aws") {
		t.Fatalf("berth login printed %q", out)
	}
	if out, ok := deployer.run("", "berth", "tree", host+"/team/app:v1"); !ok {
		t.Errorf("berth tree printed %q", out)
	}

	pull := deployer.helped(cl).bearer("repository:team/app:pull,push")
	pull.want(http.StatusOK, "GET", "/v2/team/app/manifests/v1", nil)
	pull.want(http.StatusForbidden, "POST", "/v2/team/app/blobs/uploads/", nil)
	other := deployer.as(cl, assumed+"other/me")
	other.helped(cl).bearer("repository:team/app:pull").want(http.StatusForbidden, "GET", "/v2/team/app/manifests/v1", nil)
	for _, arn := range []string{"", "arn:aws:sts::210987654321:assumed-role/deploy-web/me"} {
		deployer.as(cl, arn).helped(cl).want(http.StatusUnauthorized, "GET", "/token?service=berth", nil)
	}
}

// helped is a client with what the helper makes for the registry.
func (w workstation) helped(c *cloud) *client {
	w.t.Helper()
	out, ok := w.run(c.registryURL, "docker-credential-berth", "get")
	var made struct{ Username, Secret string }
	if err := json.Unmarshal([]byte(out), &made); err != nil || !ok || made.Username != "aws" {
		w.t.Fatalf("the helper printed %.40q, %v", out, err)
	}
	who := newClient(w.t, c.registryURL)
	who.authorization = basic(made.Username, made.Secret)
	return who
}

// Who is not let in has nothing noted, and is told what may be wrong.
func TestLoginWithAWSFails(t *testing.T) {
	cl := newCloud(t, guarded(t))
	host := strings.TrimPrefix(cl.registryURL, "http://")
	w := cl.newWorkstation(t, assumed+"deploy-web/me")
	for name, c := range map[string]struct {
		workstation
		audience []string
	}{
		"for another registry":   {w, nil},
		"of another account":     {w.as(cl, "arn:aws:sts::210987654321:assumed-role/deploy-web/me"), []string{"--audience", "registry.test"}},
		"that AWS does not know": {w.as(cl, ""), []string{"--audience", "registry.test"}},
	} {
		out, ok := c.run("", "berth", append([]string{"login", host, "--aws"}, c.audience...)...)
		if ok || !strings.Contains(out, "the credentials are not valid") || !strings.Contains(out, "--audience") {
			t.Errorf("credentials %s: berth login printed %q", name, out)
		}
	}
	if left, err := os.ReadDir(w.docker); err != nil || len(left) > 0 {
		t.Errorf("left in Docker's folder: %v, %v", left, err)
	}
	if out, ok := w.run(host, "docker-credential-berth", "get"); ok || !strings.Contains(out, "credentials not found in native keychain") {
		t.Errorf("the helper printed %q", out)
	}
}
