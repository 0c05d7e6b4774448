package wire

import (
	"errors"
	"math/rand/v2"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/smithy-go"
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
		HTTPClient:   unhurried{newTransport(bucketAnswer), newTransport(0)},
		Retryer:      newRetryer(),
	})
}

// NewClient returns what sends the requests of a client of the SDK to a service
// that begins its answers in time, and what has it try again: for a client that
// is made elsewhere, since whatever is linked here costs each function a part of
// its start.
func NewClient(answer time.Duration) (aws.HTTPClient, aws.Retryer) {
	return newTransport(answer), newRetryer()
}

// endpoint is nil for the service's own.
func endpoint(url string) *string {
	if url == "" {
		return nil
	}
	return &url
}

const (
	// attempts of one call. Even if each runs into the time-out of the
	// transport, they end inside the 29 s of a request.
	attempts = 4
	// firstPause is the bound of the pause after a first failure, such as a
	// connection that has died, and throttledPause that after a service has
	// asked for less. They double. The SDK's own begins with a second, which
	// is more than most requests take.
	firstPause     = 25 * time.Millisecond
	throttledPause = 250 * time.Millisecond
	longestPause   = time.Second
)

// newRetryer retries what the SDK's standard retries, only sooner.
func newRetryer() aws.Retryer {
	return retry.NewStandard(func(o *retry.StandardOptions) {
		o.MaxAttempts = attempts
		throttles := retry.IsErrorThrottles(o.Throttles)
		o.Backoff = retry.BackoffDelayerFunc(func(attempt int, err error) (time.Duration, error) {
			if throttles.IsErrorThrottle(err).Bool() {
				return pause(throttledPause, attempt), nil
			}
			return pause(firstPause, attempt), nil
		})
	})
}

// pause draws the pause after an attempt, counted from one. Half of its bound
// is drawn, so that those who failed together part.
func pause(first time.Duration, attempt int) time.Duration {
	bound := min(first<<min(max(attempt-1, 0), 10), longestPause)
	return bound/2 + rand.N(bound/2)
}

// busy says whether a call failed, all its retries included, because the
// service had too much to do. ServiceUnavailable is S3's word beside SlowDown.
func busy(err error) bool {
	api, ok := errors.AsType[smithy.APIError](err)
	if !ok {
		return false
	}
	_, throttled := retry.DefaultThrottleErrorCodes[api.ErrorCode()]
	return throttled || api.ErrorCode() == "ServiceUnavailable"
}
