package iam_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/berthregistry/berth/infra/localcloud/iam"
)

const (
	blob  = "arn:aws:s3:::content/blobs/object/1f"
	other = "arn:aws:s3:::content/other"
	state = "arn:aws:dynamodb:eu-central-1:123456789012:table/state"
)

func TestEvaluate(t *testing.T) {
	allowBlobs := `{"Effect": "Allow", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::content/blobs/*"}`
	for _, test := range []struct {
		name, statements string
		action, resource string
		want             iam.Decision
	}{
		{"what is allowed", allowBlobs, "s3:GetObject", blob, iam.Allowed},
		{"another action", allowBlobs, "s3:PutObject", blob, iam.NotAllowed},
		{"an action that begins so", allowBlobs, "s3:GetObjectTagging", blob, iam.NotAllowed},
		{"another resource", allowBlobs, "s3:GetObject", other, iam.NotAllowed},
		{"actions in any case", allowBlobs, "S3:getobject", blob, iam.Allowed},
		{"resources in their case only", allowBlobs, "s3:GetObject", "arn:aws:s3:::content/Blobs/x", iam.NotAllowed},
		{"actions written in any case", `{"Effect": "Allow", "Action": "S3:GETOBJECT", "Resource": "*"}`, "s3:GetObject", blob, iam.Allowed},

		{"a bucket is none of its objects", `{"Effect": "Allow", "Action": "*", "Resource": "arn:aws:s3:::content/*"}`, "s3:ListBucket", "arn:aws:s3:::content", iam.NotAllowed},
		{"objects are not their bucket", `{"Effect": "Allow", "Action": "*", "Resource": "arn:aws:s3:::content"}`, "s3:GetObject", blob, iam.NotAllowed},
		{"a table is none of its indexes", `{"Effect": "Allow", "Action": "*", "Resource": "` + state + `"}`, "dynamodb:Query", state + "/index/by-size", iam.NotAllowed},
		{"a table of another region", `{"Effect": "Allow", "Action": "*", "Resource": "arn:aws:dynamodb:us-east-1:123456789012:table/state"}`, "dynamodb:Query", state, iam.NotAllowed},
		{"a table of any region", `{"Effect": "Allow", "Action": "*", "Resource": "arn:aws:dynamodb:*:*:table/st?te"}`, "dynamodb:Query", state, iam.Allowed},
		{"a wildcard ends at a colon", `{"Effect": "Allow", "Action": "*", "Resource": "arn:aws:dynamodb:*:table/state:x"}`, "dynamodb:Query", state, iam.NotAllowed},
		{"the last part holds colons", `{"Effect": "Allow", "Action": "*", "Resource": "arn:aws:s3:::content/a:*:c"}`, "s3:GetObject", "arn:aws:s3:::content/a:b:b:c", iam.Allowed},

		{"a wildcard in an action", `{"Effect": "Allow", "Action": "s3:*Object", "Resource": "*"}`, "s3:DeleteObject", blob, iam.Allowed},
		{"a wildcard stays in its service", `{"Effect": "Allow", "Action": "s3:*", "Resource": "*"}`, "dynamodb:GetItem", state, iam.NotAllowed},
		{"lists", `{"Effect": "Allow", "Action": ["s3:PutObject", "s3:GetObject"], "Resource": ["` + other + `", "` + blob + `"]}`, "s3:GetObject", blob, iam.Allowed},

		{"deny wins", allowBlobs + `, {"Effect": "Deny", "Action": "s3:*", "Resource": "*"}`, "s3:GetObject", blob, iam.Denied},
		{"deny wins wherever it stands", `{"Effect": "Deny", "Action": "s3:*", "Resource": "*"}, ` + allowBlobs, "s3:GetObject", blob, iam.Denied},
		{"deny of something else", allowBlobs + `, {"Effect": "Deny", "Action": "s3:*", "Resource": "` + other + `"}`, "s3:GetObject", blob, iam.Allowed},
		{"statements do not mix", `{"Effect": "Allow", "Action": "s3:GetObject", "Resource": "` + blob + `"}, {"Effect": "Allow", "Action": "s3:PutObject", "Resource": "` + other + `"}`, "s3:PutObject", blob, iam.NotAllowed},

		{"all but an action", `{"Effect": "Allow", "NotAction": "s3:Delete*", "Resource": "*"}`, "s3:GetObject", blob, iam.Allowed},
		{"the action that is excepted", `{"Effect": "Allow", "NotAction": "s3:Delete*", "Resource": "*"}`, "s3:DeleteObject", blob, iam.NotAllowed},
		{"all but a resource", `{"Effect": "Allow", "Action": "*", "NotResource": "` + other + `"}`, "s3:GetObject", blob, iam.Allowed},
		{"the resource that is excepted", `{"Effect": "Allow", "Action": "*", "NotResource": "` + other + `"}`, "s3:GetObject", other, iam.NotAllowed},
		{"deny of all but a resource", allowBlobs + `, {"Effect": "Deny", "Action": "*", "NotResource": "` + blob + `"}`, "s3:GetObject", blob, iam.Allowed},
	} {
		t.Run(test.name, func(t *testing.T) {
			p, err := iam.ParsePolicy([]byte(`{"Version": "2012-10-17", "Statement": [` + test.statements + `]}`))
			if err != nil {
				t.Fatal(err)
			}
			if got := p.Evaluate(test.action, test.resource); got != test.want {
				t.Errorf("%s on %s: got %v, want %v", test.action, test.resource, got, test.want)
			}
		})
	}
}

