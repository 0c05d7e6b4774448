package iam_test

import (
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	awss3 "github.com/aws/aws-sdk-go-v2/service/s3"
)

// What a GetItem takes: the difference between the two is what the proxy adds.
func BenchmarkGetItem(b *testing.B) {
	target := fakeTarget(b, func(w http.ResponseWriter, r *http.Request) {
		io.Copy(io.Discard, r.Body)
		w.Header().Set("Content-Type", "application/x-amz-json-1.0")
		io.WriteString(w, `{"Item":{"pk":{"S":"a"}}}`)
	})
	for name, address := range map[string]string{
		"direct":  target,
		"proxied": serve(b, newConfig(b, "dynamodb", target, policy(b, []string{"dynamodb:GetItem"}, tableARN("state")))),
	} {
		b.Run(name, func(b *testing.B) {
			client := newClient(address, session)
			input := &dynamodb.GetItemInput{
				TableName: aws.String("state"), ConsistentRead: aws.Bool(true),
				Key: map[string]types.AttributeValue{"pk": &types.AttributeValueMemberS{Value: "a"}},
			}
			for b.Loop() {
				if _, err := client.GetItem(b.Context(), input); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// What a part of an upload takes.
func BenchmarkUploadPart(b *testing.B) {
	const size = 10 << 20
	target := fakeTarget(b, func(w http.ResponseWriter, r *http.Request) {
		io.Copy(io.Discard, r.Body)
		w.Header().Set("ETag", `"e"`)
	})
	for name, address := range map[string]string{
		"direct":  target,
		"proxied": serve(b, newConfig(b, "s3", target, policy(b, []string{"s3:PutObject"}, "*"))),
	} {
		b.Run(name, func(b *testing.B) {
			client := newS3(address, region, session)
			body := strings.NewReader(strings.Repeat("x", size))
			b.SetBytes(size)
			for b.Loop() {
				_, err := client.UploadPart(b.Context(), &awss3.UploadPartInput{
					Bucket: aws.String("content"), Key: aws.String("a"), Body: body,
					UploadId: aws.String("u"), PartNumber: aws.Int32(1),
				})
				if err != nil {
					b.Fatal(err)
				}
				body.Seek(0, io.SeekStart)
			}
		})
	}
}

// What of it is our own work, without a server behind: reading the request,
// verifying it, and the refusal.
func BenchmarkRefusal(b *testing.B) {
	c := newConfig(b, "dynamodb", fakeTarget(b, nil), policy(b, []string{"dynamodb:Query"}, "*"))
	client := newClient(serve(b, c), session)
	input := &dynamodb.GetItemInput{
		TableName: aws.String("state"),
		Key:       map[string]types.AttributeValue{"pk": &types.AttributeValueMemberS{Value: "a"}},
	}
	for b.Loop() {
		if _, err := client.GetItem(b.Context(), input); err == nil {
			b.Fatal("it was let through")
		}
	}
}
