package main

import (
	"bytes"
	"encoding/json"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"strings"
	"syscall"
	"testing"

	"oras.land/oras-go/v2"
	"oras.land/oras-go/v2/content/memory"
	"oras.land/oras-go/v2/registry/remote"
	"oras.land/oras-go/v2/registry/remote/auth"

	"github.com/berthregistry/berth/shared/access/federate/issuertest"
)

// jobPolicy lets jobs of one organization pull, those of its main branch push,
// and no job at all into what is frozen.
const jobPolicy = `audience: [registry.test]
issuers:
  - name: github
    url: ISSUER
    require: claims.repository_owner == "acme"
groups:
  - {name: main-builds, members: ["issuer:github"], when: claims.ref == "refs/heads/main"}
rules:
  - {name: jobs pull, allow: [pull], to: ["issuer:github"], repositories: [team/**]}
  - {name: main pushes, allow: [push], to: ["group:main-builds"], repositories: [team/**]}
  - name: forks do not push
    deny: [push]
    to: ["issuer:github"]
    when: claims.event_name == "pull_request"
    repositories: [team/**]
`

// A job is one of GitHub Actions, as the sample of a token describes it, but for
// what a test changes.
type job struct {
	*guarded
	issuer *issuertest.Issuer
	claims map[string]any
}

// startForJobs starts a registry that trusts an issuer on this machine, and
// returns a job of the main branch.
func startForJobs(t *testing.T) job {
	t.Helper()
	issuer := issuertest.New(t)
	text, err := os.ReadFile("../../events/oidc/github.json")
	if err != nil {
		t.Fatal(err)
	}
	var claims map[string]any
	if err := json.Unmarshal(text, &claims); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"iss", "iat", "nbf", "exp"} {
		delete(claims, name) // the issuer's own
	}
	claims["aud"] = "registry.test"
	return job{startGuarded(t, t.TempDir(), strings.ReplaceAll(jobPolicy, "ISSUER", issuer.URL)), issuer, claims}
}

// with is another job.
func (j job) with(name string, value any) job {
	j.claims = maps.Clone(j.claims)
	j.claims[name] = value
	return j
}

// A grant is what the token endpoint says.
type grant struct {
	status int
	token  string
	error  string
}

func (j job) grant(req *http.Request) grant {
	j.t.Helper()
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		j.t.Fatal(err)
	}
	defer resp.Body.Close()
	var said struct {
		AccessToken string `json:"access_token"`
		Error       string `json:"error"`
	}
	if err := json.NewDecoder(resp.Body).Decode(&said); err != nil {
		j.t.Fatal(err)
	}
	return grant{resp.StatusCode, said.AccessToken, said.Error}
}

const jobScope = "repository:team/app:pull,push"

// logIn fetches a token as docker does after docker login -u oidc.
func (j job) logIn() grant {
	j.t.Helper()
	query := url.Values{"service": {service}, "scope": {jobScope}, "account": {"oidc"}}
	req, err := http.NewRequestWithContext(j.t.Context(), http.MethodGet, j.url+"/token?"+query.Encode(), nil)
	if err != nil {
		j.t.Fatal(err)
	}
	req.SetBasicAuth("oidc", j.issuer.Token(j.claims))
	return j.grant(req)
}

// exchange fetches a token by RFC 8693.
func (j job) exchange() grant {
	j.t.Helper()
	form := url.Values{
		"grant_type":         {"urn:ietf:params:oauth:grant-type:token-exchange"},
		"subject_token":      {j.issuer.Token(j.claims)},
		"subject_token_type": {"urn:ietf:params:oauth:token-type:jwt"},
		"service":            {service}, "scope": {jobScope},
	}
	req, err := http.NewRequestWithContext(j.t.Context(), http.MethodPost, j.url+"/token", strings.NewReader(form.Encode()))
	if err != nil {
		j.t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	return j.grant(req)
}

// bearer returns the status of a request with a token, and its challenge.
func (j job) bearer(token, method, path string) (int, string) {
	j.t.Helper()
	req, err := http.NewRequestWithContext(j.t.Context(), method, j.url+path, nil)
	if err != nil {
		j.t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+token)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		j.t.Fatal(err)
	}
	resp.Body.Close()
	return resp.StatusCode, resp.Header.Get("Www-Authenticate")
}

