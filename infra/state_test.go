package infra_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/credentials"
	awss3 "github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/berthregistry/berth/shared/blobs"
	"github.com/berthregistry/berth/shared/blobs/s3"
)

// Whatever happens to a stack, what lasts stays: also if the stack that made it
// is deleted, or a change to its template would replace it.
func TestWhatLastsIsRetained(t *testing.T) {
	lasting := map[string]resource{"State": read(t, "../template.yaml").Resources["State"]}
	for name, r := range read(t, "state.yaml").Resources {
		lasting[name] = r
	}
	for _, name := range []string{"State", "Table", "Bucket", "BucketPolicy"} {
		if _, ok := lasting[name]; !ok {
			t.Errorf("there is no %s", name)
		}
	}
	for name, r := range lasting {
		if r.DeletionPolicy != "Retain" || r.UpdateReplacePolicy != "Retain" {
			t.Errorf("%s: DeletionPolicy is %q and UpdateReplacePolicy %q, want Retain", name, r.DeletionPolicy, r.UpdateReplacePolicy)
		}
	}
}

// A name that the template fixes could be given to one registry only.
func TestNamesAreNotFixed(t *testing.T) {
	for _, file := range []string{"../template.yaml", "state.yaml", "webhook.yaml"} {
		for id, r := range read(t, file).Resources {
			for _, name := range []string{"TableName", "BucketName", "FunctionName", "RoleName", "AlarmName", "DashboardName", "Name"} {
				value, ok := r.Properties[name]
				if ok && !strings.Contains(fmt.Sprint(value), "${AWS::StackName}") && r.Type != "AWS::ApiGatewayV2::DomainName" {
					t.Errorf("%s: %s has the fixed name %v", file, id, value)
				}
			}
		}
	}
}

// at walks down a template by keys.
func at(t *testing.T, value any, path ...string) any {
	t.Helper()
	for _, key := range path {
		m, ok := value.(map[string]any)
		if !ok || m[key] == nil {
			t.Fatalf("there is no %s in %v", key, value)
		}
		value = m[key]
	}
	return value
}

func TestTable(t *testing.T) {
	table := read(t, "state.yaml").Resources["Table"].Properties
	for key, want := range map[string]any{"BillingMode": "PAY_PER_REQUEST", "DeletionProtectionEnabled": true} {
		if got := at(t, table, key); got != want {
			t.Errorf("%s is %v, want %v", key, got, want)
		}
	}
}

// The store keeps an upload for blobs.UploadLife, and asks that the bucket
// removes what is left of it a day later: not sooner, and not never.
func TestBucketForgetsUploads(t *testing.T) {
	want := uint64((blobs.UploadLife + 24*time.Hour) / (24 * time.Hour))
	rules := lifecycle(t)
	if got := at(t, rules["stale-uploads"], "AbortIncompleteMultipartUpload", "DaysAfterInitiation"); got != want {
		t.Errorf("multipart uploads are aborted after %v days, want %d", got, want)
	}
	if rules["stale-uploads"]["Prefix"] != nil {
		t.Error("only some multipart uploads are aborted")
	}
	if got := at(t, rules["stale-tails"], "ExpirationInDays"); got != want {
		t.Errorf("tails expire after %v days, want %d", got, want)
	}
	if got := at(t, rules["stale-tails"], "Prefix"); got != "tail/" {
		t.Errorf("what expires is %v; an object that is no tail must never", got)
	}
	for id, rule := range rules {
		if rule["ExpirationInDays"] != nil && id != "stale-tails" && id != "unverified" {
			t.Errorf("rule %s expires objects that are in use", id)
		}
	}
}

