// Package infra_test holds template.yaml and infra/state.yaml to the code that
// they deploy: what a function is told, what it may do, where requests go.
// Whether AWS takes them is for scripts/template to say.
package infra_test

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/berthregistry/berth/infra/localcloud/template"
)

const (
	table  = "arn:aws:dynamodb:us-east-1:123456789012:table/the-table"
	stream = table + "/stream/2026-11-22T01:00:00.000"
	bucket = "arn:aws:s3:::the-bucket"

	verifier   = "arn:aws:lambda:us-east-1:123456789012:function:berth-Verify"
	signingKey = "arn:aws:ssm:us-east-1:123456789012:parameter/berth/berth/signing-key"
)

// load reads template.yaml for a registry whose table and bucket exist, and so
// have names that a test knows, unless parameters say otherwise.
func load(t *testing.T, parameters map[string]string) *template.Stack {
	t.Helper()
	given := map[string]string{"Table": "the-table", "Bucket": "the-bucket", "Stream": stream}
	maps.Copy(given, parameters)
	stack, err := template.Load("../template.yaml", given)
	if err != nil {
		t.Fatal(err)
	}
	return stack
}

// What each role allows, action by action. That it is what the functions need,
// no less and no more, is shown by TestPoliciesAreExact of localcloud, where
// they run with it.
var allowed = map[string][]string{
	"Pull": {
		"dynamodb:BatchGetItem " + table,
		"dynamodb:GetItem " + table,
		"dynamodb:Query " + table,
		"logs:CreateLogStream PullLogs",
		"logs:PutLogEvents PullLogs",
		"s3:GetObject " + bucket + "/object/*",
		"s3:ListBucket " + bucket,
		"s3:ListMultipartUploadParts " + bucket + "/object/*",
	},
	"Push": {
		"deny dynamodb:DeleteItem " + table + " about any of access",
		"deny dynamodb:PutItem " + table + " about any of access",
		"deny dynamodb:UpdateItem " + table + " about any of access",
		"dynamodb:BatchGetItem " + table,
		"dynamodb:ConditionCheckItem " + table,
		"dynamodb:DeleteItem " + table,
		"dynamodb:GetItem " + table,
		"dynamodb:PutItem " + table,
		"dynamodb:Query " + table,
		"dynamodb:UpdateItem " + table,
		"lambda:InvokeFunction " + verifier,
		"logs:CreateLogStream PushLogs",
		"logs:PutLogEvents PushLogs",
		"s3:AbortMultipartUpload " + bucket + "/object/*",
		"s3:DeleteObject " + bucket + "/object/*",
		"s3:DeleteObject " + bucket + "/tail/*",
		"s3:DeleteObjectTagging " + bucket + "/object/*",
		"s3:GetObject " + bucket + "/object/*",
		"s3:GetObject " + bucket + "/tail/*",
		"s3:ListBucket " + bucket,
		"s3:ListBucketMultipartUploads " + bucket,
		"s3:ListMultipartUploadParts " + bucket + "/object/*",
		"s3:PutObject " + bucket + "/object/*",
		"s3:PutObject " + bucket + "/tail/*",
		"s3:PutObjectTagging " + bucket + "/object/*",
	},
	"Verify": {
		"deny dynamodb:DeleteItem " + table + " about any of access",
		"deny dynamodb:PutItem " + table + " about any of access",
		"deny dynamodb:UpdateItem " + table + " about any of access",
		"dynamodb:BatchGetItem " + table,
		"dynamodb:DeleteItem " + table,
		"dynamodb:GetItem " + table,
		"dynamodb:PutItem " + table,
		"dynamodb:UpdateItem " + table,
		"logs:CreateLogStream VerifyLogs",
		"logs:PutLogEvents VerifyLogs",
		"s3:AbortMultipartUpload " + bucket + "/object/*",
		"s3:DeleteObject " + bucket + "/object/*",
		"s3:DeleteObject " + bucket + "/tail/*",
		"s3:DeleteObjectTagging " + bucket + "/object/*",
		"s3:GetObject " + bucket + "/object/*",
		"s3:ListBucket " + bucket,
		"s3:ListBucketMultipartUploads " + bucket,
		"s3:ListMultipartUploadParts " + bucket + "/object/*",
		"s3:PutObject " + bucket + "/object/*",
		"s3:PutObject " + bucket + "/tail/*",
	},
	"Delete": {
		"deny dynamodb:DeleteItem " + table + " about any of access",
		"deny dynamodb:PutItem " + table + " about any of access",
		"deny dynamodb:UpdateItem " + table + " about any of access",
		"dynamodb:BatchGetItem " + table,
		"dynamodb:ConditionCheckItem " + table,
		"dynamodb:DeleteItem " + table,
		"dynamodb:GetItem " + table,
		"dynamodb:PutItem " + table,
		"dynamodb:Query " + table,
		"dynamodb:UpdateItem " + table,
		"logs:CreateLogStream DeleteLogs",
		"logs:PutLogEvents DeleteLogs",
		"s3:AbortMultipartUpload " + bucket + "/object/*",
		"s3:DeleteObject " + bucket + "/object/*",
		"s3:DeleteObject " + bucket + "/tail/*",
		"s3:GetObject " + bucket + "/object/manifests/*",
		"s3:ListBucket " + bucket,
		"s3:ListBucketMultipartUploads " + bucket,
	},
	"Announce": {
		"dynamodb:DescribeStream " + table + "/stream/*",
		"dynamodb:GetItem " + table,
		"dynamodb:GetRecords " + table + "/stream/*",
		"dynamodb:GetShardIterator " + table + "/stream/*",
		"dynamodb:ListStreams " + table + "/stream/*",
		"dynamodb:PutItem " + table + " about events#*",
		"dynamodb:Query " + table,
		"events:PutEvents arn:aws:events:us-east-1:123456789012:event-bus/berth-events",
		"logs:CreateLogStream AnnounceLogs",
		"logs:PutLogEvents AnnounceLogs",
		"sqs:SendMessage arn:aws:sqs:us-east-1:123456789012:berth-Unannounced",
	},
	"Token": {
		"dynamodb:BatchGetItem " + table + " about access",
		"dynamodb:DeleteItem " + table + " about access",
		"dynamodb:GetItem " + table + " about access",
		"dynamodb:PutItem " + table + " about access",
		"dynamodb:Query " + table + " about access",
		"dynamodb:UpdateItem " + table + " about access",
		"logs:CreateLogStream TokenLogs",
		"logs:PutLogEvents TokenLogs",
		"ssm:GetParameter " + signingKey,
		"ssm:PutParameter " + signingKey,
	},
}