// What a job may do is said by rules over its claims, whichever way it asks.
func TestJobsLogIn(t *testing.T) {
	main := startForJobs(t)
	for name, c := range map[string]struct {
		job
		login, push, pull int
	}{
		"of main":                 {main, 200, 202, 404},
		"of a branch":             {main.with("ref", "refs/heads/idea"), 200, 403, 404},
		"of a pull request":       {main.with("event_name", "pull_request"), 200, 403, 404},
		"without a ref":           {main.with("ref", nil), 200, 403, 404},
		"without an event":        {main.with("event_name", nil), 200, 403, 404}, // in doubt a denial holds
		"of others":               {main.with("repository_owner", "evil"), 401, 0, 0},
		"for another registry":    {main.with("aud", "registry.example.org"), 401, 0, 0},
		"of another time":         {main.with("exp", 1000), 401, 0, 0},
		"that says who it trusts": {main.with("iss", "https://token.actions.githubusercontent.com"), 401, 0, 0},
	} {
		for way, got := range map[string]grant{"user oidc": c.logIn(), "exchange": c.exchange()} {
			if got.status != c.login {
				t.Errorf("a job %s, %s: got %+v, want %d", name, way, got, c.login)
			}
			if c.login != http.StatusOK {
				continue
			}
			if status, _ := c.bearer(got.token, "POST", beginUpload); status != c.push {
				t.Errorf("a job %s, %s: begins an upload: got %d, want %d", name, way, status, c.push)
			}
			if status, _ := c.bearer(got.token, "GET", "/v2/team/app/manifests/none"); status != c.pull {
				t.Errorf("a job %s, %s: pulls: got %d, want %d", name, way, status, c.pull)
			}
			if status, _ := c.bearer(got.token, "GET", "/v2/private/app/manifests/none"); status != 403 {
				t.Errorf("a job %s, %s: pulls elsewhere: got %d, want 403", name, way, status)
			}
		}
	}
}

// A policy that has moved counts at once for tokens that are out there, which
// have no claims to judge it by: their bearers are sent for new ones.
func TestJobsGoByThePolicyInForce(t *testing.T) {
	j := startForJobs(t)
	old := j.logIn().token
	if status, _ := j.bearer(old, "POST", beginUpload); status != http.StatusAccepted {
		t.Fatalf("before: got %d", status)
	}
	text, err := os.ReadFile(j.policy)
	if err != nil {
		t.Fatal(err)
	}
	moved := strings.ReplaceAll(string(text), "refs/heads/main", "refs/heads/trunk")
	if err := os.WriteFile(j.policy, []byte(moved), 0o600); err != nil {
		t.Fatal(err)
	}
	j.signal(syscall.SIGHUP)
	eventually(t, "the old token is void", func() bool {
		status, challenge := j.bearer(old, "POST", beginUpload)
		return status == http.StatusUnauthorized && strings.Contains(challenge, `error="invalid_token"`)
	})
	if status, _ := j.bearer(j.logIn().token, "POST", beginUpload); status != http.StatusForbidden {
		t.Errorf("main, with a new token: got %d, want 403", status)
	}
	trunk := j.with("ref", "refs/heads/trunk")
	if status, _ := j.bearer(trunk.exchange().token, "POST", beginUpload); status != http.StatusAccepted {
		t.Errorf("trunk, with a new token: got %d, want 202", status)
	}
}

// A job that has no secret logs in by one command, and a client pushes and pulls
// with what the helper makes.
func TestAJobPushes(t *testing.T) {
	j := startForJobs(t)
	j.actions(t)
	berth(t, "", "login", j.host(), "--github", "--audience", "registry.test").wants(t, 0, "by github")

	repo, err := remote.NewRepository(j.host() + "/team/app")
	if err != nil {
		t.Fatal(err)
	}
	client, err := newClient(&http.Client{})
	if err != nil {
		t.Fatal(err)
	}
	repo.Client, repo.PlainHTTP = client, true
	here, ctx := memory.New(), auth.AppendRepositoryScope(t.Context(), repo.Reference, auth.ActionPull, auth.ActionPush)
	made, err := oras.PackManifest(ctx, here, oras.PackManifestVersion1_1, "application/x.build", oras.PackManifestOptions{})
	if err == nil {
		err = here.Tag(ctx, made, "v1")
	}
	if err != nil {
		t.Fatal(err)
	}
	if _, err := oras.Copy(ctx, here, "v1", repo, "v1", oras.DefaultCopyOptions); err != nil {
		t.Fatalf("push: %v", err)
	}
	if got, err := oras.Copy(ctx, repo, "v1", memory.New(), "", oras.DefaultCopyOptions); err != nil || got.Digest != made.Digest {
		t.Errorf("pull: got %v, %v, want %s", got, err, made.Digest)
	}

	j.signal(os.Interrupt)
	j.end()
	if log := j.stderr.String(); strings.Contains(log, "eyJ") || !strings.Contains(log, "principal=issuer:github/repo:acme/app:environment:production") {
		t.Errorf("the log has tokens in it, or does not name the job:\n%s", log)
	}
}

// actions gives this process what a job of GitHub Actions is given.
func (j job) actions(t *testing.T) {
	t.Helper()
	github := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "Bearer of the job" {
			http.Error(w, "whose job?", http.StatusUnauthorized)
			return
		}
		token := j.with("aud", r.URL.Query().Get("audience")).claims
		answer, _ := json.Marshal(map[string]string{"value": j.issuer.Token(token)})
		_, _ = io.Copy(w, bytes.NewReader(answer))
	}))
	t.Cleanup(github.Close)
	t.Setenv("ACTIONS_ID_TOKEN_REQUEST_URL", github.URL+"/?api-version=2.0")
	t.Setenv("ACTIONS_ID_TOKEN_REQUEST_TOKEN", "of the job")
}
