package wire_test

import (
	"log/slog"
	"maps"
	"strings"
	"testing"
	"time"

	"github.com/berthregistry/berth/shared/registry"
	"github.com/berthregistry/berth/shared/wire"
)

// least is the smallest environment that there can be.
var least = map[string]string{
	"BERTH_TABLE":           "items",
	"BERTH_BUCKET":          "bytes",
	"BERTH_ACCESS":          "policy",
	"AWS_REGION":            "eu-central-1",
	"AWS_ACCESS_KEY_ID":     "AKIDEXAMPLE",
	"AWS_SECRET_ACCESS_KEY": "hunter2",
}

func read(env map[string]string) (wire.Config, error) {
	return wire.Read(func(name string) (string, bool) {
		value, ok := env[name]
		return value, ok
	})
}

// and returns least with more variables, name and value by turns.
func and(more ...string) map[string]string {
	env := maps.Clone(least)
	for i := 0; i < len(more); i += 2 {
		env[more[i]] = more[i+1]
	}
	return env
}

func TestDefaults(t *testing.T) {
	c, err := read(least)
	if err != nil {
		t.Fatal(err)
	}
	if c.Table != "items" || c.Bucket != "bytes" || c.Prefix != "" || c.Region != "eu-central-1" {
		t.Errorf("got table %q, bucket %q, prefix %q, region %q", c.Table, c.Bucket, c.Prefix, c.Region)
	}
	if c.Access != wire.Guarded || c.Service != "berth" || c.URL != "" {
		t.Errorf("got access %q, service %q, URL %q", c.Access, c.Service, c.URL)
	}
	if !c.CountsHead || c.InlineLimit != 4<<20 || c.RequestLimit != 4_500_000 {
		t.Errorf("got counted %v, inline %d, request %d", c.CountsHead, c.InlineLimit, c.RequestLimit)
	}
	if c.Verifier != "" || c.VerifyInline != 0 || c.PartLife != 0 || c.Lambda != "" {
		t.Errorf("got verifier %q from %d bytes, parts for %v, Lambda at %q", c.Verifier, c.VerifyInline, c.PartLife, c.Lambda)
	}
	if c.Bus != "" || c.EventBridge != "" {
		t.Errorf("got bus %q of EventBridge at %q", c.Bus, c.EventBridge)
	}
	if c.LogLevel != slog.LevelInfo || c.DynamoDB != "" || c.S3 != "" || c.Credentials.SessionToken != "" {
		t.Errorf("got level %v, endpoints %q and %q", c.LogLevel, c.DynamoDB, c.S3)
	}
	if got := c.Settings.Rules("team/app").ReferrersHeader; got != registry.HeaderAlways {
		t.Errorf("got referrers header %q", got)
	}
}