func TestPolicies(t *testing.T) {
	for _, f := range load(t, nil).Functions {
		if got, want := permissions(t, f), allowed[f.ID]; !slices.Equal(got, want) {
			t.Errorf("%s may\n\t%s\nwant\n\t%s", f.ID, strings.Join(got, "\n\t"), strings.Join(want, "\n\t"))
		}
	}
}

// X-Ray has nothing that a policy could name. Nothing else may be open, and
// that only if it is wanted.
func TestTracingPolicy(t *testing.T) {
	for _, f := range load(t, map[string]string{"Tracing": "true"}).Functions {
		want := slices.Sorted(slices.Values(append([]string{"xray:PutTelemetryRecords *", "xray:PutTraceSegments *"}, allowed[f.ID]...)))
		if got := permissions(t, f); !slices.Equal(got, want) {
			t.Errorf("%s, traced, may\n\t%s", f.ID, strings.Join(got, "\n\t"))
		}
	}
}

// permissions lists what a function may do, sorted, log groups by their ids,
// and what it is kept from.
func permissions(t *testing.T, f template.Function) []string {
	t.Helper()
	var out []string
	for _, s := range f.Policies {
		before, behind := "", ""
		if s.Effect == "Deny" {
			before = "deny "
		}
		if s.LeadingKeys != nil {
			behind = " about " + strings.Join(s.LeadingKeys, ", ")
		}
		if s.LeadingKeysLike != nil {
			behind = " about " + strings.Join(s.LeadingKeysLike, ", ")
		}
		if s.AnyLeadingKey != nil {
			behind = " about any of " + strings.Join(s.AnyLeadingKey, ", ")
		}
		for _, action := range s.Actions {
			for _, resource := range s.Resources {
				if strings.HasSuffix(resource, ":log-group:berth-"+f.ID+"Logs:*") {
					resource = f.ID + "Logs"
				}
				out = append(out, before+action+" "+resource+behind)
			}
		}
	}
	slices.Sort(out)
	return out
}

// Nobody but the function that signs tokens may read the key, or write who may
// do what.
func TestAccessIsTokensAlone(t *testing.T) {
	for _, f := range load(t, nil).Functions {
		for _, p := range permissions(t, f) {
			if f.ID != "Token" && (strings.HasPrefix(p, "ssm:") || strings.HasPrefix(p, "kms:")) {
				t.Errorf("%s may %s", f.ID, p)
			}
		}
		for _, write := range []string{"PutItem", "UpdateItem", "DeleteItem"} {
			may := slices.Contains(permissions(t, f), "dynamodb:"+write+" "+table)
			kept := slices.Contains(permissions(t, f), "deny dynamodb:"+write+" "+table+" about any of access")
			if may && !kept {
				t.Errorf("%s may %s who may do what", f.ID, write)
			}
		}
	}
}

