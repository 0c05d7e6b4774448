package settings

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/berthregistry/berth/shared/registry"
)

const exampleHooks = `webhooks:
  - url: https://user:hush@ci.example.com/hook?key=hush
    secret-file: hook.secret
    types: [referrer.attached, dev.berth.tag.moved]
    repositories: [team/*]
  - url: http://127.0.0.1:8080
    secret-file: /etc/berth/other.secret
`

func TestWebhooks(t *testing.T) {
	s, err := Parse("f", []byte(exampleHooks))
	if err != nil || len(s.Webhooks) != 2 {
		t.Fatalf("got %d webhooks, %v", len(s.Webhooks), err)
	}
	first, second := s.Webhooks[0], s.Webhooks[1]
	if got := first.URL.String(); got != "https://user:hush@ci.example.com/hook?key=hush" {
		t.Errorf("got the URL %s", got)
	}
	for _, c := range []struct {
		kind  registry.Kind
		repo  string
		first bool
	}{
		{registry.ReferrerAttached, "team/app", true},
		{registry.TagMoved, "team/app", true},
		{registry.TagCreated, "team/app", false},
		{registry.TagMoved, "other/app", false},
	} {
		if got := first.Wants(c.kind, c.repo); got != c.first {
			t.Errorf("the first wants %s of %s: got %v", c.kind, c.repo, got)
		}
		if !second.Wants(c.kind, c.repo) {
			t.Errorf("the second does not want %s of %s", c.kind, c.repo)
		}
	}
}

// Secrets are beside the file that names them.
func TestSecretsAreBesideTheSettings(t *testing.T) {
	f := following(t, time.Hour)
	f.write(t, exampleHooks)
	f.reload <- os.Interrupt
	eventually(t, "the log says that webhooks wait", func() bool { return strings.Contains(f.log.String(), "changed webhooks wait for a restart") })
	if strings.Contains(f.log.String(), "hush") {
		t.Errorf("a secret is in the log:\n%s", f.log)
	}
	if got := f.Webhooks(); len(got) != 0 {
		t.Errorf("webhooks changed while they are in use: %+v", got)
	}
	opened, err := Open(f.path, f.File.log)
	if err != nil {
		t.Fatal(err)
	}
	for i, want := range []string{filepath.Join(filepath.Dir(f.path), "hook.secret"), "/etc/berth/other.secret"} {
		if got := opened.Webhooks()[i].SecretFile; got != want {
			t.Errorf("secret %d: got %s, want %s", i, got, want)
		}
	}
}

func TestWebhookErrorsSayWhere(t *testing.T) {
	for text, want := range map[string]string{
		"webhooks: [{url: \"https://x.example\"}]":                                       "f:1:12: this webhook has no secret-file",
		"webhooks: [{secret-file: x}]":                                                   "f:1:12: this webhook has no url",
		"webhooks: [{url: x.example/hush, secret-file: x}]":                              "f:1:18: this is not the URL of a webhook",
		"webhooks: [{url: \"https://x/#hush\", secret-file: x}]":                         "f:1:18: this is not the URL of a webhook",
		"webhooks: [{url: \"https://x\", secret-file: x, types: [tag]}]":                 `f:1:55: "tag" is no type of events; there are referrer.attached, `,
		"webhooks: [{url: \"https://x\", secret-file: x, repositories: [\"A\"]}]":        `f:1:62: pattern "A" fits no repository`,
		"webhooks: [{url: \"https://x\", secret-file: x, secret: hush}]":                 `f:1:47: unknown field "secret"`,
		"webhooks:\n  - url: https://x\n    secret-file: x\n    types: tag.moved\n  - x": "f:4:12: ",
	} {
		_, err := Parse("f", []byte(text))
		if err == nil || !strings.HasPrefix(err.Error(), want) || strings.Contains(err.Error(), "hush") {
			t.Errorf("Parse(%q):\n got %v\nwant %s", text, err, want)
		}
	}
}