func TestAllIsRead(t *testing.T) {
	c, err := read(and(
		"BERTH_PREFIX", "registry/",
		"BERTH_ACCESS", "open",
		"BERTH_SERVICE", "registry.example.com",
		"BERTH_URL", "http://127.0.0.1:5000",
		"BERTH_SETTINGS", "repositories:\n  - pattern: '**'\n    referrers-header: off\nlimits:\n  tags-per-push: 12\n",
		"BERTH_LOG_LEVEL", "warn",
		"BERTH_HEAD_LENGTH", "kept",
		"BERTH_INLINE_LIMIT", "1",
		"BERTH_REQUEST_LIMIT", "4669440",
		"BERTH_VERIFIER", "arn:aws:lambda:eu-central-1:123456789012:function:team-Verify_1",
		"BERTH_VERIFY_INLINE", "5368709120",
		"BERTH_PART_LIFE", "43200",
		"BERTH_BUS", "arn:aws:events:eu-central-1:123456789012:event-bus/team-events",
		"AWS_SESSION_TOKEN", "token",
		"AWS_ENDPOINT_URL_DYNAMODB", "http://127.0.0.1:8000",
		"AWS_ENDPOINT_URL_EVENTBRIDGE", "http://127.0.0.1:9002",
		"AWS_ENDPOINT_URL_LAMBDA", "http://127.0.0.1:9001",
		"AWS_ENDPOINT_URL_S3", "https://s3.example",
	))
	if err != nil {
		t.Fatal(err)
	}
	if c.Prefix != "registry/" || c.LogLevel != slog.LevelWarn || c.CountsHead || c.InlineLimit != 1 || c.RequestLimit != 4669440 {
		t.Errorf("got %q, %v, %v, %d, %d", c.Prefix, c.LogLevel, c.CountsHead, c.InlineLimit, c.RequestLimit)
	}
	if c.Access != wire.Open || c.Service != "registry.example.com" || c.URL != "http://127.0.0.1:5000" {
		t.Errorf("got access %q, service %q, URL %q", c.Access, c.Service, c.URL)
	}
	if c.Credentials.AccessKeyID != "AKIDEXAMPLE" || c.Credentials.SecretAccessKey != "hunter2" || c.Credentials.SessionToken != "token" {
		t.Error("credentials are not those of the environment")
	}
	if c.DynamoDB != "http://127.0.0.1:8000" || c.S3 != "https://s3.example" || c.Lambda != "http://127.0.0.1:9001" {
		t.Errorf("got endpoints %q, %q and %q", c.DynamoDB, c.S3, c.Lambda)
	}
	if !strings.HasSuffix(c.Verifier, ":function:team-Verify_1") || c.VerifyInline != 5<<30 || c.PartLife != 12*time.Hour {
		t.Errorf("got verifier %q from %d bytes, parts for %v", c.Verifier, c.VerifyInline, c.PartLife)
	}
	if !strings.HasSuffix(c.Bus, ":event-bus/team-events") || c.EventBridge != "http://127.0.0.1:9002" {
		t.Errorf("got bus %q of EventBridge at %q", c.Bus, c.EventBridge)
	}
	if got := c.Settings.Rules("team/app").ReferrersHeader; got != registry.HeaderOff {
		t.Errorf("got referrers header %q", got)
	}
	if got := c.Settings.Limits.ForRegistry().TagsPerPush; got != 12 {
		t.Errorf("got %d tags a push", got)
	}
}

// A template cannot leave a variable out; it sets it to nothing.
func TestNothingIsNotSet(t *testing.T) {
	env := and("BERTH_PREFIX", "", "BERTH_SETTINGS", "", "BERTH_LOG_LEVEL", "", "BERTH_HEAD_LENGTH", "",
		"BERTH_INLINE_LIMIT", "", "BERTH_REQUEST_LIMIT", "", "AWS_SESSION_TOKEN", "",
		"BERTH_VERIFIER", "", "BERTH_VERIFY_INLINE", "", "BERTH_PART_LIFE", "", "BERTH_BUS", "",
		"AWS_ENDPOINT_URL_DYNAMODB", "", "AWS_ENDPOINT_URL_S3", "", "AWS_ENDPOINT_URL_LAMBDA", "")
	c, err := read(env)
	if err != nil {
		t.Fatal(err)
	}
	if c.InlineLimit != 4<<20 || !c.CountsHead {
		t.Errorf("got inline %d, counted %v", c.InlineLimit, c.CountsHead)
	}
	env["BERTH_TABLE"] = ""
	if _, err := read(env); err == nil || !strings.Contains(err.Error(), "BERTH_TABLE is not set") {
		t.Errorf("got %v", err)
	}
}

func TestAllThatIsMissingIsNamed(t *testing.T) {
	_, err := read(map[string]string{"BERTH_INLINE_LIMIT": "many"})
	if err == nil {
		t.Fatal("an empty environment was taken")
	}
	for _, name := range append([]string{"BERTH_INLINE_LIMIT"}, "BERTH_TABLE", "BERTH_BUCKET", "BERTH_ACCESS", "AWS_REGION", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY") {
		if !strings.Contains(err.Error(), name) {
			t.Errorf("%q does not name %s", err, name)
		}
	}
	if strings.Contains(err.Error(), "\n") {
		t.Errorf("%q is more than one line", err)
	}
}