// The variable is called proxy: any other name would stand in the permission to
// invoke the function, where SAM writes a * for this one.
func TestRoutes(t *testing.T) {
	var got []string
	for _, r := range load(t, nil).Routes {
		got = append(got, r.Method+" "+r.Path+" "+r.Function)
	}
	want := []string{
		"ANY $default Pull",
		"DELETE /_berth/robots Token",
		"DELETE /{proxy+} Delete",
		"GET /_berth/policy Token",
		"GET /_berth/robots Token",
		"GET /token Token",
		"PATCH /{proxy+} Push",
		"POST /_berth/keys/rotate Token",
		"POST /_berth/robots Token",
		"POST /_berth/robots/rotate Token",
		"POST /token Token",
		"POST /{proxy+} Push",
		"PUT /_berth/policy Token",
		"PUT /{proxy+} Push",
	}
	if slices.Sort(got); !slices.Equal(got, want) {
		t.Errorf("routes are %q, want %q", got, want)
	}
}

func TestFunctions(t *testing.T) {
	const gateway = 30 * time.Second // after which nobody waits for the answer
	for _, f := range load(t, nil).Functions {
		if waitedFor := f.ID != "Verify" && f.ID != "Announce"; waitedFor && (f.Timeout >= gateway || f.Timeout < gateway-2*time.Second) {
			t.Errorf("%s has %s, the gateway %s", f.ID, f.Timeout, gateway)
		}
		if want := "dist/" + strings.ToLower(f.ID); !strings.HasSuffix(f.CodeDir, want) {
			t.Errorf("%s is built into %s, want %s", f.ID, f.CodeDir, want)
		}
		if f.Concurrency != 0 {
			t.Errorf("%s takes %d of the account's concurrency", f.ID, f.Concurrency)
		}
	}
}

// Who verifies has as long as Lambda gives anybody, is told by Push alone, and an
// event about it comes again, but not for ever.
func TestVerifier(t *testing.T) {
	functions := load(t, nil).Functions
	for _, f := range functions {
		if got := f.Env["BERTH_VERIFIER"]; (got == "berth-Verify") != (f.ID == "Push") {
			t.Errorf("%s is told of the verifier %q", f.ID, got)
		}
	}
	i := slices.IndexFunc(functions, func(f template.Function) bool { return f.ID == "Verify" })
	if f := functions[i]; f.Timeout != 15*time.Minute || f.Async != (template.Async{Retries: 2, MaxAge: time.Hour}) {
		t.Errorf("Verify has %v, and its events %+v", f.Timeout, f.Async)
	}
}

func TestNewState(t *testing.T) {
	stack := load(t, map[string]string{"Table": "", "Bucket": "", "Stream": ""})
	if len(stack.Tables) != 1 || len(stack.Buckets) != 1 {
		t.Fatalf("%d tables and %d buckets, want one of each", len(stack.Tables), len(stack.Buckets))
	}
	got := stack.Tables[0]
	// As dynamo.CreateTable makes it.
	want := template.Table{
		ID: got.ID, Name: got.Name, ARN: got.ARN, StreamARN: got.StreamARN,
		Keys:   []template.Key{{Name: "pk", Role: "HASH", Type: "S"}, {Name: "sk", Role: "RANGE", Type: "S"}},
		Stream: "NEW_AND_OLD_IMAGES",
		TTL:    "expires",
	}
	if !slices.Equal(got.Keys, want.Keys) || got.Stream != want.Stream || got.TTL != want.TTL {
		t.Errorf("the table is %+v, want %+v", got, want)
	}
	for _, f := range stack.Functions {
		if f.Env["BERTH_TABLE"] != got.Name || f.Env["BERTH_BUCKET"] != stack.Buckets[0].Name {
			t.Errorf("%s is told %v, not of the new table and bucket", f.ID, f.Env)
		}
	}
	if stack := load(t, nil); len(stack.Tables) != 0 || len(stack.Buckets) != 0 {
		t.Errorf("beside those that were given there are %v and %v", stack.Tables, stack.Buckets)
	}
}

// A line of the log is JSON whatever happens, and holds neither a query, which
// may have a token in it, nor a header but the user agent.
func TestAccessLog(t *testing.T) {
	var got map[string]string
	if err := json.Unmarshal([]byte(load(t, nil).AccessLog), &got); err != nil {
		t.Fatalf("the format is not JSON with all values in quotes: %v", err)
	}
	want := map[string]string{
		"requestId":          "$context.requestId",
		"time":               "$context.requestTime",
		"ip":                 "$context.identity.sourceIp",
		"userAgent":          "$context.identity.userAgent",
		"host":               "$context.domainName",
		"method":             "$context.httpMethod",
		"path":               "$context.path",
		"protocol":           "$context.protocol",
		"route":              "$context.routeKey",
		"status":             "$context.status",
		"responseLength":     "$context.responseLength",
		"latency":            "$context.responseLatency",
		"integrationLatency": "$context.integrationLatency",
		"integrationStatus":  "$context.integrationStatus",
		"integrationError":   "$context.integrationErrorMessage",
		"error":              "$context.error.message",
	}
	if !maps.Equal(got, want) {
		t.Errorf("the access log has %v, want %v", got, want)
	}
}
