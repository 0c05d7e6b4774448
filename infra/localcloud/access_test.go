package main

import (
	"encoding/base64"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"

	"github.com/berthregistry/berth/shared/access/federate/presign"
	"github.com/berthregistry/berth/shared/access/ledger"
	"github.com/berthregistry/berth/shared/table/dynamo"
)

// guardedPolicy is who may do what in the tests of access.
const guardedPolicy = `audience: [registry.test]
aws: {accounts: ["123456789012"]}
rules:
  - name: administration
    allow: [admin]
    to: [robot:root]
  - name: root
    allow: [pull, push, delete]
    to: [robot:root]
    repositories: ["**"]
  - name: releases
    allow: [pull, push]
    to: [robot:releases]
    repositories: [team/**]
    tags: [v*]
  - name: deployers
    allow: [pull]
    to: ["aws:arn:aws:iam::123456789012:role/deploy-*"]
    repositories: [team/**]
  - name: everybody
    allow: [pull]
    to: [anyone]
    repositories: [public/**]
`

// guarded has a cloud ask who somebody is.
func guarded(t *testing.T) func(*config) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "policy.yaml")
	if err := os.WriteFile(file, []byte(guardedPolicy), 0o600); err != nil {
		t.Fatal(err)
	}
	return func(cfg *config) {
		cfg.parameters["Access"] = "policy"
		cfg.policy = file
	}
}

// robot makes a robot in the table, as who has deployed the registry does, and
// returns a client that is it.
func (c *cloud) robot(t *testing.T, name string) *client {
	t.Helper()
	items := dynamo.New(c.dynamoDBClient(), nil, c.stack.Tables[0].Name, slog.New(slog.DiscardHandler))
	made, secret, err := ledger.New(items, ledger.Options{}).Create(t.Context(), name, nil, time.Now().Add(time.Hour))
	if err != nil {
		t.Fatal(err)
	}
	who := newClient(t, c.registryURL)
	who.authorization = basic(made.ID, secret)
	return who
}

func basic(user, secret string) string {
	return "Basic " + base64.StdEncoding.EncodeToString([]byte(user+":"+secret))
}

// bearer returns the client with a token for scopes, from what it has.
func (c *client) bearer(scopes ...string) *client {
	c.t.Helper()
	var got struct{ Token string }
	r := c.want(200, "GET", "/token?"+url.Values{"service": {"berth"}, "scope": scopes}.Encode(), nil)
	if err := json.Unmarshal(r.body, &got); err != nil || got.Token == "" {
		c.t.Fatalf("no token in %v", r)
	}
	with := *c
	with.authorization = "Bearer " + got.Token
	return &with
}

// Nobody gets in without a rule: a stack without a policy denies everything,
// also to who has credentials, and tells where to log in.
func TestNoPolicyNobody(t *testing.T) {
	cl := newCloud(t, func(cfg *config) { cfg.parameters["Access"] = "policy" })
	stranger, root := newClient(t, cl.registryURL), cl.robot(t, "root")
	challenge := stranger.want(401, "GET", "/v2/", nil).header.Get("Www-Authenticate")
	if want := `Bearer realm="` + cl.registryURL + `/token",service="berth"`; !strings.HasPrefix(challenge, want) {
		t.Errorf("the challenge is %s, want %s", challenge, want)
	}
	for _, request := range [][2]string{
		{"GET", "/v2/team/app/manifests/v1"}, {"GET", "/v2/_catalog"}, {"POST", "/v2/team/app/blobs/uploads/"},
		{"PUT", "/v2/team/app/manifests/v1"}, {"DELETE", "/v2/team/app/manifests/v1"}, {"GET", "/_berth/policy"},
	} {
		stranger.want(401, request[0], request[1], nil)
		if r := root.do(request[0], request[1], nil); r.status != 403 && request[1] != "/v2/_catalog" {
			t.Errorf("%s %s: got %v, want 403", request[0], request[1], r)
		}
	}
	if r := root.want(200, "GET", "/v2/_catalog", nil); !strings.Contains(string(r.body), `"repositories":[]`) {
		t.Errorf("the catalog is %s", r.body)
	}
}

// A registry that is open has nothing to administer, and asks nobody.
func TestOpenHasNoTokens(t *testing.T) {
	c := newClient(t, newCloud(t).registryURL)
	c.want(200, "GET", "/v2/", nil)
	for _, path := range []string{"/token", "/_berth/policy", "/_berth/robots"} {
		c.want(404, "GET", path, nil)
	}
	c.want(404, "PUT", "/_berth/policy", []byte(guardedPolicy))
}

