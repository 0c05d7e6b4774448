package wire

import (
	"math/rand/v2"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/s3"
)

// The clients are made by hand: what config.LoadDefaultConfig does is to look
// for settings in files, containers and machines that a function has not, at
// every cold start.

func newDynamoDB(c Config) *dynamodb.Client {
	return dynamodb.New(dynamodb.Options{
		Region:       c.Region,
		Credentials:  credentials.StaticCredentialsProvider{Value: c.Credentials},
		BaseEndpoint: endpoint(c.DynamoDB),
		HTTPClient:   newTransport(tableAnswer),
		Retryer:      newRetryer(),
	})
}

func newS3(c Config) *s3.Client {
	return s3.New(s3.Options{
		Region:       c.Region,
		Credentials:  credentials.StaticCredentialsProvider{Value: c.Credentials},
		BaseEndpoint: endpoint(c.S3),
		UsePathStyle: c.S3 != "",
		HTTPClient:   newTransport(bucketAnswer),
		Retryer:      newRetryer(),
	})
}

// endpoint is nil for the service's own.
func endpoint(url string) *string {
	if url == "" {
		return nil
	}
	return &url
}

const (
	// attempts of one call, which with the time-outs of the transport end well
	// inside the 29 s of a request, even if each one runs into its own.
	attempts = 3
	// firstPause and longestPause bound the pauses between them. The SDK's
	// default begins with up to a second, which is more than most requests
	// take.
	firstPause   = 25 * time.Millisecond
	longestPause = 500 * time.Millisecond
)

// newRetryer retries what the SDK's standard retries, only sooner.
func newRetryer() aws.Retryer {
	return retry.NewStandard(func(o *retry.StandardOptions) {
		o.MaxAttempts = attempts
		o.Backoff = retry.BackoffDelayerFunc(func(attempt int, _ error) (time.Duration, error) {
			return pause(attempt), nil
		})
	})
}

// pause draws the pause after an attempt, counted from one. The bound doubles,
// and half of it is drawn, so that those who failed together part.
func pause(attempt int) time.Duration {
	bound := min(firstPause<<min(max(attempt-1, 0), 10), longestPause)
	return bound/2 + rand.N(bound/2)
}