func TestMistakes(t *testing.T) {
	for _, c := range []struct{ name, value, want string }{
		{"BERTH_PREFIX", "registry", `BERTH_PREFIX is "registry"; want a prefix such as registry/`},
		{"BERTH_PREFIX", "/registry/", "want a prefix"},
		{"BERTH_LOG_LEVEL", "loud", `BERTH_LOG_LEVEL is "loud"; want debug, info, warn or error`},
		{"BERTH_ACCESS", "closed", `BERTH_ACCESS is "closed"; want policy or open`},
		{"BERTH_HEAD_LENGTH", "dropped", `BERTH_HEAD_LENGTH is "dropped"; want counted or kept`},
		{"BERTH_INLINE_LIMIT", "0", "BERTH_INLINE_LIMIT"},
		{"BERTH_INLINE_LIMIT", "4669441", "from 1 to 4669440"},
		{"BERTH_REQUEST_LIMIT", "-1", "BERTH_REQUEST_LIMIT"},
		{"BERTH_REQUEST_LIMIT", "4.5MB", `BERTH_REQUEST_LIMIT is "4.5MB"; want a number of bytes`},
		{"BERTH_VERIFIER", "verify/../token", `BERTH_VERIFIER is "verify/../token"; want the name or the ARN of a function`},
		{"BERTH_VERIFY_INLINE", "0", "BERTH_VERIFY_INLINE"},
		{"BERTH_VERIFY_INLINE", "5368709121", "want a number of bytes from 1 to 5368709120"},
		{"BERTH_PART_LIFE", "1h", `BERTH_PART_LIFE is "1h"; want a number of seconds from 1 to 43200`},
		{"BERTH_BUS", "team events", `BERTH_BUS is "team events"; want the name or the ARN of a bus`},
		{"AWS_ENDPOINT_URL_EVENTBRIDGE", "events", "AWS_ENDPOINT_URL_EVENTBRIDGE is no URL"},
		{"AWS_ENDPOINT_URL_LAMBDA", "lambda", "AWS_ENDPOINT_URL_LAMBDA is no URL"},
		{"BERTH_SETTINGS", "limits:\n  tags-per-push: 12\n  colour: red\n", "BERTH_SETTINGS:3:3: "},
		{"BERTH_SETTINGS", "repositories: [{pattern: '['}]", "BERTH_SETTINGS:1:"},
		{"BERTH_SETTINGS", "webhooks: [{url: 'https://x.example', secret-file: x}]", "BERTH_SETTINGS has webhooks"},
		{"BERTH_URL", "registry.example.com", "BERTH_URL is no URL"},
		{"AWS_ENDPOINT_URL_S3", "s3.example:443", "AWS_ENDPOINT_URL_S3 is no URL"},
		{"AWS_ENDPOINT_URL_DYNAMODB", "ftp://user:hunter2@x", "AWS_ENDPOINT_URL_DYNAMODB is no URL"},
		{"AWS_ENDPOINT_URL_DYNAMODB", "http://user:hunter2@%", "AWS_ENDPOINT_URL_DYNAMODB is no URL"},
	} {
		_, err := read(and(c.name, c.value))
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s=%q: got %v, want %s", c.name, c.value, err, c.want)
		}
		if err != nil && strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%s: the error tells a secret: %v", c.name, err)
		}
	}
}

// Who announces must know where to, and where from.
func TestReadAnnouncer(t *testing.T) {
	for _, missing := range []string{"", "BERTH_BUS", "BERTH_URL", "BERTH_TABLE"} {
		env := and("BERTH_BUS", "team-events", "BERTH_URL", "https://registry.example.com")
		env[missing] = ""
		c, err := wire.ReadAnnouncer(func(name string) (string, bool) { value, ok := env[name]; return value, ok })
		switch {
		case missing == "" && (err != nil || c.Bus != "team-events" || c.URL != "https://registry.example.com"):
			t.Errorf("got %+v, %v", c, err)
		case missing != "" && (err == nil || !strings.Contains(err.Error(), missing+" is not set")):
			t.Errorf("without %s: got %v", missing, err)
		}
	}
}
