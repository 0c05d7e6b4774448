package main

import (
	"fmt"
	"net/http"
	"os"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/berthregistry/berth/shared/blobs"
	blobss3 "github.com/berthregistry/berth/shared/blobs/s3"
	"github.com/berthregistry/berth/shared/wire"
)

// openStore returns the driver that the functions use, on the S3 server of the
// tests, with every request metered.
func openStore(m *meter) (blobs.Store, error) {
	endpoint := os.Getenv("BERTH_TEST_S3")
	if endpoint == "" {
		return nil, fmt.Errorf("BERTH_TEST_S3 is not set: scripts/cost starts a server and sets it")
	}
	client := s3.New(s3.Options{
		Region:       "us-east-1",
		BaseEndpoint: &endpoint,
		UsePathStyle: true,
		HTTPClient:   meteredClient{m},
		Credentials: aws.NewCredentialsCache(credentials.NewStaticCredentialsProvider(
			os.Getenv("BERTH_TEST_S3_ACCESS_KEY"), os.Getenv("BERTH_TEST_S3_SECRET_KEY"), "")),
	})
	return blobss3.New(client, os.Getenv("BERTH_TEST_S3_BUCKET"), "cost/", blobss3.WithPartSize(wire.PartSize)), nil
}

// meteredClient counts requests as S3 bills them. A DELETE is free.
type meteredClient struct{ meter *meter }

func (c meteredClient) Do(req *http.Request) (*http.Response, error) {
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, err
	}
	c.meter.add(func(b *bill) {
		b.s3Calls++
		b.s3Bytes += float64(max(0, req.ContentLength) + max(0, resp.ContentLength))
		countS3(b, req.Method, req.URL.Query())
	})
	return resp, nil
}

// countS3 adds one request of S3 to a bill.
func countS3(b *bill, method string, query map[string][]string) {
	_, list := query["list-type"]
	_, uploads := query["uploads"]
	_, parts := query["uploadId"]
	switch {
	case method == http.MethodDelete:
	case method == http.MethodGet && !list && !uploads && !parts, method == http.MethodHead:
		b.s3Reads++
	default:
		b.s3Writes++
	}
}