// Every function goes by the same keys and the same policy: what Token has
// signed is good at the others, and what a rule forbids is refused by each.
func TestTokensOnAllFunctions(t *testing.T) {
	cl := newCloud(t, guarded(t))
	root := cl.robot(t, "root").bearer("repository:team/app:*", "repository:public/app:*")
	root.pushImage("team/app", "v1", noise(100<<10))
	root.pushImage("public/app", "v1", noise(100<<10))
	root.pushImage("team/app", "internal", noise(100<<10))
	root.want(401, "GET", "/v2/team/other/manifests/v1", nil) // the token is too narrow

	releases := cl.robot(t, "releases").bearer("repository:team/app:pull,push,delete")
	releases.want(200, "GET", "/v2/team/app/manifests/v1", nil)
	releases.want(403, "GET", "/v2/team/app/manifests/internal", nil)
	releases.want(403, "DELETE", "/v2/team/app/manifests/v1", nil)

	stranger := newClient(t, cl.registryURL)
	stranger.want(200, "GET", "/v2/public/app/manifests/v1", nil)
	stranger.want(401, "GET", "/v2/team/app/manifests/v1", nil)
	stranger.bearer("repository:public/app:pull").want(200, "GET", "/v2/public/app/manifests/v1", nil)

	root.want(202, "DELETE", "/v2/team/app/manifests/v1", nil)
	releases.want(404, "GET", "/v2/team/app/manifests/v1", nil)
}

// Who has signed in with AWS is who STS says, and may do what a rule says of
// their role.
func TestAWSPrincipals(t *testing.T) {
	cl := newCloud(t, guarded(t))
	cl.robot(t, "root").pushImage("team/app", "v1", noise(1<<10))
	control := newClient(t, cl.controlURL)
	for role, want := range map[string]int{"deploy-web": 200, "other": 403} {
		var keys struct{ AccessKeyID, SecretAccessKey, SessionToken string }
		decode(t, control.want(200, "POST", "/principals?arn=arn:aws:sts::123456789012:assumed-role/"+role+"/me", nil), &keys)
		who := newClient(t, cl.registryURL)
		who.authorization = basic(presign.User, presigned(t, cl.stsURL, aws.Credentials{
			AccessKeyID: keys.AccessKeyID, SecretAccessKey: keys.SecretAccessKey, SessionToken: keys.SessionToken,
		}))
		who.bearer("repository:team/app:pull").want(want, "GET", "/v2/team/app/manifests/v1", nil)
	}
	stranger := newClient(t, cl.registryURL)
	stranger.authorization = basic("aws", base64.RawURLEncoding.EncodeToString([]byte("https://sts.amazonaws.com/?Action=GetCallerIdentity")))
	stranger.want(401, "GET", "/token?service=berth", nil)
	control.want(400, "POST", "/principals?arn=me", nil)
}

// Who starts a cloud for themselves may do anything, unless there is a policy.
func TestAccessByFlags(t *testing.T) {
	for _, test := range []struct {
		policy string
		given  map[string]string
		want   string
	}{
		{"", nil, "open"},
		{"policy.yaml", nil, "policy"},
		{"", map[string]string{"Access": "policy"}, "policy"},
		{"policy.yaml", map[string]string{"Access": "open"}, "open"},
	} {
		f := flags{Template: "template.yaml", Control: "127.0.0.1:0", Policy: test.policy, Parameter: test.given}
		cfg, err := f.config(io.Discard)
		if err != nil || cfg.parameters["Access"] != test.want {
			t.Errorf("--policy %q and %v: got %v, %v, want %s", test.policy, test.given, cfg.parameters, err, test.want)
		}
	}
}

