package registry_test

import (
	"cmp"
	"context"
	"crypto/rand"
	"log/slog"
	"os"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	awss3 "github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/berthregistry/berth/shared/blobs/s3"
	"github.com/berthregistry/berth/shared/registry"
	"github.com/berthregistry/berth/shared/table/dynamo"
)

// onEach runs a test on the embedded stores, and the same test on DynamoDB and
// S3, or what stands in for them: scripts/test starts both.
func onEach(t *testing.T, test func(t *testing.T, tm team)) {
	t.Run("local", func(t *testing.T) { test(t, newTeam(t, registry.Options{})) })
	t.Run("aws", func(t *testing.T) { test(t, newAWSTeam(t)) })
}

// newAWSTeam is a registry on a new table and a prefix of its own.
func newAWSTeam(t *testing.T) team {
	t.Helper()
	db := dynamodb.New(dynamodb.Options{
		Region: "us-east-1", BaseEndpoint: aws.String(service(t, "BERTH_TEST_DYNAMODB")),
		Credentials: credentials.NewStaticCredentialsProvider("test", "test", ""),
		// The engine closes connections at times when all of the machine is busy,
		// and does so again while that lasts.
		RetryMaxAttempts: 10,
	})
	name := "berth-test-" + rand.Text()
	if err := dynamo.CreateTable(t.Context(), db, name); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		// t.Context has ended by now.
		if _, err := db.DeleteTable(context.Background(), &dynamodb.DeleteTableInput{TableName: &name}); err != nil {
			t.Log(err)
		}
	})
	objects := awss3.New(awss3.Options{
		Region: "us-east-1", BaseEndpoint: aws.String(service(t, "BERTH_TEST_S3")), UsePathStyle: true,
		Credentials: credentials.NewStaticCredentialsProvider(
			cmp.Or(os.Getenv("BERTH_TEST_S3_ACCESS_KEY"), "berth-test"),
			cmp.Or(os.Getenv("BERTH_TEST_S3_SECRET_KEY"), "berth-test-secret"), ""),
	})
	bucket := cmp.Or(os.Getenv("BERTH_TEST_S3_BUCKET"), "berth-test")
	tab := dynamo.New(db, nil, name, slog.New(slog.DiscardHandler))
	obj := s3.New(objects, bucket, strings.ToLower(name)+"/")
	return newTeamOn(t, tab, obj, registry.Options{})
}

// service returns the address in an environment variable, or ends the test.
func service(t *testing.T, variable string) string {
	t.Helper()
	address := os.Getenv(variable)
	switch {
	case address != "":
	case os.Getenv("BERTH_TEST_REQUIRE") == "1":
		t.Fatalf("%s is not set, and BERTH_TEST_REQUIRE=1 wants it", variable)
	default:
		t.Skipf("%s is not set: scripts/test starts the service and sets it", variable)
	}
	return address
}