// What is limited to partition keys is allowed for requests about these alone.
func TestLeadingKeys(t *testing.T) {
	const allow = `{"Effect": "Allow", "Action": "dynamodb:*", "Resource": "*", "Condition": {"ForAllValues:StringEquals": {"dynamodb:LeadingKeys": ["access", "repos"]}}}`
	const deny = `{"Effect": "Allow", "Action": "dynamodb:*", "Resource": "*"}, {"Effect": "Deny", "Action": "dynamodb:*", "Resource": "*", "Condition": {"ForAllValues:StringEquals": {"dynamodb:LeadingKeys": "access"}}}`
	denyAny := strings.Replace(deny, "ForAllValues", "ForAnyValue", 1)
	const like = `{"Effect": "Allow", "Action": "dynamodb:*", "Resource": "*", "Condition": {"ForAllValues:StringLike": {"dynamodb:LeadingKeys": ["events#*", "one-?"]}}}`
	for _, test := range []struct {
		statements string
		keys       []string
		want       iam.Decision
	}{
		{allow, []string{"access"}, iam.Allowed},
		{allow, []string{"access", "repos"}, iam.Allowed},
		{allow, []string{"access", "repo#team/app"}, iam.NotAllowed},
		{allow, []string{"Access"}, iam.NotAllowed},
		{allow, []string{""}, iam.NotAllowed},
		{allow, nil, iam.Allowed}, // a Scan: it must not be among the actions
		{deny, []string{"access"}, iam.Denied},
		{deny, []string{"access", "repos"}, iam.Allowed},
		{deny, []string{"repos"}, iam.Allowed},
		{denyAny, []string{"access"}, iam.Denied},
		{denyAny, []string{"repos", "access"}, iam.Denied},
		{denyAny, []string{"repos"}, iam.Allowed},
		{denyAny, nil, iam.Allowed},
		{like, []string{"events#team/app", "events#", "one-1"}, iam.Allowed},
		{like, []string{"events#team/app", "repo#team/app"}, iam.NotAllowed},
		{like, []string{"events"}, iam.NotAllowed},
		{like, []string{"x-events#team/app"}, iam.NotAllowed},
		{like, []string{""}, iam.NotAllowed},
		{allow, []string{"acc*"}, iam.NotAllowed},
	} {
		p, err := iam.ParsePolicy([]byte(`{"Version": "2012-10-17", "Statement": [` + test.statements + `]}`))
		if err != nil {
			t.Fatal(err)
		}
		if got := p.Evaluate("dynamodb:GetItem", state, test.keys...); got != test.want {
			t.Errorf("%s about %q: got %v, want %v", test.statements, test.keys, got, test.want)
		}
	}
}

func TestNoPolicyAllowsNothing(t *testing.T) {
	if got := (iam.Policy{}).Evaluate("s3:GetObject", blob); got != iam.NotAllowed {
		t.Errorf("got %v, want NotAllowed", got)
	}
}

func TestOneStatementNeedsNoList(t *testing.T) {
	p, err := iam.ParsePolicy([]byte(`{"Statement": {"Sid": "One", "Effect": "Allow", "Action": "*", "Resource": "*"}}`))
	if err != nil {
		t.Fatal(err)
	}
	if got := p.Evaluate("s3:GetObject", blob); got != iam.Allowed {
		t.Errorf("got %v, want Allowed", got)
	}
}

