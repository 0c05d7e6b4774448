package main

import (
	"context"
	"crypto/rand"
	"log/slog"
	"os"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"

	"github.com/berthregistry/berth/shared/access/ledger"
	"github.com/berthregistry/berth/shared/table/dynamo"
)

// Whoever has AWS credentials for the table sets the first policy, and makes
// the first robot.
func TestTheFirstPolicyOnAWS(t *testing.T) {
	url := os.Getenv("BERTH_TEST_DYNAMODB")
	switch {
	case url != "":
	case os.Getenv("BERTH_TEST_REQUIRE") == "1":
		t.Fatal("BERTH_TEST_DYNAMODB is not set, and BERTH_TEST_REQUIRE=1 wants it")
	default:
		t.Skip("BERTH_TEST_DYNAMODB is not set: scripts/test starts the service and sets it")
	}
	for name, value := range map[string]string{
		"AWS_ENDPOINT_URL_DYNAMODB": url, "AWS_REGION": "us-east-1", "AWS_ACCESS_KEY_ID": "test",
		"AWS_SECRET_ACCESS_KEY": "test", "AWS_SESSION_TOKEN": "", "AWS_CONFIG_FILE": os.DevNull,
	} {
		t.Setenv(name, value)
	}
	db := dynamodb.New(dynamodb.Options{
		Region: "us-east-1", BaseEndpoint: &url, Credentials: credentials.NewStaticCredentialsProvider("test", "test", ""),
		RetryMaxAttempts: 10, // the engine is that of all tests, and may be busy
	})
	name := "berth-test-" + rand.Text()
	if err := dynamo.CreateTable(t.Context(), db, name); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		// t.Context has ended by now.
		if _, err := db.DeleteTable(context.Background(), &dynamodb.DeleteTableInput{TableName: aws.String(name)}); err != nil {
			t.Log(err)
		}
	})

	berth(t, "", "robot", "list", "--table", name+"x").wants(t, 1, "open the table "+name+"x: ", "ResourceNotFoundException")
	policy := textFile(t, "policy.yaml", accessPolicy)
	berth(t, "", "policy", "get", "--table", name).wants(t, 1, "nobody may do anything until one is set")
	berth(t, "", "policy", "set", policy, "--table", name, "--if", "none").wants(t, 0, "is in force")
	berth(t, "", "policy", "set", policy, "--table", name, "--if", "none").wants(t, 1, "changed meanwhile")
	got := berth(t, "", "policy", "get", "--table", name).wants(t, 0)
	version := strings.TrimSpace(strings.TrimPrefix(got.err, "version "))
	if got.out != accessPolicy || version == "" {
		t.Errorf("got the policy %q of version %q", got.out, version)
	}
	berth(t, "", "policy", "set", policy, "--table", name, "--if", version).wants(t, 0)
	berth(t, "", "policy", "explain", "--table", name, "--who", "robot:root", "--action", "admin").wants(t, 0, "administration")
	id, secret := berth(t, "", "robot", "create", "root", "--table", name).key(t)

	kept := ledger.New(dynamo.New(db, nil, name, slog.New(slog.DiscardHandler)), ledger.Options{})
	r, err := kept.Robot(t.Context(), id)
	if err != nil || !r.Matches(secret) {
		t.Errorf("the table has %+v, %v", r, err)
	}
	doc, err := kept.Policy(t.Context())
	if err != nil || !strings.HasPrefix(doc.By, "operator:") {
		t.Errorf("set by %q, %v, want the operator", doc.By, err)
	}
}