// A policy with a mistake ends the start with the line of it.
func TestPolicyWithAMistake(t *testing.T) {
	cfg := newConfig(t)
	cfg.policy = filepath.Join(t.TempDir(), "policy.yaml")
	if err := os.WriteFile(cfg.policy, []byte("rules:\n  - permit: [pull]\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := start(t.Context(), cfg); err == nil || !strings.Contains(err.Error(), "policy.yaml:2:") {
		t.Errorf("got %v, want the line of the mistake", err)
	}
}

// Where the stores are is for who has credentials for them.
func TestStoresAreTold(t *testing.T) {
	cl := newCloud(t)
	var got storesAnswer
	decode(t, newClient(t, cl.controlURL).want(200, "GET", "/stores", nil), &got)
	want := storesAnswer{
		Table: cl.stack.Tables[0].Name, DynamoDB: cl.dynamoDB, STS: cl.stsURL, Region: region,
		Bus: cl.stack.Outputs["Bus"], EventBridge: cl.busURL, SQS: cl.queuesURL,
		Queue: strings.Fields(cl.stack.Outputs["Redrive"])[3], // berth redrive --queue URL
	}
	if got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
}

// driveTokens drives the token endpoint and administration, with robots that
// come and go.
func driveTokens(c *client) {
	c.want(200, "GET", "/token?service=berth&scope=repository:team/app:pull", nil)
	for range 2 { // the second time its use is known
		c.want(200, "GET", "/token?service=berth&offline_token=true&scope=registry:catalog:*", nil)
	}
	form := func(values url.Values) reply {
		return c.want(200, "POST", "/token", []byte(values.Encode()), "Content-Type", "application/x-www-form-urlencoded", "Authorization", "")
	}
	id, secret := c.userAndSecret()
	var given struct {
		Refresh string `json:"refresh_token"`
	}
	r := form(url.Values{"grant_type": {"password"}, "username": {id}, "password": {secret}, "service": {"berth"}, "access_type": {"offline"}})
	decode(c.t, r, &given)
	form(url.Values{"grant_type": {"refresh_token"}, "refresh_token": {given.Refresh}, "service": {"berth"}})

	r = c.want(200, "GET", "/_berth/policy", nil)
	c.want(200, "PUT", "/_berth/policy", r.body, "If-Match", r.header.Get("ETag"))
	c.want(412, "PUT", "/_berth/policy", r.body, "If-Match", `"older"`)
	c.want(400, "PUT", "/_berth/policy", []byte("rules: [{}]"))

	robot := func(status int, path string, body string) {
		c.want(status, "POST", path, []byte(body), "Content-Type", "application/json")
	}
	robot(201, "/_berth/robots", `{"name":"ci","groups":["builders"]}`)
	robot(409, "/_berth/robots", `{"name":"ci"}`)
	robot(201, "/_berth/robots/rotate", `{"name":"ci","overlap":60}`)
	c.want(200, "GET", "/_berth/robots", nil)
	c.want(200, "DELETE", "/_berth/robots?robot=ci", nil)
	c.want(404, "DELETE", "/_berth/robots?robot=ci", nil)
	c.want(200, "POST", "/_berth/keys/rotate", nil)
}

// driveRefusals has somebody guess until they are blocked, at the token endpoint
// and past it.
func driveRefusals(c *client) {
	guess := *c
	guess.authorization = basic("robot-aaaaaaaaaaaaaaaa", "guess")
	for _, path := range []string{"/token?service=berth", "/v2/team/app/manifests/v1"} {
		blocked := false
		for range 15 {
			blocked = blocked || guess.do("GET", path, nil).status == http.StatusTooManyRequests
		}
		if !blocked {
			c.t.Errorf("GET %s: whoever guesses is never blocked", path)
		}
	}
}

// driveLimited has somebody who may see some tags pull and push: by digest, what
// they may see is looked for.
func driveLimited(root, limited *client) {
	layers := [][]byte{noise(1 << 20), noise(20 << 10)}
	m := root.pushImage("team/limited", "v1", layers...)
	secret := root.pushImage("team/limited", "internal", layers[0])
	for _, hint := range []string{"", "team/limited:v1", "team/limited:internal"} {
		limited.want(200, "GET", "/v2/team/limited/manifests/"+digest(m), nil, "OCI-Ref", hint)
		limited.want(200, "GET", "/v2/team/limited/blobs/"+digest(layers[1]), nil, "OCI-Ref", hint)
		limited.want(404, "GET", "/v2/team/limited/manifests/"+digest(secret), nil, "OCI-Ref", hint)
	}
	limited.want(200, "GET", "/v2/team/limited/tags/list", nil)
	limited.want(200, "GET", "/v2/team/limited/referrers/"+digest(m), nil)
	limited.want(200, "GET", "/v2/_catalog", nil)
	limited.pushImage("team/limited", "v2", noise(10<<10))
	limited.want(201, "POST", "/v2/team/copy/blobs/uploads/?from=team/limited&mount="+digest(layers[0]), nil)
	limited.want(403, "DELETE", "/v2/team/limited/manifests/"+digest(m), nil)
}

// userAndSecret are what a client with a password presents.
func (c *client) userAndSecret() (user, secret string) {
	c.t.Helper()
	text, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(c.authorization, "Basic "))
	user, secret, ok := strings.Cut(string(text), ":")
	if err != nil || !ok {
		c.t.Fatal("the client has no password")
	}
	return user, secret
}

// presigned is the password of a principal of AWS.
func presigned(t *testing.T, sts string, who aws.Credentials) string {
	t.Helper()
	password, err := presign.Password(t.Context(), aws.Config{
		Region: region, BaseEndpoint: &sts, Credentials: credentials.StaticCredentialsProvider{Value: who},
	}, "registry.test")
	if err != nil {
		t.Fatal(err)
	}
	return password
}