// What a client has sent goes as uploads do unless it is kept. What tells them
// apart from objects in use is the tag alone, so it must be the store's own; and
// of what was deleted before it was verified, nothing is to be restored.
func TestBucketForgetsWhatIsUnverified(t *testing.T) {
	rule := lifecycle(t)["unverified"]
	want := uint64((blobs.UploadLife + 24*time.Hour) / (24 * time.Hour))
	if got := at(t, rule, "ExpirationInDays"); got != want {
		t.Errorf("what is unverified expires after %v days, want %d", got, want)
	}
	if got := at(t, rule, "NoncurrentVersionExpiration", "NoncurrentDays"); got != uint64(1) {
		t.Errorf("what was unverified is kept for %v days, want 1", got)
	}
	tags := at(t, rule, "TagFilters").([]any)
	if len(tags) != 1 || rule["Prefix"] != nil {
		t.Fatalf("the rule goes by %v and prefix %v, want one tag", tags, rule["Prefix"])
	}
	store := s3.New(awss3.New(awss3.Options{
		Region:      "us-east-1",
		Credentials: credentials.NewStaticCredentialsProvider("key", "secret", ""),
	}), "bucket", "")
	_, header, err := store.MarkedURL(t.Context(), "a", 1, nil, time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	got := fmt.Sprintf("%v=%v", at(t, tags[0], "Key"), at(t, tags[0], "Value"))
	if want := header.Get("X-Amz-Tagging"); got != want {
		t.Errorf("the rule goes by the tag %s, the store's is %q", got, want)
	}
}

func lifecycle(t *testing.T) map[string]map[string]any {
	t.Helper()
	rules := map[string]map[string]any{}
	bucket := read(t, "state.yaml").Resources["Bucket"].Properties
	for _, r := range at(t, bucket, "LifecycleConfiguration", "Rules").([]any) {
		rule := r.(map[string]any)
		if rule["Status"] != "Enabled" {
			t.Errorf("rule %v is not enabled", rule["Id"])
		}
		rules[rule["Id"].(string)] = rule
	}
	return rules
}

// A table that goes back some days names what was deleted since: the bucket
// keeps it as long. In the words of the template, by one parameter.
func TestRecoveryIsOfBoth(t *testing.T) {
	state := read(t, "state.yaml").Resources
	back := at(t, state["Table"].Properties, "PointInTimeRecoverySpecification", "RecoveryPeriodInDays").([]any)
	kept := at(t, lifecycle(t)["deleted"], "NoncurrentVersionExpiration", "NoncurrentDays").([]any)
	for what, call := range map[string][]any{"the table": back, "the bucket": kept} {
		if call[0] != "Recoverable" || call[1] != "Recovery" {
			t.Errorf("%s goes back by %v, want !If [Recoverable, !Ref Recovery, ...]", what, call)
		}
	}
	versions := at(t, state["Bucket"].Properties, "VersioningConfiguration", "Status").([]any)
	if versions[0] != "Recoverable" || versions[1] != "Enabled" || versions[2] != "Suspended" {
		t.Errorf("versions are kept by %v", versions)
	}
}

func TestBucketIsClosed(t *testing.T) {
	state := read(t, "state.yaml").Resources
	for _, key := range []string{"BlockPublicAcls", "BlockPublicPolicy", "IgnorePublicAcls", "RestrictPublicBuckets"} {
		if got := at(t, state["Bucket"].Properties, "PublicAccessBlockConfiguration", key); got != true {
			t.Errorf("%s is %v", key, got)
		}
	}
	statements := at(t, state["BucketPolicy"].Properties, "PolicyDocument", "Statement").([]any)
	var refused []any
	for _, s := range statements {
		if at(t, s, "Effect") != "Deny" || at(t, s, "Principal") != "*" || at(t, s, "Action") != "s3:*" {
			t.Errorf("the bucket's policy does more than to refuse: %v", s)
		}
		refused = append(refused, at(t, s, "Condition"))
	}
	if len(refused) != 2 || at(t, refused[0], "Bool", "aws:SecureTransport") != false || at(t, refused[1], "NumericLessThan", "s3:TlsVersion") != "1.2" {
		t.Errorf("the bucket refuses %v; want what is not TLS 1.2 or newer", refused)
	}
}