// A policy of which a part would be passed over is not read at all.
func TestParsePolicyRefuses(t *testing.T) {
	statement := func(s string) string { return `{"Version": "2012-10-17", "Statement": [` + s + `]}` }
	for name, document := range map[string]string{
		"no JSON":                 `Version: 2012-10-17`,
		"two documents":           statement(`{"Effect": "Allow", "Action": "*", "Resource": "*"}`) + `{}`,
		"no statement":            `{"Version": "2012-10-17"}`,
		"an empty list":           statement(``),
		"null":                    statement(`null`),
		"another version":         `{"Version": "2020-01-01", "Statement": {"Effect": "Allow", "Action": "*", "Resource": "*"}}`,
		"an unknown field":        statement(`{"Effect": "Allow", "Action": "*", "Resource": "*", "When": "now"}`),
		"another condition":       statement(`{"Effect": "Allow", "Action": "*", "Resource": "*", "Condition": {"Bool": {"aws:SecureTransport": "true"}}}`),
		"one condition more":      statement(`{"Effect": "Allow", "Action": "*", "Resource": "*", "Condition": {"ForAllValues:StringEquals": {"dynamodb:LeadingKeys": "a", "dynamodb:Attributes": "b"}}}`),
		"no quantifier":           statement(`{"Effect": "Allow", "Action": "*", "Resource": "*", "Condition": {"StringEquals": {"dynamodb:LeadingKeys": "a"}}}`),
		"both quantifiers":        statement(`{"Effect": "Allow", "Action": "*", "Resource": "*", "Condition": {"ForAllValues:StringEquals": {"dynamodb:LeadingKeys": "a"}, "ForAnyValue:StringEquals": {"dynamodb:LeadingKeys": "a"}}}`),
		"equal and like":          statement(`{"Effect": "Allow", "Action": "*", "Resource": "*", "Condition": {"ForAllValues:StringEquals": {"dynamodb:LeadingKeys": "a"}, "ForAllValues:StringLike": {"dynamodb:LeadingKeys": "a"}}}`),
		"a condition without key": statement(`{"Effect": "Allow", "Action": "*", "Resource": "*", "Condition": {"ForAllValues:StringEquals": {"dynamodb:LeadingKeys": []}}}`),
		"an empty condition":      statement(`{"Effect": "Allow", "Action": "*", "Resource": "*", "Condition": {}}`),
		"a principal":             statement(`{"Effect": "Allow", "Action": "*", "Resource": "*", "Principal": "*"}`),
		"no effect":               statement(`{"Action": "*", "Resource": "*"}`),
		"another effect":          statement(`{"Effect": "allow", "Action": "*", "Resource": "*"}`),
		"no action":               statement(`{"Effect": "Allow", "Resource": "*"}`),
		"no actions":              statement(`{"Effect": "Allow", "Action": [], "Resource": "*"}`),
		"an action and its but":   statement(`{"Effect": "Allow", "Action": "*", "NotAction": "*", "Resource": "*"}`),
		"an action of no service": statement(`{"Effect": "Allow", "Action": "GetObject", "Resource": "*"}`),
		"an action of any":        statement(`{"Effect": "Allow", "Action": "*:GetObject", "Resource": "*"}`),
		"no resource":             statement(`{"Effect": "Allow", "Action": "*"}`),
		"a resource and its but":  statement(`{"Effect": "Allow", "Action": "*", "Resource": "*", "NotResource": "*"}`),
		"a resource by its name":  statement(`{"Effect": "Allow", "Action": "*", "Resource": "content"}`),
		"a part of an ARN":        statement(`{"Effect": "Allow", "Action": "*", "Resource": "arn:aws:dynamodb:*"}`),
		"a variable":              statement(`{"Effect": "Allow", "Action": "*", "Resource": "arn:aws:s3:::content/${aws:username}/*"}`),
		"a number":                statement(`{"Effect": "Allow", "Action": 1, "Resource": "*"}`),
	} {
		if _, err := iam.ParsePolicy([]byte(document)); err == nil {
			t.Errorf("%s was read: %s", name, document)
		}
	}
}

// Whatever is read is decided on without a panic, and never allows what a Deny
// of the same words forbids.
func FuzzPolicy(f *testing.F) {
	f.Add([]byte(`{"Statement": {"Effect": "Allow", "Action": "s3:*", "Resource": "arn:aws:s3:::content/*"}}`), "s3:GetObject", blob)
	f.Add([]byte(`{"Statement": [{"Effect": "Deny", "NotAction": ["s3:Get?bject"], "NotResource": "*"}]}`), "s3:GetObject", other)
	f.Add([]byte(`{"Statement": {"Effect": "Allow", "Action": "*", "Resource": "*", "Condition": {}}}`), "dynamodb:Query", state)
	f.Fuzz(func(t *testing.T, document []byte, action, resource string) {
		p, err := iam.ParsePolicy(document)
		if err != nil {
			return
		}
		// Its JSON is that of encoding/json, which is why this can be asked.
		var doc map[string]json.RawMessage
		if json.Unmarshal(document, &doc) == nil && strings.Contains(string(doc["Statement"]), `"Condition":{}`) {
			t.Fatalf("read in spite of a condition: %s", document)
		}
		decision := p.Evaluate(action, resource)
		denied, err := iam.ParsePolicy([]byte(strings.ReplaceAll(string(document), `"Allow"`, `"Deny"`)))
		if err == nil && decision == iam.Allowed && denied.Evaluate(action, resource) == iam.Allowed {
			t.Fatalf("%q on %q is allowed by a policy that only denies: %s", action, resource, document)
		}
	})
}
